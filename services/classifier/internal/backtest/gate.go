package backtest

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Allow says whether after may take the place of before, which is nil for a new
// rule. One that decides nothing may, and one that decides as before; else a
// backtest of the same digest must be done, whose name it returns, unless force
// makes up for it, which it reports. It is errs.FailedPrecondition otherwise,
// and says what to do.
func (r *Runner) Allow(ctx context.Context, before *rule.Rule, after rule.Rule, force bool) (backtest string, forced bool, err error) {
	digest := after.Digest()
	if after.Mode != rule.Enforce || before != nil && before.Mode == rule.Enforce && before.Digest() == digest {
		return "", false, nil
	}
	b, err := r.store.Proof(ctx, digest)
	switch {
	case err == nil:
		return Name(b.ID), false, nil
	case !errs.Is(err, errs.NotFound):
		return "", false, err
	case force:
		return "", true, nil
	}
	return "", false, errs.New(errs.FailedPrecondition,
		"rules/%s would decide without having been tried: run `redrive rules backtest` on it as it is now and repeat this, or store it with mode: MODE_SHADOW, or force it", after.ID)
}

const prefix = "backtests/"

// Name returns the resource name of a backtest.
func Name(id string) string { return prefix + id }
