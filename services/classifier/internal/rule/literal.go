package rule

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// What a line must contain for a pattern to match it is worked out from the
// pattern's syntax tree, as sets of literals: at least one literal of each set
// is on every line that matches. Literals are in small letters (A to Z only),
// and so is the text that they are looked for in, so that a set may let through
// a line that does not match but never holds one back that does.
const (
	maxExact   = 24 // literals in one set
	maxLiteral = 64 // bytes of a literal that is still made longer
)

// needs is what the analysis knows of a part of a pattern.
type needs struct {
	exact []string // all that it can match, when that is a small set; else nil
	sets  [][]string
}

var matchesEmpty = needs{exact: []string{""}}

// required returns the sets of literals of a parsed pattern, the best first.
func required(re *syntax.Regexp) [][]string {
	n := analyze(re)
	sets := n.sets
	if n.exact != nil {
		sets = appendSet(sets, n.exact)
	}
	slices.SortStableFunc(sets, func(a, b []string) int { return score(b) - score(a) })
	return sets
}

// score prefers long literals, then few of them.
func score(set []string) int {
	least := maxLiteral * 4
	for _, s := range set {
		least = min(least, len(s))
	}
	return least*maxExact - len(set)
}

func appendSet(sets [][]string, exact []string) [][]string {
	if len(exact) == 0 || slices.Contains(exact, "") {
		return sets
	}
	return append(sets, exact)
}

func analyze(re *syntax.Regexp) needs {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return matchesEmpty
	case syntax.OpLiteral:
		parts := make([]needs, len(re.Rune))
		for i, r := range re.Rune {
			parts[i] = analyzeRune(r, re.Flags&syntax.FoldCase != 0)
		}
		return concat(parts)
	case syntax.OpCharClass:
		return analyzeClass(re.Rune)
	case syntax.OpCapture:
		return analyze(re.Sub[0])
	case syntax.OpConcat:
		parts := make([]needs, len(re.Sub))
		for i, sub := range re.Sub {
			parts[i] = analyze(sub)
		}
		return concat(parts)
	case syntax.OpAlternate:
		parts := make([]needs, len(re.Sub))
		for i, sub := range re.Sub {
			parts[i] = analyze(sub)
		}
		return alternate(parts)
	case syntax.OpQuest:
		return alternate([]needs{analyze(re.Sub[0]), matchesEmpty})
	case syntax.OpPlus:
		return once(analyze(re.Sub[0]))
	case syntax.OpRepeat:
		if re.Min > 0 {
			return once(analyze(re.Sub[0]))
		}
	}
	return needs{}
}

// analyzeRune leaves out what lower does not fold: in (?i) that is every letter
// beyond ASCII, and k and s, which the Kelvin sign and the long s match too. An
// invalid byte of a text matches U+FFFD.
func analyzeRune(r rune, fold bool) needs {
	if r == unicode.ReplacementChar || fold && (r >= 0x80 || r == 'k' || r == 'K' || r == 's' || r == 'S') {
		return needs{}
	}
	return needs{exact: []string{string(lower(string(r)))}}
}

func analyzeClass(ranges []rune) needs {
	var all []string
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1] >= 0x80 || ranges[i+1]-ranges[i] >= maxExact {
			return needs{}
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			all = append(all, string(lower(string(r))))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 || len(all) > maxExact/2 {
		return needs{}
	}
	return needs{exact: all}
}

func once(n needs) needs {
	if n.exact != nil {
		return needs{sets: appendSet(n.sets, n.exact)}
	}
	return n
}

func concat(parts []needs) needs {
	cur, whole := []string{""}, true
	var sets [][]string
	for _, p := range parts {
		if next := cross(cur, p.exact); next != nil {
			cur = next
			continue
		}
		whole = false
		sets = appendSet(sets, cur)
		sets = append(sets, p.sets...)
		cur = p.exact
		if cur == nil {
			cur = []string{""}
		}
	}
	if whole {
		return needs{exact: cur}
	}
	return needs{sets: appendSet(sets, cur)}
}

// cross returns every a followed by every b, or nil when b is not known or the
// result would be too large.
func cross(a, b []string) []string {
	if b == nil || len(a)*len(b) > maxExact {
		return nil
	}
	var all []string
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxLiteral {
				return nil
			}
			all = append(all, x+y)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func alternate(parts []needs) needs {
	var exact, either []string
	isExact := true
	for _, p := range parts {
		if p.exact == nil {
			isExact = false
			break
		}
		exact = append(exact, p.exact...)
	}
	slices.Sort(exact)
	exact = slices.Compact(exact)
	if isExact && len(exact) <= maxExact {
		return needs{exact: exact}
	}
	for _, p := range parts {
		var best []string
		for _, set := range append(appendSet(nil, p.exact), p.sets...) {
			if best == nil || score(set) > score(best) {
				best = set
			}
		}
		if best == nil {
			return needs{}
		}
		either = append(either, best...)
	}
	slices.Sort(either)
	either = slices.Compact(either)
	if len(either) > 4*maxExact {
		return needs{}
	}
	return needs{sets: [][]string{either}}
}
