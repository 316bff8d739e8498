package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/spark"
)

const (
	resolveTimeout = 2 * time.Second  // of one call
	postponeMin    = time.Second      // first delay when Resolve cannot be asked
	postponeMax    = 30 * time.Second // and the longest
	idleWait       = time.Minute      // of the due loop when nothing waits
)

// dueLoop starts what is due, at its time.
func (r *Runner) dueLoop(ctx context.Context, group *errgroup.Group) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
		next, err := r.startDue(ctx, group)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			r.log.Error("look for due jobs", "error", err)
			next = time.Now().Add(postponeMin)
		}
		wait := r.idle()
		if !next.IsZero() {
			wait = min(wait, max(time.Until(next), 0))
		}
		timer.Reset(wait)
	}
}

// startDue starts what is due as far as there is room, and returns when to look
// again; zero when only a nudge can change anything.
func (r *Runner) startDue(ctx context.Context, group *errgroup.Group) (time.Time, error) {
	busy := r.busy()
	room := r.o.MaxRunning - busy
	if room <= 0 || !r.mayStart() {
		return time.Time{}, nil // the end of an attempt nudges
	}
	// Jobs in flight may still be among the due ones.
	due, next, err := r.due(ctx, time.Now().UTC(), room, room+busy+1)
	if err != nil {
		return time.Time{}, err
	}
	for _, id := range due {
		// What was taken up since there was room has taken some of it.
		if r.claimRoom(id) {
			group.Go(func() error { r.start(ctx, id); return nil })
		}
	}
	return next, nil
}

// due returns at most room jobs that are to be started now, and when to look
// again; zero when only a nudge can change anything. It reads page jobs at a
// time.
func (r *Runner) due(ctx context.Context, now time.Time, room, page int) (ids []string, next time.Time, err error) {
	var others []string // whose turn is another replica's, which does not take it
	looked := 0
	err = r.store.Waiting(ctx, page, func(j job.Job) bool {
		from, first := r.turn(j)
		switch {
		case r.claimed(j.ID):
		case from.After(now):
			if next.IsZero() || from.Before(next) {
				next = from
			}
		case first:
			ids = append(ids, j.ID)
		default:
			others = append(others, j.ID)
		}
		looked++
		// What is due later than the next look is found by that.
		return len(ids) < room && looked < maxLook && (next.IsZero() || j.Due.Before(next))
	})
	if len(ids) >= room {
		return ids, time.Time{}, err
	}
	// Another replica that has room too shall not go for the same ones.
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	return append(ids, others[:min(len(others), room-len(ids))]...), next, err
}

// start takes a job from due to running, and follows the attempt to its end. The
// caller has claimed the job. What cannot be done now is left to the due loop
// and to takeUp, which come by again.
func (r *Runner) start(ctx context.Context, id string) {
	defer r.release(id)
	for {
		j, until, err := r.startOnce(ctx, id)
		switch {
		case err == nil && r.runsHere(j): // another replica may have been quicker
			r.follow(ctx, j, until)
			return
		case err == nil, ctx.Err() != nil, errs.Is(err, errs.NotFound):
			return
		}
		r.log.Error("start attempt", "job", id, "error", err)
		r.later(ctx)
		if !errs.Is(err, errs.Unavailable) {
			return
		}
		// A store that did not answer may have put the job to run all the same: it
		// keeps its place until that is known.
	}
}

func (r *Runner) startOnce(ctx context.Context, id string) (j job.Job, until process.Moment, err error) {
	// Read again: between listing and claiming another start may have come and
	// gone. Time may also have passed for the job.
	if j, err = r.apply(ctx, id, job.Expired{}); err != nil || !j.Waits() || j.Due.After(time.Now()) {
		return j, 0, err
	}
	until = r.until()
	starting, span := starting(ctx, j)
	j, err = r.begin(starting, j)
	span.End(err)
	return j, until, err
}

