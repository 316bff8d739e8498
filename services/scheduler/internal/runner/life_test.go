package runner_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

var succeededRun = process.Result{Succeeded: true}

// soon makes the sweeper come by often.
var soon = runner.Options{VerdictTimeout: 30 * time.Millisecond}

func TestNoMoreThanMaxRunningAtATimeAndAllInTheEnd(t *testing.T) {
	w := newWorld(t, runner.Options{MaxRunning: 2})
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		w.submit(name)
	}
	for range names {
		w.machine.end(<-w.machine.started, succeededRun)
	}
	for _, name := range names {
		w.until(name, in(job.Succeeded))
	}
	if w.machine.most > 2 {
		t.Errorf("%d attempts at the same time, want at most 2", w.machine.most)
	}
}

func TestWhatIsDueFirstStartsFirst(t *testing.T) {
	w := newWorld(t, runner.Options{MaxRunning: 1})
	w.submit("z")
	blocker := <-w.machine.started
	for _, name := range []string{"y", "x", "w"} {
		w.submit(name)
	}
	w.machine.end(blocker, succeededRun)
	for _, want := range []string{"y", "x", "w"} {
		id := <-w.machine.started
		if id.Job != want {
			t.Fatalf("%s started, want %s", id.Job, want)
		}
		w.machine.end(id, succeededRun)
	}
}

func TestAHumanPutsAFailedJobBackToWork(t *testing.T) {
	w := newWorld(t, runner.Options{})
	j := w.submit("etl")
	w.machine.end(<-w.machine.started, failedRun)
	w.until("etl", in(job.Classifying))
	w.decide(j, 1, failure.CodeBug, nil)
	failed := w.until("etl", in(job.Failed))
	if _, err := w.runner.Retry(t.Context(), "etl", job.Unblocked{}, "old", func(int64) string { return "new" }); !errs.Is(err, errs.Conflict) {
		t.Errorf("retry with an old etag = %v, want Conflict", err)
	}
	e := job.Unblocked{Reason: "fixed", Task: &job.Task{Args: []string{"y"}}}
	if _, err := w.runner.Retry(t.Context(), "etl", e, "7", func(int64) string { return "7" }); err != nil {
		t.Fatal(err)
	}
	id := <-w.machine.started
	if got := w.machine.spec(id).Args; id.Attempt != 2 || got[0] != "y" {
		t.Errorf("attempt %d runs %q, want the second with the new task", id.Attempt, got)
	}
	running := w.until("etl", in(job.Running))
	if len(running.FailuresByClass) != 0 || !running.BudgetStart.After(failed.BudgetStart) {
		t.Errorf("budgets are not fresh: %v since %v", running.FailuresByClass, running.BudgetStart)
	}
	if _, err := w.runner.Retry(t.Context(), "etl", job.Unblocked{}, "", nil); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("retry of a running job = %v, want FailedPrecondition", err)
	}
	w.machine.end(id, succeededRun)
	w.until("etl", in(job.Succeeded))
}

func TestCancelOfAJobThatDoesNotRun(t *testing.T) {
	w := newWorld(t, runner.Options{MaxRunning: 1})
	waiting := w.submit("waiting")
	w.machine.end(<-w.machine.started, failedRun)
	w.until("waiting", in(job.Classifying))
	w.decide(waiting, 1, failure.Throttling, func(v *policy.Verdict) { v.RetryAfter = time.Hour })
	w.until("waiting", in(job.Waiting))

	w.submit("classifying")
	w.machine.end(<-w.machine.started, failedRun)
	classifying := w.until("classifying", in(job.Classifying))

	w.submit("blocker")
	blocker := <-w.machine.started
	w.submit("queued")
	for _, name := range []string{"waiting", "classifying", "queued"} {
		j, err := w.runner.Cancel(t.Context(), name, "not needed", "", nil)
		if err != nil || j.State != job.Cancelled || !strings.Contains(j.Reason, "not needed") {
			t.Errorf("cancel of a %s job: %v, %q (%v)", name, j.State, j.Reason, err)
		}
		if again, err := w.runner.Cancel(t.Context(), name, "", "", nil); err != nil || again.Revision != j.Revision {
			t.Errorf("a second cancel of %s changes it (%v)", name, err)
		}
	}
	// The verdict that comes after is decided on, and nothing starts.
	w.decide(classifying, 1, failure.NetworkTransient, nil)
	d, err := w.docs.Decision(t.Context(), "classifying", 1)
	if err != nil || d.Action != policy.Stop {
		t.Errorf("decision %v (%v), want a stop", d.Action, err)
	}
	w.machine.end(blocker, succeededRun)
	w.until("blocker", in(job.Succeeded))
	if _, err := w.runner.Cancel(t.Context(), "blocker", "", "", nil); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("cancel of a job that succeeded = %v, want FailedPrecondition", err)
	}
	if _, err := w.runner.Cancel(t.Context(), "nobody", "", "", nil); !errs.Is(err, errs.NotFound) {
		t.Errorf("cancel of nobody's job = %v, want NotFound", err)
	}
	select {
	case id := <-w.machine.started:
		t.Errorf("%v started", id)
	default:
	}
}

