// Package runner carries out what the state machine and the policy decide: it
// puts transitions, starts attempts that are due, follows those that run, and
// sweeps what stands too long. Whatever it holds in memory can be made again
// from the store.
package runner

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// Executor runs attempts. *process.Executor is one.
type Executor interface {
	// Start starts an attempt. An attempt that was started is not started again,
	// and that is no error.
	Start(ctx context.Context, id process.ID, s process.Spec) error
	// Wait blocks until a started attempt has ended, whoever started it. It is
	// errs.NotFound for one that was not started.
	Wait(ctx context.Context, id process.ID) (process.Result, error)
	// Kill ends an attempt with its whole process tree, or keeps it from ever
	// starting. It does not wait for the end.
	Kill(ctx context.Context, id process.ID, r failure.Reason) error
	// Sweep removes what is left of ended attempts, beyond bounds of age and
	// number, and keeps those that keep wants.
	Sweep(ctx context.Context, keep func(process.ID) bool) error
	// Running lists the attempts that were started here and have no end yet.
	Running(ctx context.Context) ([]process.ID, error)
	// Folder returns the folder of an attempt, whether it is there or not.
	Folder(id process.ID) string
}

// Resolution is the configuration that an attempt is to run with.
type Resolution struct {
	Config  job.Config
	Applied []string
	Skipped []job.Skip
}

// Resolver asks the config service. It is errs.Unavailable when it cannot be
// asked now.
type Resolver interface {
	Resolve(ctx context.Context, j job.Job) (Resolution, error)
}

// Options are the runner's settings; zero values mean the defaults.
type Options struct {
	MaxRunning      int           // attempts at the same time; 16
	VerdictTimeout  time.Duration // until the plain policy decides; 30 s
	ResolveDeadline time.Duration // until an attempt starts without its patches; 10 min
	Retention       time.Duration // of jobs that rest, see job.Resting; 30 days
	MaxEnded        int           // jobs kept that rest; 100,000
	Peers           *Peers        // the replicas; nil when this is the only one
}

func (o Options) withDefaults() Options {
	if o.MaxRunning <= 0 {
		o.MaxRunning = 16
	}
	if o.VerdictTimeout <= 0 {
		o.VerdictTimeout = 30 * time.Second
	}
	if o.ResolveDeadline <= 0 {
		o.ResolveDeadline = 10 * time.Minute
	}
	if o.Retention <= 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	if o.MaxEnded <= 0 {
		o.MaxEnded = 100_000
	}
	return o
}

// Observer is told of every transition, for metrics. It must not block.
type Observer interface {
	Moved(before, after job.Job, decision *policy.Decision)
}

// Runner drives jobs.
type Runner struct {
	store    *store.Store
	exec     Executor
	configs  Resolver
	table    policy.Table
	o        Options
	log      *slog.Logger
	observer Observer

	wake    chan struct{} // nudges the due loop
	watches watches
	absent  map[string]time.Time // replicas that nobody knows, and since when that was seen; endLost alone uses it

	mu       sync.Mutex
	inFlight map[string]bool // jobs that a goroutine starts or follows, at most MaxRunning and those that a restart found
}

// New returns a runner. Nothing happens before Run.
func New(s *store.Store, e Executor, r Resolver, t policy.Table, o Options, log *slog.Logger, observer Observer) *Runner {
	return &Runner{
		store: s, exec: e, configs: r, table: t, o: o.withDefaults(), log: log, observer: observer,
		wake: make(chan struct{}, 1), inFlight: map[string]bool{}, absent: map[string]time.Time{},
	}
}

// Run takes up the jobs that ran when the last process ended, and then starts
// what is due and sweeps, until ctx is done. Attempts that run go on running:
// the next process takes them up.
func (r *Runner) Run(ctx context.Context) error {
	err := r.run(ctx)
	if ctx.Err() != nil {
		return nil // whatever was under way when it was told to stop
	}
	return err
}

func (r *Runner) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if r.o.Peers != nil {
		r.join(ctx, group)
		group.Go(func() error { return r.peerLoop(ctx, group) })
	} else if err := r.takeUp(ctx, group); err != nil {
		return err
	}
	group.Go(func() error { return r.dueLoop(ctx, group) })
	group.Go(func() error { return r.sweepLoop(ctx, group) })
	return group.Wait()
}

// takeUp follows the attempts that run and that nobody here follows: those of
// the process before, and those whose start was put although the store said that
// it could not. It asks once more for the end of attempts that do not end.
func (r *Runner) takeUp(ctx context.Context, group *errgroup.Group) error {
	return each(func(after string) ([]job.Job, string, error) { return r.running(ctx, after) }, func(j job.Job) error {
		switch {
		case !r.runsHere(j):
		case r.claim(j.ID):
			group.Go(func() error { r.start(ctx, j.ID); return nil })
		case j.CancelRequested && (r.o.Peers != nil || time.Since(j.Updated) > r.o.VerdictTimeout/tellings):
			return r.kill(ctx, j)
		}
		return nil
	})
}

