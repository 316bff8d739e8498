package job

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// Event is something that happens to a job: one of the types below.
type Event interface {
	apply(j Job, now time.Time) (Job, []Effect, error)
}

// Effect is something that the world is told once the step is durable.
type Effect int

// The effects. What runs or is killed is no effect: it follows from the state,
// so that a crash after the put is made up for by looking at the state.
const (
	TellStarted   Effect = iota // attempt.started of the last attempt
	TellFailed                  // attempt.failed of the attempt that ended
	TellSucceeded               // attempt.succeeded of the attempt that ended
	TellDecided                 // decision.made
	TellFinished                // job.finished: also of a job that a human puts back to work
)

// Step applies an event. An event that is already known, or too old to matter,
// changes nothing: changed is false and there are no effects. An event that the
// state forbids is errs.FailedPrecondition.
func Step(j Job, e Event, now time.Time) (next Job, effects []Effect, changed bool, err error) {
	next, effects, err = e.apply(j, now)
	if err != nil {
		return j, nil, false, err
	}
	if next.Updated.Equal(j.Updated) && next.State == j.State && len(effects) == 0 {
		return j, nil, false, nil
	}
	return next, effects, true, nil
}

// enter moves the job to a state.
func (j Job) enter(s State, now time.Time, format string, args ...any) Job {
	j.State, j.StateSince, j.Reason = s, now, fmt.Sprintf(format, args...)
	j.Due, j.PostponedSince, j.Starter = time.Time{}, time.Time{}, ""
	if s.Ended() {
		j.Ended = now
	}
	return j.touch(now)
}

// touch marks the job as changed. Two steps within one clock tick still differ.
func (j Job) touch(now time.Time) Job {
	if !now.After(j.Updated) {
		now = j.Updated.Add(time.Nanosecond)
	}
	j.Updated = now
	return j
}

// Started says that the next attempt begins with a configuration.
type Started struct {
	Config  Config
	Applied []string
	Skipped []Skip
	Replica string // that runs it
}

func (e Started) apply(j Job, now time.Time) (Job, []Effect, error) {
	if !j.Waits() {
		return j, nil, nil
	}
	last, _ := j.Last()
	a := Attempt{
		Number: last.Number + 1, Config: e.Config, Start: now, Replica: e.Replica,
		Applied: e.Applied, Skipped: e.Skipped[:min(len(e.Skipped), maxSkips)],
	}
	j.Attempts = j.insert(a)
	j.RequiredPatch = ""
	return j.enter(Running, now, "attempt %d runs", a.Number), []Effect{TellStarted}, nil
}

// TakenUp says that the replica that runs the last attempt goes on with it after
// it was away. When it is put, nobody who saw the job before can have said
// meanwhile that the attempt is lost.
type TakenUp struct {
	Attempt int
	Replica string
}

func (e TakenUp) apply(j Job, now time.Time) (Job, []Effect, error) {
	if !j.RunsAt(e.Attempt, e.Replica) {
		return j, nil, nil
	}
	return j.touch(now), nil, nil
}

// Ended says how an attempt ended. For a job of another scheduler it also says
// that there was such an attempt.
type Ended struct {
	Attempt   int
	Succeeded bool
	Evidence  failure.Evidence
	// Config is what the attempt of another scheduler ran with.
	Config Config
	// Told is true when everybody else has the event that says so.
	Told bool
}