// TestACancelIsCarriedOut although its caller is gone, and the first kill fails.
func TestACancelIsCarriedOut(t *testing.T) {
	w := newWorld(t, soon)
	w.submit("etl")
	<-w.machine.started
	w.until("etl", in(job.Running))
	w.machine.mu.Lock()
	w.machine.deaf = 2
	w.machine.mu.Unlock()
	j, err := w.runner.Cancel(t.Context(), "etl", "", "", nil)
	if err != nil || !j.CancelRequested {
		t.Fatalf("cancel: %+v (%v), want it accepted", j.State, err)
	}
	done := w.until("etl", in(job.Cancelled))
	if done.Attempts[0].Failure != "" {
		t.Error("the cancelled attempt counts as a failure")
	}
}

func TestAConfigurationThatCannotBeResolvedIsGivenUp(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.configs.set(runner.Resolution{}, errs.New(errs.Invalid, "too big; password=hunter2hunter2"))
	w.submit("etl")
	j := w.until("etl", in(job.Failed))
	if len(j.Attempts) != 0 || !strings.Contains(j.Reason, "too big") || strings.Contains(j.Reason, "hunter2") {
		t.Errorf("%d attempts, %q; want none, and why without secrets", len(j.Attempts), j.Reason)
	}
}

func TestATaskThatDoesNotFitItsConfigurationIsAFailedAttempt(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.configs.set(runner.Resolution{Config: configOf(map[string]any{})}, nil)
	w.submit("etl")
	j := w.until("etl", in(job.Classifying))
	if a := j.Attempts[0]; a.Evidence.Reason != failure.NotStarted {
		t.Errorf("reason %v, want NOT_STARTED", a.Evidence.Reason)
	}
}

func TestTheRunTimeoutEndsAtTheDeadline(t *testing.T) {
	w := newWorld(t, runner.Options{})
	for _, tc := range []struct {
		name          string
		run, deadline time.Duration
		least, most   time.Duration
	}{
		{"neither", 0, 0, 0, 0},
		{"run", time.Minute, 0, time.Minute, time.Minute},
		{"deadline", 0, time.Hour, 1, time.Hour - 1},
		{"nearer-deadline", 2 * time.Hour, time.Hour, 1, time.Hour - 1},
		{"nearer-run", time.Minute, time.Hour, time.Minute, time.Minute},
	} {
		s := submission(tc.name)
		s.Job.Overrides = policy.Overrides{RunTimeout: tc.run, Deadline: tc.deadline}
		if _, err := w.runner.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		id := <-w.machine.started
		if got := w.machine.spec(id).RunTimeout; got < tc.least || got > tc.most {
			t.Errorf("%s: the attempt may run %v, want %v to %v", tc.name, got, tc.least, tc.most)
		}
		w.machine.end(id, succeededRun)
	}
}

func TestAPastDeadlineIsGivenUp(t *testing.T) {
	w := newWorld(t, soon)
	s := submission("etl")
	s.Job.Overrides.Deadline = time.Nanosecond
	if _, err := w.runner.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if j := w.until("etl", in(job.Failed)); len(j.Attempts) != 0 || !strings.Contains(j.Reason, "deadline") {
		t.Errorf("%d attempts, %q", len(j.Attempts), j.Reason)
	}
}

func TestCheckOnlyStoresNothing(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.submit("taken")
	w.machine.end(<-w.machine.started, succeededRun)
	s := submission("new")
	s.CheckOnly, s.RequestID = true, "r"
	if j, err := w.runner.Submit(t.Context(), s); err != nil || j.State != job.Queued {
		t.Errorf("check = %v (%v)", j.State, err)
	}
	if _, err := w.docs.Job(t.Context(), "new"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a checked job = %v, want NotFound", err)
	}
	s.JobID, s.RequestID = "taken", ""
	if _, err := w.runner.Submit(t.Context(), s); !errs.Is(err, errs.AlreadyExists) {
		t.Errorf("check of a taken id = %v, want AlreadyExists", err)
	}
	s.JobID, s.Job.Type.Engine = "-", "abacus"
	e, _ := errors.AsType[*errs.Error](func() error { _, err := w.runner.Submit(t.Context(), s); return err }())
	if e == nil || len(e.Violations) != 2 || e.Violations[0].Field != "job_id" || e.Violations[1].Field != "job.type.engine" {
		t.Errorf("violations = %+v, want job_id and job.type.engine", e)
	}
}

func TestWatchesAreBounded(t *testing.T) {
	w := newWorld(t, runner.Options{})
	var ends []func()
	for {
		_, end, err := w.runner.Watch("etl")
		if err != nil {
			if !errs.Is(err, errs.Exhausted) {
				t.Fatalf("one watch too many = %v, want Exhausted", err)
			}
			break
		}
		if ends = append(ends, end); len(ends) > 20_000 {
			t.Fatal("watches have no bound")
		}
	}
	ends[0]()
	ends[0]() // once more changes nothing
	_, end, err := w.runner.Watch("other")
	if err != nil {
		t.Fatalf("a watch after another ended: %v", err)
	}
	if _, _, err := w.runner.Watch("etl"); !errs.Is(err, errs.Exhausted) {
		t.Errorf("ending one watch twice made room for two: %v", err)
	}
	for _, end := range append(ends, end) {
		end()
	}
}