// later keeps a job that the store could not serve from being tried in a hurry.
func (r *Runner) later(ctx context.Context) {
	timer := time.NewTimer(postponeMin)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// begin resolves the configuration and puts the job to RUNNING, or postpones or
// gives up. What runs is what the put says: the process starts after it.
func (r *Runner) begin(ctx context.Context, j job.Job) (job.Job, error) {
	call, cancel := context.WithTimeout(ctx, resolveTimeout)
	res, err := r.configs.Resolve(call, j)
	cancel()
	switch {
	case ctx.Err() != nil:
		return j, ctx.Err()
	case errs.Is(err, errs.Invalid), errs.Is(err, errs.FailedPrecondition):
		return r.giveUp(ctx, j, "the configuration cannot be resolved: %v", err)
	case err != nil:
		return r.postpone(ctx, j, err)
	case j.RequiredPatch != "" && !curative(j, res):
		return r.giveUp(ctx, j, "%s, and the configuration that failed is not tried again", notApplied(j.RequiredPatch, res.Skipped))
	}
	return r.apply(ctx, j.ID, job.Started{Config: res.Config, Applied: res.Applied, Skipped: res.Skipped, Replica: r.replica()})
}

func (r *Runner) giveUp(ctx context.Context, j job.Job, format string, args ...any) (job.Job, error) {
	return r.apply(ctx, j.ID, job.GivenUp{Reason: redact.Text(fmt.Sprintf(format, args...))})
}

// curative reports whether a job that needs a patch may run with what was
// resolved: something else than what failed last; and where a patch took the
// place of the needed one, something else than what ever failed.
func curative(j job.Job, res Resolution) bool {
	for i, a := range j.Attempts {
		last := i == len(j.Attempts)-1
		if (last || !slices.Contains(res.Applied, j.RequiredPatch)) && a.Config.Same(res.Config) {
			return false
		}
	}
	return true
}

func notApplied(patch string, skipped []job.Skip) string {
	for _, s := range skipped {
		if s.Patch == patch {
			return fmt.Sprintf("%s did not apply (%s)", patch, s.Reason)
		}
	}
	return patch + " changes nothing any more"
}

// postpone waits for the config service, up to a deadline. Then an attempt that
// needs a patch is given up, and so is one after an attempt that was patched: the
// original configuration may be the one that failed. Any other runs on the
// original configuration.
func (r *Runner) postpone(ctx context.Context, j job.Job, cause error) (job.Job, error) {
	now := time.Now().UTC()
	waited := time.Duration(0)
	if !j.PostponedSince.IsZero() {
		waited = now.Sub(j.PostponedSince)
	}
	last, _ := j.Last()
	switch {
	case waited < r.o.ResolveDeadline:
		delay := min(max(waited, postponeMin), postponeMax)
		return r.apply(ctx, j.ID, job.Postponed{Due: now.Add(delay), Reason: redact.Text("waits for the config service: " + cause.Error())})
	case j.RequiredPatch != "":
		return r.giveUp(ctx, j, "%s could not be read within %s: %v", j.RequiredPatch, r.o.ResolveDeadline, cause)
	case len(last.Applied) > 0:
		return r.giveUp(ctx, j, "the patches of the last attempt could not be read within %s: %v", r.o.ResolveDeadline, cause)
	}
	return r.apply(ctx, j.ID, job.Started{
		Config: j.Config, Replica: r.replica(),
		Skipped: []job.Skip{{Reason: fmt.Sprintf("the config service could not be asked within %s", r.o.ResolveDeadline)}},
	})
}

// follow sees a running job's last attempt to its end, starting its process
// where no process before this one did. until is when it is too late to start,
// known before the job was put to run; zero when another process put it.
func (r *Runner) follow(ctx context.Context, j job.Job, until process.Moment) {
	last, _ := j.Last()
	id := process.ID{Job: j.ID, Attempt: last.Number}
	ctx, span := attempting(ctx, j, last)
	defer span.End(nil)
	for {
		err := r.followOnce(ctx, j, id, until)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errs.Is(err, errs.FailedPrecondition):
			r.log.Warn("the attempt was taken for lost before its end was known", "job", j.ID, "attempt", id.Attempt, "error", err)
			return
		}
		r.log.Error("follow attempt", "job", j.ID, "attempt", id.Attempt, "error", err)
		r.later(ctx)
		until = 0
	}
}

func (r *Runner) followOnce(ctx context.Context, j job.Job, id process.ID, until process.Moment) error {
	if r.o.Peers != nil && until == 0 {
		until = r.until()
		var err error
		if j, err = r.apply(ctx, j.ID, job.TakenUp{Attempt: id.Attempt, Replica: r.replica()}); err != nil {
			return err
		}
		if !j.RunsAt(id.Attempt, r.replica()) {
			return nil // it has ended, whoever said so
		}
	}
	ended, err := r.execute(ctx, j, id, until)
	if err == nil {
		tellEnd(ctx, ended)
		_, err = r.apply(ctx, j.ID, ended)
	}
	return err
}