func (e Ended) apply(j Job, now time.Time) (Job, []Effect, error) {
	a, known := j.Attempt(e.Attempt)
	switch {
	case known && !a.End.IsZero() && a.Succeeded != e.Succeeded:
		return j, nil, errs.New(errs.FailedPrecondition, "attempt %d of job %q was told to have %s; the first word stands",
			a.Number, j.ID, map[bool]string{true: "succeeded", false: "failed"}[a.Succeeded])
	case known && !a.End.IsZero():
		return j, nil, nil // told before
	case !known && j.Own():
		return j, nil, errs.New(errs.NotFound, "job %q has no attempt %d", j.ID, e.Attempt)
	case !known && len(j.Attempts) == MaxAttempts && e.Attempt < j.Attempts[0].Number:
		return j, nil, nil // forgotten long ago
	case !known:
		a = Attempt{Number: e.Attempt, Config: e.Config, Start: e.Evidence.Start}
		if a.Start.IsZero() { // its scheduler does not say
			a.Start = now.Add(-e.Evidence.Duration)
		}
		j.Attempts = j.insert(a)
	}
	e.Evidence.InputBytes = cmp.Or(e.Evidence.InputBytes, j.InputBytes)
	last, _ := j.Last()
	cancelled := j.CancelRequested && !e.Succeeded
	a.End, a.Succeeded, a.Evidence = now, e.Succeeded, e.Evidence.Facts()
	if end := e.Evidence.End; !end.Before(a.Start) && end.Before(now) { // it may be told later
		a.End = end
	}
	if !e.Succeeded && !cancelled { // what was cancelled is no failure to decide on
		if _, pending := j.Undecided(); !pending {
			j.Emissions = 1
		}
		a.Failure = "failures/" + j.Ref(a.Number).FailureID()
		a.Evidence = j.keepable(e.Evidence)
	}
	j.Attempts = j.replace(a)
	switch {
	case last.Number != a.Number || (j.State.Ended() && (j.State != Failed || !e.Succeeded)):
		// An attempt of another scheduler, told late: it is on record, and its
		// failure gets its decision, but the job has moved on.
		return j.touch(now), e.tell(TellFailed, TellSucceeded), nil
	case e.Succeeded:
		j.Consecutive, j.CancelRequested = 0, false
		return j.enter(Succeeded, now, "attempt %d succeeded", a.Number), e.tell(TellSucceeded, TellFinished), nil
	case cancelled:
		return j.cancel(now), []Effect{TellFinished}, nil
	}
	return j.enter(Classifying, now, "attempt %d failed", a.Number), e.tell(TellFailed), nil
}

// tell leaves out what did not happen, and what everybody knows already.
func (e Ended) tell(all ...Effect) []Effect {
	var out []Effect
	for _, effect := range all {
		if (effect == TellFailed && (e.Told || e.Succeeded)) || (effect == TellSucceeded && (e.Told || !e.Succeeded)) {
			continue
		}
		out = append(out, effect)
	}
	return out
}

// Decided is the decision on a failed attempt.
type Decided struct{ Decision policy.Decision }

func (e Decided) apply(j Job, now time.Time) (Job, []Effect, error) {
	d := e.Decision
	a, ok := j.Attempt(d.Attempt)
	switch {
	case !ok || a.End.IsZero():
		return j, nil, errs.New(errs.NotFound, "job %q has no failed attempt %d", j.ID, d.Attempt)
	case a.Decision != "" || a.Succeeded:
		return j, nil, nil // decided before, or nothing to decide; the verdict is on record in the failure
	}
	a.Decision, a.Evidence = j.Ref(a.Number).DecisionName(), a.Evidence.Facts()
	j.Attempts = j.replace(a)
	j.FailuresByClass = maps.Clone(d.Inputs.FailuresByClass)
	j.Consecutive = d.Inputs.Consecutive
	j.Emissions = 0
	if _, pending := j.Undecided(); pending {
		j.Emissions = 1
	}
	last, _ := j.Last()
	if last.Number != a.Number || j.State != Classifying {
		return j.touch(now), []Effect{TellDecided}, nil
	}
	if d.Action == policy.Stop {
		return j.enter(Failed, now, "%s", d.Reason), []Effect{TellDecided, TellFinished}, nil
	}
	j = j.enter(Waiting, now, "%s", d.Reason)
	j.Due = d.Due
	if d.Action == policy.RetryWithConfig {
		j.RequiredPatch = d.Inputs.Verdict.Patch
	}
	return j, []Effect{TellDecided}, nil
}

// Resent says that the failure of an attempt is told again, because nothing came
// back.
type Resent struct{ Attempt int }

