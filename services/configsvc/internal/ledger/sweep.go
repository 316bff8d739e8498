package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// Expire writes down which patches are past their expiry, so that it is told as
// an event. Nothing depends on when that happens: readers look at the time.
func (l *Ledger) Expire(ctx context.Context, now time.Time) error {
	for p, err := range l.store.Due(ctx, now) {
		if err != nil {
			return fmt.Errorf("expire patches: %w", err)
		}
		expired, changed := patch.Expire(p, now)
		if err := l.end(ctx, expired, changed, actionExpired, now); err != nil {
			return fmt.Errorf("expire %s: %w", p.Name(), err)
		}
	}
	return nil
}

// Purge deletes the patches that ended Options.KeepFor ago, and keeps the number
// of patches near Options.Keep: of those beyond, ended ones are deleted, and
// proposals and active ones of single jobs are ended, to be deleted by the next
// Purge. These are the oldest: nobody answered such a proposal, and a patch of a
// job is of use while the job is retried.
func (l *Ledger) Purge(ctx context.Context, now time.Time) error {
	for p, err := range l.store.Ended(ctx, now.Add(-l.o.KeepFor)) {
		if err != nil {
			return fmt.Errorf("purge patches: %w", err)
		}
		if err := l.delete(ctx, p); err != nil {
			return err
		}
	}
	for p, err := range l.store.Older(ctx, l.o.Keep) {
		if err != nil {
			return fmt.Errorf("purge patches: %w", err)
		}
		switch {
		case !p.Open():
			err = l.delete(ctx, p)
		case p.Scope.OfJob() || p.State == patch.Proposed:
			evicted, changed := patch.Evict(p, now)
			err = l.end(ctx, evicted, changed, actionEvicted, now)
		}
		if err != nil {
			return fmt.Errorf("purge %s: %w", p.Name(), err)
		}
	}
	return nil
}

// end writes an ended patch. One that was changed meanwhile is left to the next
// sweep.
func (l *Ledger) end(ctx context.Context, p patch.Patch, changed bool, action string, now time.Time) error {
	if !changed {
		return nil
	}
	err := l.store.Commit(ctx, store.Change{Ended: []patch.Patch{p}}, now)
	if err == nil {
		l.metrics.count(action, 1)
	}
	return unlessLost(err)
}

func (l *Ledger) delete(ctx context.Context, p patch.Patch) error {
	err := l.store.Delete(ctx, p)
	if err == nil {
		l.metrics.count(actionPurged, 1)
	}
	return unlessLost(err)
}

func unlessLost(err error) error {
	if errs.Is(err, errs.Conflict) {
		return nil
	}
	return err
}