// execute starts an attempt unless it was started, and waits for its end.
func (r *Runner) execute(ctx context.Context, j job.Job, id process.ID, until process.Moment) (job.Ended, error) {
	spec, err := r.spec(j, id)
	if err != nil {
		// It may have been started when it could be made.
		res, waitErr := r.exec.Wait(ctx, id)
		if errs.Is(waitErr, errs.NotFound) {
			return notStarted(id, err), nil
		}
		return r.ended(j, id, res), waitErr
	}
	spec.NotAfter = until
	if j.CancelRequested {
		if err := r.kill(ctx, j); err != nil {
			return job.Ended{}, err
		}
	}
	if err := r.exec.Start(ctx, id, spec); errs.Is(err, errs.Invalid) {
		return notStarted(id, err), nil
	} else if err != nil {
		return job.Ended{}, err
	}
	res, err := r.exec.Wait(ctx, id)
	if err != nil {
		return job.Ended{}, err
	}
	return r.ended(j, id, res), nil
}

// ended is the end of an attempt, with what its engine left behind.
func (r *Runner) ended(j job.Job, id process.ID, res process.Result) job.Ended {
	if j.Task.Spark != nil {
		a, _ := j.Attempt(id.Attempt)
		if task, _, err := expanded(j, a); err == nil {
			res = spark.Complete(res, task, r.exec.Folder(id), sparkHome())
		}
	}
	return job.Ended{Attempt: id.Attempt, Succeeded: res.Succeeded, Evidence: redact.Evidence(proven(res.Evidence))}
}

// notStarted is the end of an attempt whose task cannot be made from its
// configuration.
func notStarted(id process.ID, err error) job.Ended {
	now := time.Now().UTC()
	text := redact.Text("redrive: cannot start the task: " + err.Error() + "\n")
	return job.Ended{Attempt: id.Attempt, Evidence: failure.Evidence{
		Reason: failure.NotStarted, Start: now, End: now,
		Logs: []failure.Log{{Source: "stderr", Head: text, SizeBytes: int64(len(text))}},
	}}
}

// spec is what to run: the task with the values of the attempt's configuration.
func (r *Runner) spec(j job.Job, id process.ID) (process.Spec, error) {
	a, _ := j.Last()
	task, config, err := expanded(j, a)
	if err != nil {
		return process.Spec{}, err
	}
	profile, err := engine.Lookup(j.Type.Engine)
	if err != nil {
		return process.Spec{}, err
	}
	limit, err := profile.ProcessLimit(config)
	if err != nil {
		return process.Spec{}, err
	}
	submission := spark.Submission{Args: task.Args}
	if task.Spark != nil {
		if submission, err = spark.Submit(task, config, r.exec.Folder(id), sparkHome()); err != nil {
			return process.Spec{}, err
		}
		task.Env = submission.Env
	}
	env, err := environment(j, a, task, config)
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{
		Args: submission.Args, Env: env, WorkDir: task.WorkDir, Files: submission.Files, Folders: submission.Folders,
		MemoryLimit: limit, RunTimeout: runTimeout(j, a),
	}, nil
}

// expanded returns the task with the values of the attempt's configuration, and
// that configuration.
func expanded(j job.Job, a job.Attempt) (job.Task, map[string]any, error) {
	config, err := a.Config.Object()
	if err != nil {
		return job.Task{}, nil, err
	}
	task, err := j.Task.Expand(config)
	return task, config, err
}

// sparkHome is where the server's own environment says that Spark is.
func sparkHome() string { return os.Getenv("SPARK_HOME") }

// runTimeout is the attempt's own, cut at the job's deadline.
func runTimeout(j job.Job, a job.Attempt) time.Duration {
	run := j.Overrides.RunTimeout
	if j.Overrides.Deadline <= 0 {
		return run
	}
	left := max(j.BudgetStart.Add(j.Overrides.Deadline).Sub(a.Start), time.Millisecond)
	if run <= 0 {
		return left
	}
	return min(run, left)
}

func (r *Runner) kill(ctx context.Context, j job.Job) error {
	last, _ := j.Last()
	return r.exec.Kill(ctx, process.ID{Job: j.ID, Attempt: last.Number}, failure.WasCancelled)
}
