package runner_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

func report(n int, succeeded bool) runner.Report {
	return runner.Report{
		Ref: failure.Attempt{Source: "airflow", Job: "dag/1", Number: n}, Succeeded: succeeded,
		Job:      job.Job{Type: failure.Type{Workflow: "w", Step: "s", Engine: "spark"}},
		Original: map[string]any{"password": "hunter2", "spark.executor.memory": "4g"},
	}
}

func (w *world) report(n int, succeeded bool) job.Job {
	w.t.Helper()
	j, err := w.runner.Report(w.t.Context(), report(n, succeeded))
	if err != nil {
		w.t.Fatalf("report %d: %v", n, err)
	}
	return j
}

// TestEveryFailureIsDecidedWithoutAClassifier, those of attempts that were told
// late too.
func TestEveryFailureIsDecidedWithoutAClassifier(t *testing.T) {
	w := newWorld(t, soon)
	w.report(2, false)
	w.report(1, false)
	j := w.report(3, true)
	if j.State != job.Succeeded {
		t.Fatalf("state %v, want SUCCEEDED", j.State)
	}
	decided := w.until(j.ID, func(j job.Job) bool { _, pending := j.Undecided(); return !pending })
	for n := 1; n <= 2; n++ {
		d, err := w.docs.Decision(t.Context(), j.ID, n)
		if err != nil || !d.Inputs.Verdict.Degraded {
			t.Errorf("decision %d = %+v (%v), want a degraded one", n, d, err)
		}
	}
	if decided.State != job.Succeeded {
		t.Errorf("the decisions took the job to %v", decided.State)
	}
}

func TestReportsKeepNoSecrets(t *testing.T) {
	w := newWorld(t, runner.Options{})
	j := w.report(1, false)
	config, _ := j.Config.Object()
	attempt, _ := j.Attempts[0].Config.Object()
	if text := fmt.Sprint(config, attempt); strings.Contains(text, "hunter2") || !strings.Contains(text, "4g") {
		t.Errorf("kept: %s", text)
	}
}

func TestReportsThatCannotBe(t *testing.T) {
	w := newWorld(t, runner.Options{})
	for _, tc := range []struct {
		field  string
		change func(*runner.Report)
	}{
		{"attempt.source", func(p *runner.Report) { p.Ref.Source = failure.Own }},
		{"attempt.source", func(p *runner.Report) { p.Ref.Source = "Air Flow" }},
		{"attempt.job", func(p *runner.Report) { p.Ref.Job = "" }},
		{"attempt.attempt", func(p *runner.Report) { p.Ref.Number = 0 }},
		{"type.workflow", func(p *runner.Report) { p.Job.Type.Workflow = "" }},
		{"config", func(p *runner.Report) { p.Original = map[string]any{"x": strings.Repeat("x", job.MaxConfigBytes)} }},
		{"attempt_config", func(p *runner.Report) { p.Config = map[string]any{"x": strings.Repeat("x", job.MaxConfigBytes)} }},
		{"labels", func(p *runner.Report) { p.Job.Labels = map[string]string{"": ""} }},
		{"retry_policy.deadline", func(p *runner.Report) { p.Job.Overrides.Deadline = -1 }},
		{"evidence.termination_reason", func(p *runner.Report) { p.Evidence.Reason = 99 }},
		{"evidence.duration", func(p *runner.Report) { p.Evidence.Duration = -1 }},
	} {
		p := report(1, false)
		tc.change(&p)
		_, err := w.runner.Report(t.Context(), p)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.field+":") {
			t.Errorf("%s: %v, want Invalid", tc.field, err)
		}
	}
}

// TestAnIDOfAnotherJob: nobody can end, or be given, the attempt of a job under
// whose id he hides.
func TestAnIDOfAnotherJob(t *testing.T) {
	w := newWorld(t, runner.Options{})
	p := report(1, false)
	own := w.submit(p.Ref.JobID())
	id := <-w.machine.started
	w.until(own.ID, in(job.Running))
	if _, err := w.runner.Report(t.Context(), p); !errs.Is(err, errs.Invalid) {
		t.Errorf("report = %v, want Invalid", err)
	}
	if _, err := w.runner.Decide(t.Context(), runner.Classified{Report: p}); !errs.Is(err, errs.Invalid) {
		t.Errorf("decide = %v, want Invalid", err)
	}
	w.machine.end(id, succeededRun)
	w.until(own.ID, in(job.Succeeded))
}

func TestTheFirstWordOnAnAttemptStands(t *testing.T) {
	w := newWorld(t, runner.Options{})
	j := w.report(1, true)
	if _, err := w.runner.Report(t.Context(), report(1, false)); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("a failure after the success = %v, want FailedPrecondition", err)
	}
	told := report(1, false)
	told.Told = true
	after, err := w.runner.Decide(t.Context(), runner.Classified{Report: told, Verdict: policy.Verdict{Class: failure.CodeBug, Verdict: failure.DoNotRetry}})
	if err != nil || after.Revision != j.Revision {
		t.Errorf("a verdict after the success: revision %d (%v), want no change", after.Revision, err)
	}
}

