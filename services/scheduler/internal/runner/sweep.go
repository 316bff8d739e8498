package runner

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

const (
	// tellings is how often a failure is told before the plain policy decides.
	tellings   = 3
	sweepBatch = 200
	purgeEvery = time.Minute
)

// sweepLoop looks after what stands: failures without a verdict, attempts that
// do not start in time, and what is old.
func (r *Runner) sweepLoop(ctx context.Context) error {
	tick := time.NewTicker(max(r.o.VerdictTimeout/(4*tellings), 10*time.Millisecond))
	defer tick.Stop()
	var purged time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.sweepStanding(ctx)
		if err == nil {
			err = r.sweepOverdue(ctx)
		}
		if err == nil && time.Since(purged) > purgeEvery {
			purged = time.Now()
			err = r.purge(ctx)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("sweep", "error", err)
		}
	}
}

// sweepStanding tells failures again that nobody classified, and in the end
// lets the plain policy decide.
func (r *Runner) sweepStanding(ctx context.Context) error {
	jobs, err := r.store.Standing(ctx, time.Now().Add(-r.o.VerdictTimeout/tellings), sweepBatch)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Emissions < tellings {
			_, err = r.apply(ctx, j.ID, job.Resent{})
		} else {
			err = r.degrade(ctx, j)
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

// degrade decides without a verdict. A verdict that comes later is on record in
// the failure and changes nothing.
func (r *Runner) degrade(ctx context.Context, j job.Job) error {
	a, _ := j.Last()
	_, err := r.Decide(ctx, Classified{
		Report: Report{Ref: j.Ref(a.Number), Job: j, Config: a.Config, Evidence: a.Evidence, Told: true},
		Verdict: policy.Verdict{
			Failure: a.Failure, Class: failure.Unknown, Category: failure.CategoryUnknown,
			Verdict: failure.VerdictUnknown, Degraded: true,
		},
		Summary: "no verdict came in time",
	})
	return err
}

// sweepOverdue gives up jobs whose attempt was due for longer than they allow,
// or whose deadline has passed.
func (r *Runner) sweepOverdue(ctx context.Context) error {
	now := time.Now()
	for after := ""; ; {
		jobs, next, err := r.store.Overdue(ctx, now, after, sweepBatch)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			since := j.Due
			if !j.PostponedSince.IsZero() {
				since = j.PostponedSince
			}
			o := j.Overrides
			switch {
			case o.QueueTimeout > 0 && now.Sub(since) > o.QueueTimeout:
				_, err = r.apply(ctx, j.ID, job.GivenUp{Reason: "the attempt did not start within " + o.QueueTimeout.String() + " of being due"})
			case o.Deadline > 0 && now.After(j.BudgetStart.Add(o.Deadline)):
				_, err = r.apply(ctx, j.ID, job.GivenUp{Reason: "the job's deadline has passed"})
			}
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// purge keeps ended jobs within age and number, and the folders of their
// attempts within the executor's bounds.
func (r *Runner) purge(ctx context.Context) error {
	for {
		before := time.Now().Add(-r.o.Retention)
		if r.ended.Load() > int64(r.o.MaxEnded) {
			before = time.Now() // the oldest go first, whatever their age
		}
		ids, err := r.store.Purge(ctx, before)
		r.ended.Add(-int64(len(ids)))
		if err != nil {
			return err
		}
		if len(ids) == 0 || ctx.Err() != nil {
			break
		}
	}
	return r.exec.Sweep(ctx, func(id process.ID) bool {
		j, err := r.store.Job(ctx, id.Job)
		if err != nil {
			return !errs.Is(err, errs.NotFound)
		}
		return !j.State.Ended()
	})
}
