package rule

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/sieve"
)

// MaxRules bounds a Set.
const MaxRules = 5000

// Set is an immutable list of rules in the order in which they are tried.
type Set struct {
	rules    []*Compiled
	byID     map[string]*Compiled
	first    []int   // by rule: where its patterns begin; they are in the order of Compiled.patterns
	patterns []owned // of the rules that are tried, in rule order
	factual  []int   // the rules without a pattern in any or all
	sieve    *sieve.Sieve
	searches sync.Pool // of *search
	automata atomic.Int32
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
		if len(c.any)+len(c.all) == 0 {
			s.factual = append(s.factual, i)
		}
		for _, p := range c.patterns() {
			s.patterns = append(s.patterns, owned{pattern: p, of: c, rule: i, set: s})
		}
	}
	sought := make([]sieve.Pattern, len(s.patterns))
	for i := range s.patterns {
		sought[i] = sieve.Pattern{Text: s.patterns[i].text, Needs: s.patterns[i].needs}
	}
	var err error
	if s.sieve, err = sieve.New(sought); err != nil {
		return nil, errs.New(errs.Internal, "build the rules' sieve: %w", err)
	}
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
	f, ok := s.searches.Get().(*search)
	if !ok {
		f = s.newSearch()
	}
	f.run(in)
	var all []Match
	for _, i := range f.rules() {
		c := s.rules[i]
		if !c.Rule.Facts.hold(in) {
			continue
		}
		if m, ok := c.evaluate(in, func(n int) *hit { return f.hits[s.first[i]+n] }); ok {
			all = append(all, m)
		}
	}
	aftermaths(all, in, func(id string) *Compiled { return s.byID[id] })
	f.clear()
	s.searches.Put(f)
	return all
}
