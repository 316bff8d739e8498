package book

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// MaxApplied bounds the rules that one apply changes: they are one commit.
const MaxApplied = 300

// Plan is what an apply would do.
type Plan struct {
	Steps     []Step
	Unchanged int // rules that are already as the packs say
}

// Plan compares packs with the rules that are there: what makes them as the
// packs say, and with prune takes away what is in those packs no more. What is
// as a built-in rule says is that one, and does not stand over it. The error is
// errs.Invalid and names the rule; field is the name of the packs in the
// request.
func (b *Book) Plan(ctx context.Context, field string, packs []rule.Pack, prune bool, ch Change, now time.Time) (Plan, error) {
	var p Plan
	if err := ch.Check(); err != nil {
		return p, err
	}
	entries, err := b.store.List(ctx)
	if err != nil {
		return p, err
	}
	stored := make(map[string]Entry, len(entries))
	for _, e := range entries {
		stored[e.Rule.ID] = e
	}
	applied, names := map[string]bool{}, map[string]bool{}
	for _, pack := range packs {
		names[pack.Name] = true
		for _, c := range pack.Rules {
			applied[c.Rule.ID] = true
			before, err := b.resolve(c.Rule.ID, stored[c.Rule.ID])
			switch {
			case err == nil && len(rule.Changes(&before.Rule, &c.Rule)) == 0:
				p.Unchanged++
				continue
			case err == nil && before.Rule.Overridden && len(rule.Changes(&b.builtIn[c.Rule.ID].Rule, &c.Rule)) == 0:
				p.Steps = append(p.Steps, b.restoring(before, ch.as(ActionApply), now))
			case err == nil:
				p.Steps = append(p.Steps, b.replaced(before, c.Rule, ch.as(ActionApply), now))
			default:
				s, err := b.added(ctx, c.Rule, ch.as(ActionApply), now)
				if err != nil {
					return p, err
				}
				p.Steps = append(p.Steps, s)
			}
		}
	}
	if prune {
		if names[""] {
			return p, errs.Field("prune", "needs packs with names: a document without `pack: NAME` does not say whose rules are to go")
		}
		for _, e := range entries {
			if !e.Deleted && names[e.Rule.Pack] && !applied[e.Rule.ID] {
				e.Rule = b.flagged(e.Rule)
				p.Steps = append(p.Steps, b.removed(e, ch.as(ActionDelete), now))
			}
		}
	}
	return p, b.checkPlan(field, p)
}

// checkPlan says whether the rules can be as they would be after p.
func (b *Book) checkPlan(field string, p Plan) error {
	if n := len(p.Steps); n > MaxApplied {
		return errs.Field(field, "changes %d rules, at most %d can be changed at a time: apply fewer packs, or parts of one", n, MaxApplied)
	}
	if len(p.Steps) == 0 {
		return nil
	}
	after := map[string]*rule.Compiled{}
	for _, c := range b.Set().Rules() {
		after[c.Rule.ID] = c
	}
	before := len(after)
	for _, s := range p.Steps {
		r := s.Entry.Rule
		if s.Gone {
			delete(after, r.ID)
			continue
		}
		c, err := rule.Compile(field+": "+r.ID, r)
		if err != nil {
			return err
		}
		after[r.ID] = c
	}
	if err := b.checkCount(len(after) - before); err != nil {
		return err
	}
	set, err := rule.NewSet(slices.Collect(maps.Values(after))...)
	if err != nil {
		return err
	}
	var all []error
	for _, s := range p.Steps {
		if !s.Takes() {
			all = append(all, set.CheckYields(field+": "+s.Entry.Rule.ID, &s.Entry.Rule))
		}
	}
	return errs.Fields(all...)
}

// Apply carries out a plan: all of it or nothing. A rule that was changed since
// is errs.Conflict. A plan without steps writes nothing.
func (b *Book) Apply(ctx context.Context, p Plan, now time.Time) error {
	return b.take(ctx, false, now, p.Steps...)
}

// All returns all rules as they are stored, built-in ones among them, in the
// order of their ids: also what another replica has stored just now.
func (b *Book) All(ctx context.Context) ([]rule.Rule, error) {
	entries, err := b.store.List(ctx)
	if err != nil {
		return nil, err
	}
	rules := map[string]rule.Rule{}
	for id, c := range b.builtIn {
		rules[id] = c.Rule
	}
	for _, e := range entries {
		if now, err := b.resolve(e.Rule.ID, e); err == nil {
			rules[e.Rule.ID] = now.Rule
		}
	}
	return slices.SortedFunc(maps.Values(rules), func(a, b rule.Rule) int { return strings.Compare(a.ID, b.ID) }), nil
}
