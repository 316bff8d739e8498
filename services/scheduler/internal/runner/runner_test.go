package runner_test

import (
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

var failedRun = process.Result{Evidence: failure.Evidence{Reason: failure.OutOfMemory, Signal: 9}}

func TestFailedAttemptIsRetriedWithItsPatch(t *testing.T) {
	w := newWorld(t, runner.Options{})
	j := w.submit("etl")
	first := <-w.machine.started
	w.machine.end(first, failedRun)
	w.until("etl", in(job.Classifying))
	w.configs.set(runner.Resolution{Config: configOf(map[string]any{"memory_mb": 128.0}), Applied: []string{"patches/p"}}, nil)
	w.decide(j, 1, failure.MemoryContainer, func(v *policy.Verdict) { v.Patch = "patches/p" })
	second := <-w.machine.started
	if got := w.machine.spec(second); got.Args[1] != "128" || got.MemoryLimit != 128<<20 {
		t.Errorf("second attempt runs %q below %d bytes, want the patched configuration", got.Args, got.MemoryLimit)
	}
	w.machine.end(second, process.Result{Succeeded: true})
	done := w.until("etl", in(job.Succeeded))
	if len(done.Attempts) != 2 || done.Attempts[1].Applied[0] != "patches/p" {
		t.Errorf("attempts = %+v, want two, the second with the patch", done.Attempts)
	}
}

func TestTheFailedConfigurationIsNotTriedAgain(t *testing.T) {
	w := newWorld(t, runner.Options{})
	j := w.submit("etl")
	w.machine.end(<-w.machine.started, failedRun)
	w.until("etl", in(job.Classifying))
	w.configs.set(runner.Resolution{Skipped: []job.Skip{{Patch: "patches/p", Reason: "guard"}}}, nil)
	w.decide(j, 1, failure.MemoryContainer, func(v *policy.Verdict) { v.Patch = "patches/p" })
	if j := w.until("etl", in(job.Failed)); len(j.Attempts) != 1 {
		t.Errorf("%d attempts, want one", len(j.Attempts))
	}
}

func TestAttemptsOutliveTheRunner(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.submit("etl")
	id := <-w.machine.started
	w.until("etl", in(job.Running))
	w.stop()
	w.machine.end(id, process.Result{Succeeded: true}) // while nobody looks
	w.start(runner.Options{})
	j := w.until("etl", in(job.Succeeded))
	if len(j.Attempts) != 1 || w.machine.runs[id].starts != 1 {
		t.Errorf("%d attempts, started %d times, want one", len(j.Attempts), w.machine.runs[id].starts)
	}
}

func TestNoVerdictMeansThePlainPolicy(t *testing.T) {
	w := newWorld(t, runner.Options{VerdictTimeout: 30 * time.Millisecond})
	j := w.submit("etl")
	w.machine.end(<-w.machine.started, failedRun)
	second := <-w.machine.started // nobody classified
	d, err := w.docs.Decision(t.Context(), "etl", 1)
	if err != nil || !d.Inputs.Verdict.Degraded || d.Action != policy.Retry {
		t.Fatalf("decision = %+v (%v), want a degraded retry", d, err)
	}
	w.decide(j, 1, failure.CodeBug, nil) // the verdict comes at last
	if got, _ := w.docs.Decision(t.Context(), "etl", 1); got.Action != policy.Retry {
		t.Errorf("a late verdict made the decision %v", got.Action)
	}
	w.machine.end(second, process.Result{Succeeded: true})
	w.until("etl", in(job.Succeeded))
}

func TestConfigServiceAway(t *testing.T) {
	w := newWorld(t, runner.Options{ResolveDeadline: time.Nanosecond})
	w.configs.set(runner.Resolution{}, errs.New(errs.Unavailable, "away"))
	w.submit("etl")
	w.until("etl", func(j job.Job) bool { return !j.PostponedSince.IsZero() })
	id := <-w.machine.started // after the deadline it runs as it is
	j := w.until("etl", in(job.Running))
	if len(j.Attempts[0].Skipped) != 1 {
		t.Errorf("attempt does not say that the config service was away: %+v", j.Attempts[0])
	}
	w.machine.end(id, process.Result{Succeeded: true})
	w.until("etl", in(job.Succeeded))
}

func TestCancelKillsTheAttempt(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.submit("etl")
	<-w.machine.started
	w.until("etl", in(job.Running))
	if _, err := w.runner.Cancel(t.Context(), "etl", "not needed", "", nil); err != nil {
		t.Fatal(err)
	}
	w.until("etl", in(job.Cancelled))
}

func TestQueueTimeout(t *testing.T) {
	w := newWorld(t, runner.Options{MaxRunning: 1, VerdictTimeout: 120 * time.Millisecond})
	w.submit("first")
	blocker := <-w.machine.started
	_, err := w.runner.Submit(t.Context(), runner.Submission{JobID: "second", Job: job.Job{
		Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Task: &job.Task{Args: []string{"x"}},
		Overrides: policy.Overrides{QueueTimeout: time.Millisecond},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.until("second", in(job.Failed))
	w.machine.end(blocker, process.Result{Succeeded: true})
	w.until("first", in(job.Succeeded))
}

func TestSameRequestIsOneJob(t *testing.T) {
	w := newWorld(t, runner.Options{})
	submission := runner.Submission{RequestID: "r1", Job: job.Job{
		Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Task: &job.Task{Args: []string{"x"}},
	}}
	ids := make(chan string, 8)
	var group sync.WaitGroup
	for range cap(ids) {
		group.Go(func() {
			j, err := w.runner.Submit(t.Context(), submission)
			if err != nil {
				t.Errorf("submit: %v", err)
			}
			ids <- j.ID
		})
	}
	group.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Errorf("the same request made %q and %q", first, id)
		}
	}
	submission.JobID, submission.RequestID = first, ""
	if _, err := w.runner.Submit(t.Context(), submission); !errs.Is(err, errs.AlreadyExists) {
		t.Errorf("a taken id = %v, want AlreadyExists", err)
	}
}

func TestManyReportsOfOneFailureMakeOneDecision(t *testing.T) {
	w := newWorld(t, runner.Options{})
	ref := failure.Attempt{Source: "airflow", Job: "dag/run/1", Number: 1}
	report := runner.Report{Ref: ref, Job: job.Job{Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Source: "airflow", SourceJob: ref.Job}}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = w.runner.Report(t.Context(), report)
			} else {
				told := report
				told.Told = true
				_, err = w.runner.Decide(t.Context(), runner.Classified{Report: told, Verdict: policy.Verdict{
					Class: failure.NetworkTransient, Category: failure.CategorySystem, Verdict: failure.Retry,
				}})
			}
			if err != nil {
				t.Errorf("report %d: %v", i, err)
			}
		})
	}
	group.Wait()
	j, err := w.docs.Job(t.Context(), ref.JobID())
	if err != nil || j.State != job.Waiting || len(j.Attempts) != 1 || j.FailuresByClass[failure.NetworkTransient] != 1 {
		t.Errorf("job = %v with %d attempts, counted %v (%v); want one failure and one decision", j.State, len(j.Attempts), j.FailuresByClass, err)
	}
}
