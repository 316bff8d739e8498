package lint

import (
	_ "embed" // ordinary.txt
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

const (
	// leastLiteral is the length, in bytes, of a literal that is rare in logs.
	leastLiteral = 5
	// mostSteps is the size of a program, in instructions, beyond which a pattern
	// is slow on the lines that it is tried on.
	mostSteps = 1000
)

//go:embed ordinary.txt
var ordinaryText string

// ordinaryLines are lines of logs of jobs that succeed.
var ordinaryLines = slices.DeleteFunc(strings.Split(ordinaryText, "\n"), func(line string) bool {
	return line == "" || strings.HasPrefix(line, "#")
})

// OrdinaryLines returns lines of logs of jobs that succeed, which no rule should
// match.
func OrdinaryLines() []string { return slices.Clone(ordinaryLines) }

// ordinary looks for rules that match lines which everybody's logs have.
func ordinary(s *rule.Set, wanted func(id string) bool) []Finding {
	type hits struct {
		n     int
		first rule.Match
	}
	all := map[string]*hits{}
	note := func(m rule.Match) {
		if all[m.Rule] == nil {
			all[m.Rule] = &hits{first: m}
		}
		all[m.Rule].n++
	}
	for _, line := range ordinaryLines {
		for _, m := range s.Match(rule.Input{Texts: []rule.Text{{Text: line, FirstLine: 1}}}) {
			note(m)
		}
	}
	var found []Finding
	for _, c := range s.Rules() {
		r := &c.Rule
		if !wanted(r.ID) || len(r.Any)+len(r.All) == 0 {
			continue
		}
		severity, with := Warning, ""
		if !r.Facts.Empty() || r.Mode == rule.Off {
			for _, line := range ordinaryLines {
				in := r.SampleInput()
				in.Texts[0].Text = line
				if m, missing := c.Explain(in); len(missing) == 0 {
					note(m)
				}
			}
		}
		if !r.Facts.Empty() {
			severity, with = Note, "where its facts hold, "
		}
		if h := all[r.ID]; h != nil {
			found = append(found, Finding{
				Rule: r.ID, Severity: severity, Check: matchesOrdinary,
				Message: fmt.Sprintf("%sit matches %s of %d lines that jobs log which succeed, such as %q", with, count(h.n, "one", "%d"), len(ordinaryLines), h.first.Text),
			})
		}
	}
	return found
}

func count(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// alone looks at one rule.
func alone(c *rule.Compiled) []Finding {
	r := &c.Rule
	var found []Finding
	say := func(s Severity, check, field, format string, args ...any) {
		found = append(found, Finding{Rule: r.ID, Severity: s, Check: check, Field: field, Message: fmt.Sprintf(format, args...)})
	}
	blind := c.Blind()
	for _, list := range []struct {
		name     string
		patterns []string
		wanted   bool // that it matches
	}{{"any", r.Any, true}, {"all", r.All, true}, {"none", r.None, false}} {
		for i, p := range list.patterns {
			field := fmt.Sprintf("%s[%d]", list.name, i)
			if regexp.MustCompile(p).MatchString("") {
				severity := Error
				if !r.Facts.Empty() {
					severity = Warning
				}
				if list.wanted {
					say(severity, matchesEmpty, field, "it is found on an empty line, and so in nearly every log")
				} else {
					say(severity, matchesEmpty, field, "it is found on an empty line, and so keeps the rule from nearly every log")
				}
				continue
			}
			tree, err := syntax.Parse(p, syntax.Perl)
			if err != nil {
				continue // the rule compiled: it cannot be
			}
			switch n := sure(tree); {
			case slices.Contains(blind, p) && len(r.Sources) == 0 && r.Facts.Empty():
				say(Warning, costly, field, "it has no run of four characters that every match has, and the rule asks for no source and no fact: every byte of every log is looked at for it")
			case slices.Contains(blind, p):
				say(Warning, noLiteral, field, "it has no run of four characters that every match has: every byte is looked at for it")
			case n < leastLiteral:
				say(Note, shortLiteral, field, "the longest text that every match has is of %d letters, which many lines have", n)
			}
			if prog, err := syntax.Compile(tree.Simplify()); err == nil && len(prog.Inst) > mostSteps {
				say(Warning, costly, field, "it compiles to %d instructions: write + or * where the number does not matter", len(prog.Inst))
			}
			if end := loose(tree); end != "" {
				say(Note, wildcard, field, "a pattern is found anywhere in a line: .* at its %s does nothing", end)
			}
		}
	}
	if r.Sample == "" {
		say(Warning, noSample, "", "it has no sample: nothing tells when a change of it stops it from matching")
	}
	if len(r.NearMisses) == 0 && len(r.Any)+len(r.All) > 0 {
		say(Note, noNearMiss, "", "it has no near miss: a text much like its sample that it must not match")
	}
	if r.Owner == "" && !r.BuiltIn {
		say(Note, noOwner, "", "it has no owner to ask")
	}
	return found
}

// sure returns the length of the longest literal that every match has.
func sure(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return len(string(re.Rune))
	case syntax.OpCapture, syntax.OpPlus:
		return sure(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return sure(re.Sub[0])
		}
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n = max(n, sure(sub))
		}
		return n
	case syntax.OpAlternate:
		n := sure(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = min(n, sure(sub))
		}
		return n
	}
	return 0
}

// loose says at which end a pattern has a wildcard that nothing holds.
func loose(re *syntax.Regexp) string {
	if re.Op != syntax.OpConcat {
		return ""
	}
	anything := func(re *syntax.Regexp) bool {
		return re.Op == syntax.OpStar && (re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar)
	}
	switch {
	case anything(re.Sub[0]):
		return "beginning"
	case anything(re.Sub[len(re.Sub)-1]):
		return "end"
	}
	return ""
}
