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
	factual  []bool  // by rule: it is tried and has no pattern that must match
	patterns []owned // of the rules that are tried, in rule order
	lookup   map[*pattern]int
	index    *index
}

// owned is a pattern with the rule that it is a part of.
type owned struct {
	*pattern
	of   *Compiled
	rule int // where that rule is in the set
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
	s.factual = make([]bool, len(s.rules))
	for i, c := range s.rules {
		if s.byID[c.Rule.ID] != nil {
			return nil, errs.New(errs.Invalid, "two rules have the id %q", c.Rule.ID)
		}
		s.byID[c.Rule.ID] = c
		if c.Rule.Mode == Off {
			continue
		}
		s.factual[i] = len(c.any) == 0 && len(c.all) == 0
		for _, p := range slices.Concat(c.any, c.all, c.none) {
			s.lookup[p] = len(s.patterns)
			s.patterns = append(s.patterns, owned{p, c, i})
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
	hits, touched := s.search(in)
	at := func(p *pattern) *hit { return hits[s.lookup[p]] }
	var all []Match
	for i, c := range s.rules {
		// Of nearly all rules no pattern is in the logs.
		if !touched[i] && !s.factual[i] || !c.Rule.Facts.hold(in) {
			continue
		}
		if m, ok := c.evaluate(in, at); ok {
			all = append(all, m)
		}
	}
	return all
}

// search returns the first hit of every pattern whose rule's facts hold, and by
// rule whether there is one.
func (s *Set) search(in Input) (hits []*hit, touched []bool) {
	hits, touched = make([]*hit, len(s.patterns)), make([]bool, len(s.rules))
	tried := make([]int32, len(s.patterns)) // the span that was tried last, from 1
	for ti, t := range in.Texts {
		low, lines := lower(t.Text), spans(t.Text)
		try := func(p, line int) {
			if hits[p] != nil || tried[p] == int32(line+1) {
				return
			}
			tried[p] = int32(line + 1)
			o := &s.patterns[p]
			if !o.of.Rule.Facts.hold(in) || !o.of.sees(t.Source) {
				return
			}
			l := lines[line]
			if loc := o.find(t.Text[l.start:l.end], low[l.start:l.end]); loc != nil {
				hits[p], touched[o.rule] = &hit{text: ti, span: l, loc: loc}, true
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
	return hits, touched
}
