package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

// Peers are the replicas of the scheduler. An attempt runs at the replica that
// started it, and only that one follows and kills it; what waits is any one's
// to start.
type Peers struct {
	// Replica is this one's name, another for another place of its attempts.
	Replica string
	Leases  Leases
	Fence   Fence
	// LostAfter is how long a replica must not have been seen before the others
	// end its attempts as lost. The fence must end them well before.
	LostAfter time.Duration
}

// Leases share the work. *lease.Leases is one.
type Leases interface {
	// Holds reports whether the work of a key is this replica's.
	Holds(key string) bool
	// Unseen reads now how long a replica has not renewed, or less than that. It
	// is errs.NotFound for one that is not known.
	Unseen(ctx context.Context, replica string) (time.Duration, error)
}

// Fence says until when this replica cannot be taken for lost. *process.Fence
// is one.
type Fence interface {
	// Until returns until when an attempt may start that is put to run from now
	// on; it is in the past while the lease is not renewed.
	Until() process.Moment
}

const (
	// atOnce is how soon a job must be due for the replica that puts it to keep
	// it in hand.
	atOnce = time.Second
	// courtesy is what the holder of the job's shard leaves to that one.
	courtesy = 100 * time.Millisecond
	// overdue is what all others leave to the holder, who may have no room, or
	// may be dead.
	overdue = time.Second
	// peerLook is how often a replica looks for due jobs that others put.
	peerLook = 500 * time.Millisecond
	// ownLook is how often it looks for what others want of its attempts.
	ownLook = time.Second
	// strayLook is how often it looks for attempts here that it lost.
	strayLook = 30 * time.Second
	// maxLook bounds the jobs of one look for due ones.
	maxLook = 1000
)

func (r *Runner) replica() string {
	if r.o.Peers == nil {
		return ""
	}
	return r.o.Peers.Replica
}

// holds reports whether the work of a key is this replica's.
func (r *Runner) holds(key string) bool { return r.o.Peers == nil || r.o.Peers.Leases.Holds(key) }

// once does a sweep that one replica at a time is to do.
func (r *Runner) once(ctx context.Context, sweep string, do func(context.Context) error) error {
	if !r.holds("sweep/" + sweep) {
		return nil
	}
	return do(ctx)
}

// runsHere reports whether the job runs, and here.
func (r *Runner) runsHere(j job.Job) bool {
	last, ok := j.Last()
	if r.o.Peers == nil {
		return ok && j.Own() && j.State == job.Running
	}
	return j.RunsAt(last.Number, r.o.Peers.Replica)
}

// running returns a page of the jobs that may run here.
func (r *Runner) running(ctx context.Context, after string) ([]job.Job, string, error) {
	if r.o.Peers == nil {
		return r.store.Running(ctx, after)
	}
	return r.store.RunningAt(ctx, r.o.Peers.Replica, after)
}

// until is when it is too late to start an attempt that is put to run from now
// on; 0 is never.
func (r *Runner) until() process.Moment {
	if r.o.Peers == nil {
		return 0
	}
	return r.o.Peers.Fence.Until()
}

func (r *Runner) mayStart() bool {
	until := r.until()
	return until == 0 || process.Now() < until
}

// idle is the longest pause between two looks for due jobs.
func (r *Runner) idle() time.Duration {
	if r.o.Peers == nil {
		return idleWait
	}
	return peerLook
}

// starter returns who is to start a job that waits: this replica when the job is
// due at once and there is room, else whoever holds it.
func (r *Runner) starter(j job.Job, now time.Time) string {
	if r.o.Peers == nil || !j.Waits() || j.Due.Sub(now) > atOnce || r.busy() >= r.o.MaxRunning || !r.mayStart() {
		return ""
	}
	return r.o.Peers.Replica
}

// turn returns from when on this replica may start a job that waits, and whether
// it is the first that may. That two try at once is possible and harmless: one
// put wins.
func (r *Runner) turn(j job.Job) (from time.Time, first bool) {
	switch {
	case r.o.Peers == nil || j.Starter == r.o.Peers.Replica:
		return j.Due, true
	case !r.holds(j.ID):
		return j.Due.Add(overdue), false
	case j.Starter != "":
		return j.Due.Add(courtesy), true
	}
	return j.Due, true
}

// join takes up what runs here, before anything is started. It waits for a store
// that is away.
func (r *Runner) join(ctx context.Context, group *errgroup.Group) {
	for ctx.Err() == nil {
		err := errors.Join(r.endStrays(ctx), r.takeUp(ctx, group))
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			r.log.Error("take up what runs here", "error", err)
		}
		r.later(ctx)
	}
}

