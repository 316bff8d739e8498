package book

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Rollback makes the rule of an earlier revision the current one again, as a new
// revision: the one before the current one when to is 0. Before is the entry
// that Get returned, or one with the id alone for a rule that was deleted. Where
// the built-in rule was at work, the one of today is again. With check it stores
// nothing.
func (b *Book) Rollback(ctx context.Context, before Entry, to int64, ch Change, check bool, now time.Time) (rule.Rule, error) {
	if err := ch.Check(); err != nil {
		return rule.Rule{}, err
	}
	s, err := b.rolledBack(ctx, before, to, ch.as(ActionRollback), now)
	if err != nil {
		return rule.Rule{}, err
	}
	return s.Entry.Rule, b.take(ctx, check, now, s)
}

func (b *Book) rolledBack(ctx context.Context, before Entry, to int64, ch Change, now time.Time) (Step, error) {
	id, current := before.Rule.ID, before.Rule.Revision
	gone := current == 0
	if gone {
		last, err := b.store.Revision(ctx, id, 0)
		if errs.Is(err, errs.NotFound) {
			return Step{}, errs.New(errs.NotFound, "rules/%s does not exist", id)
		}
		if err != nil {
			return Step{}, err
		}
		current = last.Number
	}
	switch {
	case to == 0 && current == 1:
		return Step{}, errs.New(errs.FailedPrecondition, "rules/%s has never changed: there is no revision before the current one", id)
	case to == 0:
		to = current - 1
	case to < 0 || to >= current:
		return Step{}, errs.Field("revision", "%d is not before the current one, which is %d", to, current)
	}
	target, err := b.At(ctx, id, to)
	switch {
	case err != nil:
		return Step{}, err
	case target == nil:
		return Step{}, errs.New(errs.FailedPrecondition, "revision %d of rules/%s is its deletion: go back to another one, or delete the rule", to, id)
	case gone:
		if err := b.restorable(*target, 1); err != nil {
			return Step{}, err
		}
		return b.added(ctx, *target, ch, now)
	case target.BuiltIn && !target.Overridden && !before.Rule.Overridden:
		return Step{}, errs.New(errs.FailedPrecondition, "rules/%s was built in at revision %d, and is now", id, to)
	case target.BuiltIn && !target.Overridden:
		return b.restoring(before, ch, now), nil
	}
	if err := b.restorable(*target, 0); err != nil {
		return Step{}, err
	}
	return b.replaced(before, *target, ch, now), nil
}

// restorable says whether a rule of the past can be stored now.
func (b *Book) restorable(r rule.Rule, more int) error {
	if err := b.check(r, Change{}); err != nil {
		return err
	}
	return b.checkCount(more)
}

// At returns the rule as it was from a revision on: nil where it was deleted, and
// the built-in rule of today where the built-in one was at work. What is not
// kept, or never was, is errs.NotFound.
func (b *Book) At(ctx context.Context, id string, number int64) (*rule.Rule, error) {
	c := b.builtIn[id]
	rev, err := b.store.Revision(ctx, id, number)
	if errs.Is(err, errs.NotFound) {
		if number == 1 && c != nil { // it was never written: it came with Redrive
			return &c.Rule, nil
		}
		return nil, errs.New(errs.NotFound, "revision %d of rules/%s is not kept", number, id)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case rev.builtIn() && c != nil:
		return &c.Rule, nil
	case rev.Action == ActionDelete:
		return nil, nil
	}
	return &rev.Rule, nil
}
