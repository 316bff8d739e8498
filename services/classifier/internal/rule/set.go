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
	first    []int   // by rule: where its patterns begin; they are in the order of Compiled.patterns
	patterns []owned // of the rules that are tried, in rule order
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
	s := &Set{rules: slices.Clone(rules), byID: map[string]*Compiled{}}
	slices.SortFunc(s.rules, func(a, b *Compiled) int {
		return cmp.Or(cmp.Compare(a.Rule.Order, b.Rule.Order), strings.Compare(a.Rule.ID, b.Rule.ID))
	})
	s.first = make([]int, len(s.rules))
	for i, c := range s.rules {
		if s.byID[c.Rule.ID] != nil {
			return nil, errs.New(errs.Invalid, "two rules have the id %q", c.Rule.ID)
		}
		s.byID[c.Rule.ID] = c
		s.first[i] = len(s.patterns)
		if c.Rule.Mode == Off {
			continue
		}
		for _, p := range c.patterns() {
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
	found := s.search(in)
	var all []Match
	for i, c := range s.rules {
		// Of nearly all rules no pattern is in the logs.
		if c.Rule.Mode == Off || !found.may(i) || !c.Rule.Facts.hold(in) {
			continue
		}
		if m, ok := c.evaluate(in, func(n int) *hit { return found.hit(s.first[i] + n) }); ok {
			all = append(all, m)
		}
	}
	aftermaths(all, in, func(id string) *Compiled { return s.byID[id] })
	return all
}