// claim marks a job that runs here as being followed; it is false when it is.
func (r *Runner) claim(id string) bool { return r.claimBelow(id, math.MaxInt) }

// claimRoom is claim for a job that is to be started: it is false also when
// there is no room for one more.
func (r *Runner) claimRoom(id string) bool { return r.claimBelow(id, r.o.MaxRunning) }

func (r *Runner) claimBelow(id string, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight[id] || len(r.inFlight) >= most {
		return false
	}
	r.inFlight[id] = true
	return true
}

func (r *Runner) release(id string) {
	r.mu.Lock()
	delete(r.inFlight, id)
	r.mu.Unlock()
	r.nudge()
}

func (r *Runner) claimed(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inFlight[id]
}

func (r *Runner) busy() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.inFlight)
}

func (r *Runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default: // the loop will look anyway
	}
}

// step changes a job at a time; changed is false when there is nothing to put.
type step func(j job.Job, now time.Time) (p store.Put, changed bool, err error)

// transition reads a job, lets step change it, and puts it, again from the start
// when another transition came in between. A step that changes nothing puts
// nothing. Jobs that do not exist are step's to make: it gets the zero Job.
func (r *Runner) transition(ctx context.Context, id string, step step) (job.Job, error) {
	const tries = 20
	for try := 1; ; try++ {
		now := time.Now().UTC()
		before, p, changed, err := r.made(ctx, id, step, now, try == 1)
		if err != nil || !changed {
			// Perhaps it is done already, by a put that the store denied.
			r.watches.tell(id, Change{})
			return before, err
		}
		p.Job.Starter = r.starter(p.Job, now)
		after, err := r.store.Put(ctx, p, now)
		switch {
		case err == nil:
			r.moved(before, after, p.Decision)
			return after, nil
		case !errs.Is(err, errs.Conflict) || try == tries:
			return before, err
		}
		// Lost a race. Step aside for a moment that differs from racer to racer.
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(time.Duration(try) * time.Millisecond))))
		select {
		case <-ctx.Done():
			pause.Stop()
			return before, ctx.Err()
		case <-pause.C:
		}
	}
}

// made is a job and what step makes of it: of the job as it was put here a moment
// ago, if something is to be put then, for the put is refused when the stored one
// is another; else of the stored one.
func (r *Runner) made(ctx context.Context, id string, step step, now time.Time, recent bool) (before job.Job, p store.Put, changed bool, err error) {
	if recent && r.o.Peers == nil { // with peers, what is put next here was mostly put elsewhere meanwhile
		if j, ok := r.store.Recent(id); ok {
			if p, changed, err := step(j, now); err == nil && changed {
				return j, p, true, nil
			}
		}
	}
	before, err = r.store.Job(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return job.Job{}, p, false, err
	}
	p, changed, err = step(before, now)
	return before, p, changed, err
}

// moved tells those in this process who wait for the job.
func (r *Runner) moved(before, after job.Job, d *policy.Decision) {
	if r.observer != nil {
		r.observer.Moved(before, after, d)
	}
	r.watches.tell(after.ID, Change{Revision: after.Revision, Decision: d})
	if after.Waits() {
		r.nudge()
	}
}

// apply steps an existing job by one event.
func (r *Runner) apply(ctx context.Context, id string, e job.Event) (job.Job, error) {
	return r.transition(ctx, id, func(j job.Job, now time.Time) (store.Put, bool, error) {
		if j.Revision == 0 {
			return store.Put{}, false, errs.New(errs.NotFound, "job %q does not exist", id)
		}
		return one(j, e, now)
	})
}

// one is the put of a single step.
func one(j job.Job, e job.Event, now time.Time) (store.Put, bool, error) {
	next, effects, changed, err := job.Step(j, e, now)
	if err != nil || !changed {
		return store.Put{}, false, err
	}
	p := store.Put{Job: next, Effects: effects}
	if last, ok := next.Last(); ok {
		p.Attempt = last.Number
	}
	switch e := e.(type) {
	case job.Resent:
		p.Attempt = e.Attempt
	case job.Ended:
		p.Attempt = e.Attempt
		if a, _ := next.Attempt(e.Attempt); a.Failure != "" || a.Succeeded {
			told := e.Evidence
			told.InputBytes = a.Evidence.InputBytes // which the job knows where the evidence does not
			p.Evidence = &told
		}
	}
	return p, true, nil
}