func TestOwnVerdictsWaitForTheEndOfTheAttempt(t *testing.T) {
	w := newWorld(t, runner.Options{})
	verdict := runner.Classified{
		Report:  runner.Report{Ref: failure.Attempt{Source: failure.Own, Job: "etl", Number: 1}, Told: true},
		Verdict: policy.Verdict{Class: failure.NetworkTransient, Category: failure.CategorySystem, Verdict: failure.Retry},
	}
	early := func(when string) {
		t.Helper()
		if _, err := w.runner.Decide(t.Context(), verdict); !errs.Is(err, errs.NotFound) {
			t.Errorf("verdict %s = %v, want NotFound: it may come later", when, err)
		}
	}
	early("on a job that is not there")
	w.submit("etl")
	id := <-w.machine.started
	w.until("etl", in(job.Running))
	early("while the attempt runs")
	w.machine.end(id, failedRun)
	w.until("etl", in(job.Classifying))
	if _, err := w.runner.Decide(t.Context(), verdict); err != nil {
		t.Fatal(err)
	}
	w.machine.end(<-w.machine.started, succeededRun)
}

func TestDecisionIsUnsetWhenTheWaitEnds(t *testing.T) {
	w := newWorld(t, runner.Options{})
	j := w.report(1, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, ok, err := w.runner.Decision(ctx, j, 1, nil); ok || err != nil {
		t.Errorf("decision: %v (%v), want none and no error", ok, err)
	}
}

// TestWhoWaitsGetsTheDecision: whatever is heard of before it, and after it.
func TestWhoWaitsGetsTheDecision(t *testing.T) {
	w := newWorld(t, runner.Options{})
	for n, tell := range []func(id string){
		func(string) {},
		w.runner.Noticed, // nobody knows of what
		func(string) { w.report(7, true) },
	} {
		p := report(n+1, false)
		changes, end, err := w.runner.Watch(p.Ref.JobID())
		if err != nil {
			t.Fatal(err)
		}
		j := w.report(n+1, false)
		want := make(chan job.Job, 1)
		go func() {
			j := w.decide(j, n+1, failure.NetworkTransient, nil)
			tell(j.ID)
			want <- j
		}()
		d, ok, err := w.runner.Decision(t.Context(), j, n+1, changes)
		if err != nil || !ok || d.Attempt != n+1 {
			t.Errorf("decision %+v, %v (%v), want that on attempt %d", d, ok, err, n+1)
		}
		after := <-want
		if d, ok, err := w.runner.Decision(t.Context(), after, n+1, nil); err != nil || !ok || d.Attempt != n+1 {
			t.Errorf("decision %+v, %v (%v), want that on attempt %d at once", d, ok, err, n+1)
		}
		end()
	}
}

// TestWhatIsRecentMayBeOld: somebody else changed the job, or deleted it.
func TestWhatIsRecentMayBeOld(t *testing.T) {
	w := newWorld(t, runner.Options{})
	other := store.New(w.db, outbox.New(w.db, nil, "scheduler", nil, nil))
	j := w.report(1, false)
	if _, err := other.Put(t.Context(), store.Put{Job: j}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if after := w.decide(j, 1, failure.NetworkTransient, nil); after.Revision != j.Revision+2 {
		t.Errorf("revision %d, want the other's put and the decision", after.Revision)
	}
	j = w.report(2, true)
	if n, err := other.Purge(t.Context(), time.Now().Add(time.Hour), 10); err != nil || n != 1 {
		t.Fatalf("%d purged (%v), want the job", n, err)
	}
	if again := w.report(2, true); again.Revision != 1 {
		t.Errorf("told again after it was deleted: revision %d, want a new job", again.Revision)
	}
	if again := w.report(3, false); again.Revision != 2 || len(again.Attempts) != 2 {
		t.Errorf("revision %d with %d attempts, want what became of the new job", again.Revision, len(again.Attempts))
	}
}

func TestTooManyEndedJobs(t *testing.T) {
	w := newWorld(t, runner.Options{})
	for n := range 5 {
		s := submission(fmt.Sprintf("j%d", n))
		s.RequestID = "request-" + s.JobID
		if _, err := w.runner.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if n < 4 {
			w.machine.end(<-w.machine.started, succeededRun)
			w.until(s.JobID, in(job.Succeeded))
		}
	}
	w.stop()
	w.start(runner.Options{VerdictTimeout: soon.VerdictTimeout, MaxEnded: 2})
	<-w.machine.swept
	page, _ := docstore.NewPaging(0, "")
	left, _, err := w.docs.List(t.Context(), store.Filter{}, page)
	var names []string
	for _, j := range left {
		names = append(names, j.ID)
	}
	if got := strings.Join(names, " "); err != nil || got != "j4 j3 j2" {
		t.Errorf("left are %q (%v), want the one that runs and the last two that ended", got, err)
	}
	for n := 2; n < 5; n++ {
		s := submission("")
		s.RequestID = fmt.Sprintf("request-j%d", n)
		if j, err := w.runner.Submit(t.Context(), s); err != nil || j.ID != fmt.Sprintf("j%d", n) {
			t.Errorf("the same request again made %q (%v), want the first job", j.ID, err)
		}
	}
}

func TestOldJobsArePurgedAndLivingOnesKept(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.submit("ended")
	w.machine.end(<-w.machine.started, succeededRun)
	w.until("ended", in(job.Succeeded))
	w.submit("running")
	<-w.machine.started
	quiet := w.report(1, false) // of a scheduler that is heard of no more
	w.decide(quiet, 1, failure.NetworkTransient, nil)
	w.stop()
	w.start(runner.Options{VerdictTimeout: soon.VerdictTimeout, Retention: time.Nanosecond})
	<-w.machine.swept
	for id, want := range map[string]errs.Kind{"ended": errs.NotFound, quiet.ID: errs.NotFound, "running": errs.None} {
		if _, err := w.docs.Job(t.Context(), id); errs.KindOf(err) != want {
			t.Errorf("%s: %v, want kind %v", id, err, want)
		}
	}
}
