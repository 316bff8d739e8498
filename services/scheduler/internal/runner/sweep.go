package runner

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

const (
	// tellings is how often a failure is told before the plain policy decides.
	tellings   = 3
	purgeEvery = time.Minute
	purgeBatch = 100
	purgeMost  = 10_000 // jobs beyond their number, of one purge
	// lookEvery is how often those who watch jobs are told to look although
	// this process knows of no change: another one may.
	lookEvery = 5 * time.Second
)

// sweepLoop looks after what stands: failures without a decision, attempts that
// do not start in time or that nobody follows, and what is old.
func (r *Runner) sweepLoop(ctx context.Context, group *errgroup.Group) error {
	tick := time.NewTicker(max(r.o.VerdictTimeout/(4*tellings), 10*time.Millisecond))
	defer tick.Stop()
	var purged, looked time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// One that fails must not keep the others from their work.
		err := errors.Join(r.once(ctx, "standing", r.sweepStanding), r.once(ctx, "expired", r.sweepExpired))
		if r.o.Peers == nil {
			err = errors.Join(err, r.takeUp(ctx, group))
		}
		if time.Since(looked) > lookEvery {
			looked = time.Now()
			r.watches.tellAll()
		}
		if time.Since(purged) > purgeEvery {
			purged = time.Now()
			err = errors.Join(err, r.once(ctx, "purge", r.purge), r.sweepFolders(ctx))
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("sweep", "error", err)
		}
	}
}

// each calls do for every job of all pages. What fails for one job does not keep
// the others waiting, unless the store is away.
func each(list func(after string) ([]job.Job, string, error), do func(job.Job) error) error {
	var failed error
	for after := ""; ; {
		jobs, next, err := list(after)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, j := range jobs {
			switch err := do(j); {
			case errs.Is(err, errs.NotFound), errs.Is(err, errs.Conflict): // the next sweep looks again
			case errs.Is(err, errs.Unavailable):
				return errors.Join(failed, err)
			case err != nil && failed == nil:
				failed = err
			}
		}
		if next == "" {
			return failed
		}
		after = next
	}
}

// sweepStanding tells failures again that nobody classified, and in the end
// lets the plain policy decide.
func (r *Runner) sweepStanding(ctx context.Context) error {
	before := time.Now().Add(-r.o.VerdictTimeout / tellings)
	return each(func(after string) ([]job.Job, string, error) { return r.store.Standing(ctx, before, after) }, func(j job.Job) error {
		a, ok := j.Undecided()
		if !ok {
			return nil
		}
		if j.Emissions >= tellings {
			return r.degrade(ctx, j, a)
		}
		_, err := r.apply(ctx, j.ID, job.Resent{Attempt: a.Number})
		return err
	})
}

// degrade decides without a verdict. A verdict that comes later is on record in
// the failure and changes nothing.
func (r *Runner) degrade(ctx context.Context, j job.Job, a job.Attempt) error {
	_, err := r.Decide(ctx, Classified{
		Report: Report{Ref: j.Ref(a.Number), Job: j, Evidence: a.Evidence, Told: true},
		Verdict: policy.Verdict{
			Failure: a.Failure, Class: failure.Unknown, Category: failure.CategoryUnknown,
			Verdict: failure.VerdictUnknown, Degraded: true,
		},
		Summary: "no verdict came in time",
	})
	return err
}

// sweepExpired gives up jobs whose attempt was due for longer than they allow,
// or whose deadline has passed.
func (r *Runner) sweepExpired(ctx context.Context) error {
	now := time.Now()
	return each(func(after string) ([]job.Job, string, error) { return r.store.Expired(ctx, now, after) }, func(j job.Job) error {
		_, err := r.apply(ctx, j.ID, job.Expired{})
		return err
	})
}

// purge keeps jobs that rest within age and number.
func (r *Runner) purge(ctx context.Context) error {
	n, err := r.store.CountResting(ctx, r.o.MaxEnded+purgeMost)
	over := n - r.o.MaxEnded
	for err == nil && ctx.Err() == nil {
		before, limit := time.Now().Add(-r.o.Retention), purgeBatch
		if over > 0 {
			before, limit = time.Now(), min(over, purgeBatch) // the oldest go first, whatever their age
		}
		if n, err = r.store.Purge(ctx, before, limit); n == 0 {
			break
		}
		over -= n
	}
	return err
}

// sweepFolders keeps the folders of this host's attempts within the executor's
// bounds.
func (r *Runner) sweepFolders(ctx context.Context) error {
	return r.exec.Sweep(ctx, func(id process.ID) bool {
		j, err := r.store.Job(ctx, id.Job)
		if err != nil {
			return !errs.Is(err, errs.NotFound)
		}
		return !j.State.Ended()
	})
}
