// Package job is the life of a job: a pure state machine in which an event, at
// a time, changes the job and asks for effects.
package job

import (
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// State is where a job is in its life.
type State int

// The states, as in proto/redrive/v1/scheduler.proto.
const (
	None State = iota
	Queued
	Running
	Classifying
	Waiting
	Succeeded
	Failed
	Cancelled
)

// String returns the state as users write it.
func (s State) String() string {
	return [...]string{"", "QUEUED", "RUNNING", "CLASSIFYING", "WAITING", "SUCCEEDED", "FAILED", "CANCELLED"}[s]
}

// Ended reports whether nothing happens any more by itself.
func (s State) Ended() bool { return s >= Succeeded }

// Job is one unit of work to be brought to success, once.
type Job struct {
	ID        string
	Source    string // failure.Own, or the scheduler that runs the attempts
	SourceJob string // the source's id of the job
	Type      failure.Type
	Task      *Task  // nil for jobs of other schedulers
	Config    Config // the original one; without secrets for jobs of other schedulers
	Overrides policy.Overrides
	Labels    map[string]string
	Owner     string
	// InputBytes is the size of what it reads; 0 when unknown. An attempt whose
	// evidence does not say otherwise read as much.
	InputBytes int64

	State      State
	Reason     string // why it is in its state
	StateSince time.Time
	Due        time.Time // of the next attempt, in Queued and Waiting
	Attempts   []Attempt // in order of their numbers, the last MaxAttempts
	Created    time.Time
	Updated    time.Time
	Ended      time.Time
	Revision   int64 // of the stored document; 0 before the first put

	CancelRequested bool
	CancelReason    string

	// FailuresByClass and Consecutive count since BudgetStart: the submission or
	// the last human intervention.
	FailuresByClass map[failure.Class]int
	Consecutive     int
	BudgetStart     time.Time
	// Emissions counts how often the failure being classified was told.
	Emissions int
	// RequiredPatch is the patch without which the next attempt must not start.
	RequiredPatch string
	// PostponedSince is when Resolve first could not be asked for the next
	// attempt; zero when it could.
	PostponedSince time.Time
	// Starter is the replica that has the next attempt in hand: it made it due at
	// once. The others let it go first. Empty: none.
	Starter string
	// Trace is the W3C trace context of the last transition that was traced, so
	// that what comes next can be linked to it; empty without tracing.
	Trace string
}

// Task is a program to run, or with Spark an application to submit: then Args
// are the application's own.
type Task struct {
	Args    []string
	Env     map[string]string
	WorkDir string
	Spark   *Spark // nil for a program
}

// Attempt is one execution of a job.
type Attempt struct {
	Number     int
	Config     Config           // that it ran with
	Start, End time.Time        // End is zero while it runs
	Evidence   failure.Evidence // its logs are kept until the decision
	Succeeded  bool
	Failure    string // "failures/{failure}" once it failed
	Decision   string // "jobs/{job}/decisions/{attempt}" once made
	Applied    []string
	Skipped    []Skip
	// Replica is the one of the scheduler's replicas that runs it, as it runs
	// nowhere else; empty where there is only one.
	Replica string
}

// Skip is a patch that was in scope and not applied, and why.
type Skip struct{ Patch, Reason string }

// Bounds of what is kept of a job's past. Older attempts are forgotten, and
// older ones than MaxConfigs lose their configuration.
const (
	MaxAttempts = 100
	MaxConfigs  = 20
	maxSkips    = 50 // of one attempt
	// maxLogBytes bounds the logs that are kept of failures without a decision.
	// Of own jobs there is one at a time.
	maxLogBytes = 4 * failure.MaxLogBytes
)

// Own reports whether Redrive runs the attempts.
func (j Job) Own() bool { return j.Source == failure.Own }

// Name returns "jobs/{job}".
func (j Job) Name() string { return "jobs/" + j.ID }

// RunsAt reports whether a replica is to run attempt n now: whether it is the
// last one, without an end, and that replica's.
func (j Job) RunsAt(n int, replica string) bool {
	last, ok := j.Last()
	return ok && j.Own() && j.State == Running && last.Number == n && last.Replica == replica
}

// Ref names attempt n of the job.
func (j Job) Ref(n int) failure.Attempt {
	return failure.Attempt{Source: j.Source, Job: j.SourceJob, Number: n}
}

// Last returns the latest attempt; ok is false before the first.
func (j Job) Last() (a Attempt, ok bool) {
	if len(j.Attempts) == 0 {
		return Attempt{}, false
	}
	return j.Attempts[len(j.Attempts)-1], true
}

// Attempt returns attempt n; ok is false when it is not known.
func (j Job) Attempt(n int) (a Attempt, ok bool) {
	if i := j.find(n); i >= 0 {
		return j.Attempts[i], true
	}
	return Attempt{}, false
}

func (j Job) find(n int) int {
	for i, a := range j.Attempts {
		if a.Number == n {
			return i
		}
	}
	return -1
}

// insert returns the attempts with a at its place. The slice is a new one: a
// Job is a value, and steps never change the one that they were given.
func (j Job) insert(a Attempt) []Attempt {
	all := make([]Attempt, 0, len(j.Attempts)+1)
	placed := false
	for _, old := range j.Attempts {
		if !placed && old.Number > a.Number {
			all, placed = append(all, a), true
		}
		all = append(all, old)
	}
	if !placed {
		all = append(all, a)
	}
	all = all[max(0, len(all)-MaxAttempts):]
	for i := range len(all) - MaxConfigs {
		all[i].Config = Config{}
	}
	return all
}

// replace returns the attempts with the one of a's number replaced by a.
func (j Job) replace(a Attempt) []Attempt {
	all := append([]Attempt(nil), j.Attempts...)
	all[j.find(a.Number)] = a
	return all
}

// Undecided returns the oldest attempt whose failure was told and has no
// decision yet; ok is false when there is none.
func (j Job) Undecided() (a Attempt, ok bool) {
	for _, a := range j.Attempts {
		if a.Failure != "" && a.Decision == "" {
			return a, true
		}
	}
	return Attempt{}, false
}

// keepable returns what is to be kept of an attempt's evidence until the
// decision: with the logs, so that the failure can be told again, as far as
// there is room.
func (j Job) keepable(e failure.Evidence) failure.Evidence {
	room := maxLogBytes
	for _, a := range j.Attempts {
		room -= logBytes(a.Evidence)
	}
	if logBytes(e) > room {
		return e.Facts()
	}
	return e
}

// logBytes is how much text the logs have.
func logBytes(e failure.Evidence) (n int) {
	for _, l := range e.Logs {
		n += len(l.Head) + len(l.Tail)
	}
	return n
}

// Waits reports whether Redrive is to start the next attempt.
func (j Job) Waits() bool { return j.Own() && (j.State == Queued || j.State == Waiting) }

// Resting returns since when nothing here drives the job on: it has ended, or it
// is another scheduler's, from which nothing may ever be heard again. ok is
// false for any other job.
func (j Job) Resting() (since time.Time, ok bool) {
	switch {
	case j.State.Ended():
		return j.Ended, true
	case !j.Own() && j.State != Classifying:
		return j.Updated, true
	}
	return time.Time{}, false
}

// Expires returns when a job that waits is given up, and why; zero when never.
func (j Job) Expires() (at time.Time, why string) {
	if !j.Waits() {
		return at, why
	}
	if d := j.Overrides.Deadline; d > 0 {
		at, why = j.BudgetStart.Add(d), "the job's deadline has passed"
	}
	if d := j.Overrides.QueueTimeout; d > 0 {
		since := j.Due
		if !j.PostponedSince.IsZero() {
			since = j.PostponedSince
		}
		if end := since.Add(d); at.IsZero() || end.Before(at) {
			at, why = end, fmt.Sprintf("the attempt did not start within %s of being due", d)
		}
	}
	return at, why
}

// PolicyInputs returns what the retry policy is given for attempt n.
func (j Job) PolicyInputs(n int, v policy.Verdict, class policy.Class, seed uint64, now time.Time) policy.Inputs {
	counts := map[failure.Class]int{v.Class: 1}
	consecutive := j.Consecutive + 1
	for c, k := range j.FailuresByClass {
		counts[c] += k
	}
	return policy.Inputs{
		Now: now, Verdict: v, Class: class, FailuresByClass: counts, Consecutive: consecutive,
		Overrides: j.Overrides, BudgetStart: j.BudgetStart, Seed: seed,
		Cancelled: j.State == Cancelled || j.CancelRequested,
	}
}