func (e Resent) apply(j Job, now time.Time) (Job, []Effect, error) {
	if a, ok := j.Attempt(e.Attempt); !ok || a.Failure == "" || a.Decision != "" {
		return j, nil, nil
	}
	j.Emissions++
	return j.touch(now), []Effect{TellFailed}, nil
}

// Postponed says that the next attempt could not start and is tried at Due.
type Postponed struct {
	Due    time.Time
	Reason string
}

func (e Postponed) apply(j Job, now time.Time) (Job, []Effect, error) {
	if !j.Waits() {
		return j, nil, nil
	}
	if j.PostponedSince.IsZero() {
		j.PostponedSince = now
	}
	j.Due, j.Reason, j.Starter = e.Due, e.Reason, ""
	return j.touch(now), nil, nil
}

// GivenUp says that the next attempt will never start.
type GivenUp struct{ Reason string }

func (e GivenUp) apply(j Job, now time.Time) (Job, []Effect, error) {
	if !j.Waits() {
		return j, nil, nil
	}
	return j.enter(Failed, now, "%s", e.Reason), []Effect{TellFinished}, nil
}

// Expired says that time has passed: the job is given up if it is time.
type Expired struct{}

func (Expired) apply(j Job, now time.Time) (Job, []Effect, error) {
	at, why := j.Expires()
	if at.IsZero() || now.Before(at) {
		return j, nil, nil
	}
	return GivenUp{why}.apply(j, now)
}

// CancelAsked says that somebody wants the job stopped.
type CancelAsked struct{ Reason string }

func (e CancelAsked) apply(j Job, now time.Time) (Job, []Effect, error) {
	switch {
	case j.State == Cancelled || j.CancelRequested:
		return j, nil, nil
	case j.State.Ended():
		return j, nil, errs.New(errs.FailedPrecondition, "job %q has ended: %s", j.ID, j.State)
	}
	j.CancelReason = e.Reason
	if j.State == Running && j.Own() {
		j.CancelRequested = true
		j.Reason = "being cancelled"
		return j.touch(now), nil, nil
	}
	return j.cancel(now), []Effect{TellFinished}, nil
}

func (j Job) cancel(now time.Time) Job {
	j.CancelRequested = false
	if j.CancelReason == "" {
		return j.enter(Cancelled, now, "cancelled")
	}
	return j.enter(Cancelled, now, "cancelled: %s", j.CancelReason)
}

// Unblocked says that a human mended what was wrong: budgets are fresh and the
// next attempt is due now.
type Unblocked struct {
	Reason string
	Task   *Task // replaces the job's task unless nil
}

func (e Unblocked) apply(j Job, now time.Time) (Job, []Effect, error) {
	if j.State != Failed && j.State != Waiting {
		return j, nil, errs.New(errs.FailedPrecondition, "job %q is %s; only a FAILED or WAITING job can be retried", j.ID, j.State)
	}
	if e.Task != nil {
		if !j.Own() {
			return j, nil, errs.Field("process", "must be unset: job %q is run by %s", j.ID, j.Source)
		}
		if (e.Task.Spark != nil) != (j.Task.Spark != nil) {
			return j, nil, errs.Field(j.Task.Field(), "is what job %q runs: give that, or leave it as it is", j.ID)
		}
		task := e.Task.unmasked(*j.Task)
		config, err := j.Config.Object()
		if err != nil {
			return j, nil, err
		}
		if err := task.checkLookups(j.Task.Field(), config); err != nil {
			return j, nil, err
		}
		j.Task = &task
	}
	var effects []Effect
	required := j.RequiredPatch
	if j.State == Failed {
		j.FailuresByClass, j.Consecutive, j.BudgetStart = nil, 0, now
		required, effects = "", []Effect{TellFinished}
	}
	reason := "put back to work"
	if e.Reason != "" {
		reason += ": " + e.Reason
	}
	j = j.enter(Waiting, now, "%s", reason)
	j.Due, j.Ended, j.RequiredPatch = now, time.Time{}, required
	return j, effects, nil
}
