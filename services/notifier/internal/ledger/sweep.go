package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Keep bounds what is kept.
type Keep struct {
	// Age is how long an alert is kept after it was resolved, and how long an
	// open one stands without any change.
	Age time.Duration
	// Count is how many open alerts are kept, and how many resolved ones.
	Count int
}

// historyAge is how long what is known of a job without an alert is kept: an
// older event does not come any more.
const historyAge = bus.EventMaxAge + 24*time.Hour

// Sweep closes open alerts and deletes resolved ones that are beyond the
// bounds, the oldest first. An alert of which something is still to be told is
// not deleted.
func (l *Ledger) Sweep(ctx context.Context, k Keep, now time.Time) error {
	open, resolved, err := l.store.Count(ctx)
	if err != nil {
		return fmt.Errorf("count alerts: %w", err)
	}
	if err := l.closeOld(ctx, k, open-k.Count, now); err != nil {
		return fmt.Errorf("close old alerts: %w", err)
	}
	if err := l.deleteOld(ctx, k, resolved-k.Count, now); err != nil {
		return fmt.Errorf("delete old alerts: %w", err)
	}
	if _, err := l.store.Forget(ctx, now.Add(-historyAge)); ignoreRace(err) != nil {
		return fmt.Errorf("forget old jobs: %w", err)
	}
	return nil
}

// closeOld closes at least the excess oldest open alerts.
func (l *Ledger) closeOld(ctx context.Context, k Keep, excess int, now time.Time) error {
	old := now.Add(-k.Age)
	for cursor := ""; ; {
		page, next, err := l.store.Standing(ctx, now, cursor)
		if err != nil {
			return err
		}
		for _, a := range page {
			if excess <= 0 && !a.Updated.Before(old) {
				return nil
			}
			excess--
			if _, err := l.close(ctx, a.ID, alert.Expired, "the notifier", now); ignoreRace(err) != nil {
				return err
			}
			l.expired.Inc()
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (l *Ledger) deleteOld(ctx context.Context, k Keep, excess int, now time.Time) error {
	old := now.Add(-k.Age)
	for cursor := ""; ; {
		page, next, err := l.store.Resolved(ctx, now, cursor)
		if err != nil {
			return err
		}
		for _, a := range page {
			if excess <= 0 && !a.Resolved.Before(old) {
				return nil
			}
			deleted, err := l.store.Delete(ctx, a)
			if ignoreRace(err) != nil {
				return err
			}
			if deleted {
				excess--
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

// ignoreRace leaves what was changed meanwhile to the next sweep.
func ignoreRace(err error) error {
	if errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}
