package sieve

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is worked out of one pattern.
const (
	maxFactors = 24 // in one set
	maxFactor  = 64 // places of a factor that is still made longer
	maxSets    = 32
)

// Needs is what every line that a pattern matches must have. Analyze makes it.
type Needs struct {
	sets    []set
	classes []class
	// exotic says that a letter k or s of a factor may be written as U+212A or
	// U+017F instead, which (?i) allows.
	exotic bool
	checks [][]check
}

// set is a choice of factors: at least one of them is on the line.
type set []factor

// factor is a run of places, next to each other on the line.
type factor []place

// place says which bytes may stand there: below 256 exactly this one, from
// eitherCase on this ASCII letter in either case, from someClass on a byte of
// that class of the pattern.
type place uint16

const (
	eitherCase place = 256
	someClass  place = 512
	anything   place = 1<<16 - 1
)

// class is a set of bytes. Those of patterns are below 0x80 and without the end
// of a line.
type class [4]uint64

func (c *class) add(b byte) { c[b>>6] |= 1 << (b & 63) }

func (c *class) has(b byte) bool { return c[b>>6]>>(b&63)&1 != 0 }

// Analyze says what a parsed pattern needs. It may say too little, never too
// much: a line without it does not match.
func Analyze(re *syntax.Regexp) Needs {
	a := &analysis{}
	p := a.part(re)
	sets := p.sets
	if p.exact != nil {
		sets = appendSet(sets, p.exact)
	}
	slices.SortStableFunc(sets, func(a, b set) int { return b.weight() - a.weight() })
	sets = sets[:min(len(sets), maxSets)]
	return Needs{sets: sets, classes: a.classes, exotic: a.exotic, checks: checksOf(sets)}
}

// part is what the analysis knows of a part of a pattern.
type part struct {
	exact set // all that it can match, when that is a small set; else nil
	// What it begins and ends with, when that is known of all that it matches.
	head, tail set
	sets       []set
}

type analysis struct {
	classes []class
	exotic  bool
}

var empty = set{factor{}}

func known(s set) part { return part{exact: s, head: s, tail: s} }

func (a *analysis) part(re *syntax.Regexp) part {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return known(empty)
	case syntax.OpLiteral:
		return concat(a.runes(re.Rune, re.Flags&syntax.FoldCase != 0))
	case syntax.OpCharClass:
		return a.class(re.Rune)
	case syntax.OpCapture:
		return a.part(re.Sub[0])
	case syntax.OpConcat:
		return concat(a.parts(re.Sub))
	case syntax.OpAlternate:
		return alternate(a.parts(re.Sub))
	case syntax.OpQuest:
		return alternate([]part{a.part(re.Sub[0]), known(empty)})
	case syntax.OpPlus:
		return repeated(a.part(re.Sub[0]), 1, false)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return repeated(a.part(re.Sub[0]), re.Min, re.Min == re.Max)
		}
	}
	return part{}
}

func (a *analysis) parts(subs []*syntax.Regexp) []part {
	all := make([]part, len(subs))
	for i, sub := range subs {
		all[i] = a.part(sub)
	}
	return all
}

// runes takes a literal apart. An invalid byte of a text matches U+FFFD, and
// beyond ASCII nothing here knows about case.
func (a *analysis) runes(runes []rune, fold bool) []part {
	var all []part
	run := factor{}
	for _, r := range runes {
		switch letter := 'a' <= r|0x20 && r|0x20 <= 'z'; {
		case r == unicode.ReplacementChar || fold && r >= 0x80:
			all = append(all, known(set{run}), part{})
			run = factor{}
		case fold && letter:
			a.exotic = a.exotic || r|0x20 == 'k' || r|0x20 == 's'
			run = append(run, eitherCase+place(r|0x20))
		default:
			for _, b := range utf8.AppendRune(nil, r) {
				run = append(run, place(b))
			}
		}
	}
	return append(all, known(set{run}))
}

