package backtest

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Question is what a backtest is to find out.
type Question struct {
	Rule   *rule.Rule    // nil: what today's rules say of failures of Class
	Class  failure.Class // with Rule: empty
	DryRun bool
	Window time.Duration // 0: all that are kept
	Most   int           // 0: DefaultFailures
}

func (q Question) check() error {
	var window, most error
	if q.Window < 0 {
		window = errs.Field("window", "%v is negative: leave it out for all failures", q.Window)
	}
	if q.Most < 0 || q.Most > MaxFailures {
		most = errs.Field("max_failures", "%d is not between 0 and %d", q.Most, MaxFailures)
	}
	return errs.Fields(window, most)
}

// Begin begins a backtest. What cannot be tried is errs.Invalid, and
// errs.Exhausted is one too many at a time. Without failures it is done at once.
func (r *Runner) Begin(ctx context.Context, q Question, now time.Time) (Backtest, error) {
	if err := q.check(); err != nil {
		return Backtest{}, err
	}
	b := Backtest{ID: strings.ToLower(rand.Text()[:13]), State: Running, Class: q.Class, DryRun: q.DryRun, Create: now}
	if q.Window > 0 {
		b.Since = now.Add(-q.Window)
	}
	if q.Rule != nil {
		if _, err := newTrial(r.rules(), *q.Rule); err != nil {
			return b, err
		}
		tried := *q.Rule
		b.Rule, b.Digest = &tried, tried.Digest()
	}
	running, err := r.store.Running(ctx)
	if err != nil {
		return b, err
	}
	if len(running) >= MaxRunning {
		return b, errs.New(errs.Exhausted, "%d backtests run, the most that can at a time: wait for one, or cancel one with `redrive rules backtests --cancel ID`", len(running))
	}
	most := q.Most
	if most == 0 {
		most = DefaultFailures
	}
	if b.Total, err = r.failures.Count(ctx, b.selection(), most); err != nil {
		return b, err
	}
	if b.Total = min(b.Total, most); b.Total == 0 {
		b.State, b.End = Done, now
	}
	if b, err = r.store.Put(ctx, b); err != nil {
		return b, err
	}
	select {
	case r.started <- struct{}{}:
	default:
	}
	return b, nil
}

// mostRaces is how often a cancellation goes after a backtest that runs on.
const mostRaces = 20

// Cancel ends a backtest that runs; one that has ended stays as it is.
func (r *Runner) Cancel(ctx context.Context, id string, now time.Time) (Backtest, error) {
	for try := 1; ; try++ {
		b, err := r.store.Get(ctx, id)
		if err != nil || b.State != Running {
			return b, err
		}
		b.State, b.End = Cancelled, now
		if b, err = r.store.Put(ctx, b); !errs.Is(err, errs.Conflict) || try == mostRaces {
			return b, err
		}
	}
}

// Get returns a backtest, or errs.NotFound.
func (r *Runner) Get(ctx context.Context, id string) (Backtest, error) { return r.store.Get(ctx, id) }

// Purge deletes what is beyond MaxKept and KeptFor.
func (r *Runner) Purge(ctx context.Context, now time.Time) error {
	return r.store.Purge(ctx, now.Add(-KeptFor), MaxKept)
}
