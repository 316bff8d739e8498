package book

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Diff is what differs between two states of a rule. One that is nil is the
// state without the rule.
type Diff struct {
	Before, After *rule.Rule
	Changes       []string
}

// Diff compares two revisions of a rule. To is the current one when it is 0.
// From, when it is 0, is the built-in rule of today for what stands over one
// now, and else the revision before to.
func (b *Book) Diff(ctx context.Context, id string, from, to int64) (Diff, error) {
	var d Diff
	var err error
	if from < 0 || to < 0 {
		return d, errs.Field("from", "revisions count from 1")
	}
	if d.After, err = b.state(ctx, id, to); err != nil {
		return d, err
	}
	switch c := b.builtIn[id]; {
	case from > 0:
		d.Before, err = b.At(ctx, id, from)
	case to == 0 && d.After.Overridden:
		d.Before = &c.Rule
	default:
		if to == 0 {
			to = d.After.Revision
		}
		if to > 1 {
			d.Before, err = b.At(ctx, id, to-1)
		}
	}
	if err == nil && d.Before != nil && d.After != nil {
		d.Changes = rule.Changes(d.Before, d.After)
	}
	return d, err
}

// state returns the rule of a revision, or the current one.
func (b *Book) state(ctx context.Context, id string, number int64) (*rule.Rule, error) {
	if number > 0 {
		return b.At(ctx, id, number)
	}
	e, err := b.Get(ctx, id)
	return &e.Rule, err
}