func (a *analysis) class(ranges []rune) part {
	var c class
	n := 0
	var last byte
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1] >= 0x80 {
			return part{}
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if r != '\n' {
				c.add(byte(r))
				n, last = n+1, byte(r)
			}
		}
	}
	switch {
	case n == 0:
		return part{}
	case n == 1:
		return known(set{{place(last)}})
	case n == 2 && 'a' <= last && last <= 'z' && c.has(last-0x20):
		return known(set{{eitherCase + place(last)}})
	}
	at := slices.Index(a.classes, c)
	if at < 0 {
		at = len(a.classes)
		a.classes = append(a.classes, c)
	}
	return known(set{{someClass + place(at)}})
}

// repeated is p at least n times, or exactly so often.
func repeated(p part, n int, exactly bool) part {
	if p.exact == nil {
		return p // one of them is there, and the first and the last are
	}
	times, whole := p.exact, true
	for range n - 1 {
		next := cross(times, p.exact)
		if next == nil {
			whole = false
			break
		}
		times = next
	}
	if whole && exactly {
		return known(times)
	}
	return part{head: times, tail: times, sets: appendSet(p.sets, times)}
}

func appendSet(sets []set, s set) []set {
	if len(s) == 0 || s.shortest() == 0 {
		return sets
	}
	return append(sets, s)
}

func (s set) shortest() int {
	n := maxFactor + 1
	for _, f := range s {
		n = min(n, len(f))
	}
	return n
}

func concat(parts []part) part {
	cur, whole := empty, true
	var head set
	var sets []set
	// end closes the run of places that has come so far, and goes on with next.
	end := func(next set) {
		if whole {
			head, whole = cur, false
		}
		sets = appendSet(sets, cur)
		cur = next
	}
	for _, p := range parts {
		switch longer := cross(cur, p.exact); {
		case longer != nil:
			cur = longer
		case p.exact != nil:
			end(p.exact)
		default:
			if longer := cross(cur, p.head); longer != nil {
				cur = longer
			}
			sets = append(sets, p.sets...)
			if p.tail == nil {
				end(empty)
			} else {
				end(p.tail)
			}
		}
	}
	if whole {
		return known(cur)
	}
	return part{head: head, tail: cur, sets: appendSet(sets, cur)}
}

// cross returns every a followed by every b, or nil when b is not known or the
// result would be too large.
func cross(a, b set) set {
	if b == nil || len(a)*len(b) > maxFactors {
		return nil
	}
	if len(b) == 1 && len(b[0]) == 0 {
		return a
	}
	all := make(set, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxFactor {
				return nil
			}
			all = append(all, slices.Concat(x, y))
		}
	}
	return all.compact()
}

func (s set) compact() set {
	if len(s) < 2 {
		return s
	}
	slices.SortFunc(s, slices.Compare[factor])
	return slices.CompactFunc(s, slices.Equal[factor])
}

func alternate(parts []part) part {
	exact := union(parts, func(p part) set { return p.exact })
	if exact != nil {
		return known(exact)
	}
	either := part{head: union(parts, func(p part) set { return p.head }), tail: union(parts, func(p part) set { return p.tail })}
	var choice set
	for _, p := range parts {
		best := p.best()
		if best == nil {
			return either
		}
		choice = append(choice, best...)
	}
	if choice = choice.compact(); len(choice) <= 4*maxFactors {
		either.sets = []set{choice}
	}
	return either
}

// union is what one of the parts has, when all of them say so.
func union(parts []part, of func(part) set) set {
	var all set
	for _, p := range parts {
		s := of(p)
		if s == nil || len(all)+len(s) > maxFactors {
			return nil
		}
		all = append(all, s...)
	}
	return slices.Clone(all).compact()
}

// best returns the set of p with the longest factors, or nil.
func (p part) best() set {
	var best set
	for _, s := range appendSet(p.sets, p.exact) {
		if best == nil || s.weight() > best.weight() {
			best = s
		}
	}
	return best
}

// weight prefers long factors, and of equal ones few.
func (s set) weight() int { return s.shortest()*maxFactors - len(s) }