// peerLoop looks after this replica's attempts, as others may say that they are
// to be cancelled or were lost, and after the attempts of lost replicas.
func (r *Runner) peerLoop(ctx context.Context, group *errgroup.Group) error {
	tick := time.NewTicker(min(ownLook, r.o.VerdictTimeout/tellings))
	defer tick.Stop()
	strays, lost := time.Now(), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.takeUp(ctx, group)
		if time.Since(strays) > strayLook {
			strays = time.Now()
			err = errors.Join(err, r.endStrays(ctx))
		}
		if time.Since(lost) > min(r.o.Peers.LostAfter/20, 10*time.Second) {
			lost = time.Now()
			err = errors.Join(err, r.endLost(ctx))
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("look after the replicas' attempts", "error", err)
		}
	}
}

// endStrays kills the attempts that run here although their jobs have gone on:
// this replica came back after it was taken for lost.
func (r *Runner) endStrays(ctx context.Context) error {
	ids, err := r.exec.Running(ctx)
	for _, id := range ids {
		j, errJob := r.store.Job(ctx, id.Job)
		last, _ := j.Last()
		switch {
		case errJob != nil && !errs.Is(errJob, errs.NotFound):
			return errors.Join(err, errJob)
		case errJob == nil && j.RunsAt(id.Attempt, last.Replica):
			continue
		}
		r.log.Warn("an attempt runs that was taken for lost; it is killed", "job", id.Job, "attempt", id.Attempt)
		err = errors.Join(err, r.exec.Kill(ctx, id, failure.Lost))
	}
	return err
}

// endLost ends the attempts of replicas that were not seen for too long, of the
// jobs that this one holds.
func (r *Runner) endLost(ctx context.Context) error {
	names, err := r.store.Replicas(ctx)
	if err != nil {
		return err
	}
	known := r.absent
	r.absent = make(map[string]time.Time, len(names))
	for _, name := range names {
		if since, ok := known[name]; ok {
			r.absent[name] = since
		}
		lost, _, errLost := r.lost(ctx, name)
		if errLost == nil && lost {
			errLost = each(func(after string) ([]job.Job, string, error) { return r.store.RunningAt(ctx, name, after) }, func(j job.Job) error {
				if !r.holds(j.ID) {
					return nil
				}
				return r.loseAttempt(ctx, j, name)
			})
		}
		err = errors.Join(err, errLost)
	}
	return err
}

// lost reports whether a replica is to be taken for lost, and since when it was
// not seen.
func (r *Runner) lost(ctx context.Context, name string) (bool, time.Duration, error) {
	if name == r.o.Peers.Replica {
		return false, 0, nil
	}
	unseen, err := r.o.Peers.Leases.Unseen(ctx, name)
	switch {
	case errs.Is(err, errs.NotFound): // gone for so long that nobody knows it
		if r.absent[name].IsZero() {
			r.absent[name] = time.Now()
		}
		unseen = time.Since(r.absent[name])
	case err != nil:
		return false, 0, err
	default:
		delete(r.absent, name)
	}
	return unseen >= r.o.Peers.LostAfter, unseen, nil
}

// loseAttempt ends the attempt of a job that was read before its replica is
// looked at once more. Should that replica come back in between, it puts the job
// before it starts anything, and this put fails.
func (r *Runner) loseAttempt(ctx context.Context, j job.Job, name string) error {
	last, _ := j.Last()
	lost, unseen, err := r.lost(ctx, name)
	if err != nil || !lost || !j.RunsAt(last.Number, name) {
		return err
	}
	now := time.Now().UTC()
	p, changed, err := one(j, job.Ended{Attempt: last.Number, Evidence: proven(failure.Evidence{
		Reason: failure.Lost, Start: last.Start, End: now, Duration: max(now.Sub(last.Start), 0),
		Proof: fmt.Sprintf("the scheduler's replica %q, which ran it, was not seen for %s", name, unseen.Round(time.Second)),
	})}, now)
	if err != nil || !changed {
		return err
	}
	after, err := r.store.Put(ctx, p, now)
	if err != nil {
		return err
	}
	r.log.Warn("an attempt is taken for lost", "job", j.ID, "attempt", last.Number, "replica", name, "unseen", unseen.Round(time.Second))
	r.moved(j, after, nil)
	return nil
}

// proven puts what is known of a lost attempt where rules read it: in a log of
// its own, before all others.
func proven(e failure.Evidence) failure.Evidence {
	if e.Reason == failure.Lost {
		text := "redrive: " + e.Proof + "\n"
		e.Logs = append([]failure.Log{{Source: failure.Own, Head: text, SizeBytes: int64(len(text))}}, e.Logs...)
	}
	return e
}

// Noticed says that another replica may have changed a job.
func (r *Runner) Noticed(jobID string) { r.watches.tell(jobID, Change{}) }

// NoticedAll says that another replica may have changed any job.
func (r *Runner) NoticedAll() { r.watches.tellAll() }
