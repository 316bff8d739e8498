package backtest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// trial compares today's rules with a set that has one more, or another one.
type trial struct {
	today *rule.Set // that with was made of
	with  *rule.Set
	tried string    // the id of the rule that is tried
	then  *rule.Set // the rule of that id today alone; nil: there is none
}

// newTrial puts r among today's rules as though it were enforced. It is
// errs.Invalid when r is no rule, or one too many.
func newTrial(today *rule.Set, r rule.Rule) (*trial, error) {
	r.Mode = rule.Enforce
	c, err := rule.Compile("rule", r)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(today.Rules(), func(c *rule.Compiled) bool { return c.Rule.ID == r.ID })
	with, err := rule.NewSet(append(all, c)...)
	if err != nil {
		return nil, err
	}
	t := &trial{today: today, with: with, tried: r.ID}
	if then, ok := today.Rule(r.ID); ok {
		t.then, err = rule.NewSet(then)
	}
	return t, err
}

// of compares what is said of f now with what would be said with the rule. Both
// are made by matching f's evidence again: the rules that are the same match
// alike.
func (t *trial) of(f record.Failure) Finding {
	in := rule.NewInput(f.Evidence, f.Type.Engine)
	with := t.with.Match(in)
	now := make([]rule.Match, 0, len(with)+1)
	found := Finding{Failure: f.ID()}
	for _, m := range with {
		if m.Rule == t.tried {
			found.Matched = true
		} else {
			now = append(now, m)
		}
	}
	if t.then != nil {
		now = append(now, t.then.Match(in)...)
		slices.SortStableFunc(now, func(a, b rule.Match) int {
			return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.Rule, b.Rule))
		})
	}
	found.Now, found.Then = said(now), said(with)
	found.Won = found.Then.Rule == t.tried
	return found
}

// again says what today's rules say of f, and what they said of it last.
func again(today *rule.Set, f record.Failure, last Said) Finding {
	in := rule.NewInput(f.Evidence, f.Type.Engine)
	return Finding{Failure: f.ID(), Now: last, Then: said(today.Match(in))}
}

// said says which match speaks. That depends on the matches alone: the finalizer
// takes no more than words from the evidence, which are left out here.
func said(matches []rule.Match) Said {
	r := finalize.Finalize(matches, rule.Input{})
	return Said{r.Rule, r.Class, r.Verdict}
}
