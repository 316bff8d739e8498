package rule

import (
	"cmp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// MaxRules bounds a Set.
const MaxRules = 5000

// Set is an immutable list of rules in the order in which they are tried.
type Set struct {
	rules    []*Compiled
	byID     map[string]*Compiled
	patterns []owned // of the rules that are tried, in rule order
	lookup   map[*pattern]int
	index    *index
}

// owned is a pattern with the rule that it is a part of.
type owned struct {
	*pattern
	of *Compiled
}

// NewSet puts rules in order. Two rules of one id, or more than MaxRules, are
// errs.Invalid.
func NewSet(rules ...*Compiled) (*Set, error) {
	if len(rules) > MaxRules {
		return nil, errs.New(errs.Invalid, "%d rules are too many: at most %d", len(rules), MaxRules)
	}
	s := &Set{rules: slices.Clone(rules), byID: map[string]*Compiled{}, lookup: map[*pattern]int{}}
	slices.SortFunc(s.rules, func(a, b *Compiled) int {
		return cmp.Or(cmp.Compare(a.Rule.Order, b.Rule.Order), strings.Compare(a.Rule.ID, b.Rule.ID))
	})
	for _, c := range s.rules {
		if s.byID[c.Rule.ID] != nil {
			return nil, errs.New(errs.Invalid, "two rules have the id %q", c.Rule.ID)
		}
		s.byID[c.Rule.ID] = c
		if c.Rule.Mode == Off {
			continue
		}
		for _, p := range slices.Concat(c.any, c.all, c.none) {
			s.lookup[p] = len(s.patterns)
			s.patterns = append(s.patterns, owned{p, c})
		}
	}
	s.index = newIndex(s.patterns)
	return s, nil
}

// Rules returns the rules in the order in which they are tried. The slice is
// the caller's; what it points to must not be changed.
func (s *Set) Rules() []*Compiled { return slices.Clone(s.rules) }

// Rule returns the rule with this id.
func (s *Set) Rule(id string) (c *Compiled, ok bool) {
	c, ok = s.byID[id]
	return c, ok
}

// Match returns every rule that matches, in the order in which they are tried;
// rules that are off are not tried.
func (s *Set) Match(in Input) []Match {
	hits := s.search(in)
	at := func(p *pattern) *hit { return hits[s.lookup[p]] }
	var all []Match
	for _, c := range s.rules {
		if c.Rule.Mode == Off || !c.Rule.Facts.hold(in) {
			continue
		}
		if m, ok := c.evaluate(in, at); ok {
			all = append(all, m)
		}
	}
	return all
}

// search returns the first hit of every pattern whose rule's facts hold.
func (s *Set) search(in Input) []*hit {
	hits := make([]*hit, len(s.patterns))
	tried := make([]int, len(s.patterns)) // the span that was tried last, from 1
	idle := make([]bool, len(s.patterns))
	for i, p := range s.patterns {
		idle[i] = !p.of.Rule.Facts.hold(in)
	}
	for ti, t := range in.Texts {
		low, lines := lower(t.Text), spans(t.Text)
		try := func(p, line int) {
			if hits[p] != nil || tried[p] == line+1 || idle[p] || !s.patterns[p].of.sees(t.Source) {
				return
			}
			tried[p] = line + 1
			l := lines[line]
			if loc := s.patterns[p].find(t.Text[l.start:l.end], low[l.start:l.end]); loc != nil {
				hits[p] = &hit{text: ti, span: l, loc: loc}
			}
		}
		s.index.scan(low, lines, try)
		for _, p := range s.index.blind {
			for line := 0; line < len(lines) && hits[p] == nil; line++ {
				try(p, line)
			}
		}
		clear(tried)
	}
	return hits
}
