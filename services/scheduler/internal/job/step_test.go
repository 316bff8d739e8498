package job_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func own() job.Job {
	return job.Job{
		ID: "etl", Source: failure.Own, SourceJob: "etl", Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"},
		Task: &job.Task{Args: []string{"true"}}, State: job.Queued, Due: start, Created: start, Updated: start, BudgetStart: start,
	}
}

func decided(j job.Job, n int, c failure.Class, now time.Time) job.Decided {
	m, _ := failure.MeaningOf(c)
	v := policy.Verdict{Failure: "failures/f", Class: c, Category: m.Category, Verdict: m.Verdict, Patch: "patches/p"}
	d := policy.Decide(j.PolicyInputs(n, v, policy.Defaults().Of(c, m.Verdict), 1, now))
	d.Job, d.Attempt = j.ID, n
	return job.Decided{Decision: d}
}

func failed(n int) job.Ended { return job.Ended{Attempt: n, Evidence: failure.Evidence{Signal: 9}} }

func TestLifeOfAJob(t *testing.T) {
	type row struct {
		event   func(j job.Job) job.Event
		state   job.State
		effects []job.Effect
	}
	always := func(e job.Event) func(job.Job) job.Event { return func(job.Job) job.Event { return e } }
	decide := func(n int, c failure.Class) func(job.Job) job.Event {
		return func(j job.Job) job.Event { return decided(j, n, c, start) }
	}
	for _, tc := range []struct {
		name string
		rows []row
	}{
		{"succeeds at once", []row{
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(job.Ended{Attempt: 1, Succeeded: true}), job.Succeeded, []job.Effect{job.TellSucceeded, job.TellFinished}},
		}},
		{"fails, is retried with another configuration, succeeds", []row{
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(failed(1)), job.Classifying, []job.Effect{job.TellFailed}},
			{decide(1, failure.MemoryContainer), job.Waiting, []job.Effect{job.TellDecided}},
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(job.Ended{Attempt: 2, Succeeded: true}), job.Succeeded, []job.Effect{job.TellSucceeded, job.TellFinished}},
		}},
		{"is stopped, and put back to work by a human", []row{
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(failed(1)), job.Classifying, []job.Effect{job.TellFailed}},
			{decide(1, failure.CodeBug), job.Failed, []job.Effect{job.TellDecided, job.TellFinished}},
			{always(job.Unblocked{Reason: "fixed"}), job.Waiting, []job.Effect{job.TellFinished}},
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
		}},
		{"is cancelled while it runs", []row{
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(job.CancelAsked{}), job.Running, nil},
			{always(failed(1)), job.Cancelled, []job.Effect{job.TellFinished}},
		}},
		{"is cancelled while it is classified, and the verdict comes after", []row{
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(failed(1)), job.Classifying, []job.Effect{job.TellFailed}},
			{always(job.CancelAsked{}), job.Cancelled, []job.Effect{job.TellFinished}},
			{decide(1, failure.NetworkTransient), job.Cancelled, []job.Effect{job.TellDecided}},
		}},
		{"is told again when nothing comes back", []row{
			{always(job.Started{}), job.Running, []job.Effect{job.TellStarted}},
			{always(failed(1)), job.Classifying, []job.Effect{job.TellFailed}},
			{always(job.Resent{Attempt: 1}), job.Classifying, []job.Effect{job.TellFailed}},
		}},
		{"never starts", []row{
			{always(job.Postponed{Due: start.Add(time.Second)}), job.Queued, nil},
			{always(job.GivenUp{Reason: "too late"}), job.Failed, []job.Effect{job.TellFinished}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := own()
			for i, r := range tc.rows {
				e := r.event(j)
				next, effects, changed, err := job.Step(j, e, start.Add(time.Duration(i)*time.Second))
				if err != nil || !changed {
					t.Fatalf("step %d (%T): changed %v, error %v", i, e, changed, err)
				}
				if next.State != r.state || !reflect.DeepEqual(effects, r.effects) {
					t.Fatalf("step %d (%T): %v with effects %v, want %v with %v", i, e, next.State, effects, r.state, r.effects)
				}
				j = next
			}
		})
	}
}

func TestRequiredPatchLastsUntilTheStart(t *testing.T) {
	j := own()
	j, _, _, _ = job.Step(j, job.Started{}, start)
	j, _, _, _ = job.Step(j, failed(1), start)
	j, _, _, _ = job.Step(j, decided(j, 1, failure.MemoryContainer, start), start)
	if j.RequiredPatch != "patches/p" {
		t.Fatalf("required patch = %q, want the decision's", j.RequiredPatch)
	}
	j, _, _, _ = job.Step(j, job.Unblocked{}, start)
	if j.RequiredPatch != "patches/p" {
		t.Error("a human who hurries the retry makes it start without its patch")
	}
	j, _, _, _ = job.Step(j, job.Started{}, start)
	if j.RequiredPatch != "" {
		t.Error("the patch is still required after the start")
	}
}

func TestForbiddenEvents(t *testing.T) {
	j := own()
	if _, _, _, err := job.Step(j, job.Unblocked{}, start); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("retry of a queued job = %v, want FailedPrecondition", err)
	}
	if _, _, _, err := job.Step(j, failed(1), start); !errs.Is(err, errs.NotFound) {
		t.Errorf("end of an attempt that never was = %v, want NotFound", err)
	}
	if _, _, _, err := job.Step(j, job.Decided{Decision: policy.Decision{Attempt: 1}}, start); !errs.Is(err, errs.NotFound) {
		t.Errorf("decision on an attempt that never was = %v, want NotFound", err)
	}
	j, _, _, _ = job.Step(j, job.Started{}, start)
	j, _, _, _ = job.Step(j, job.Ended{Attempt: 1, Succeeded: true}, start)
	if _, _, _, err := job.Step(j, job.CancelAsked{}, start); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("cancel of a succeeded job = %v, want FailedPrecondition", err)
	}
}

// TestRandomLives throws random events, each of them twice, at jobs and checks
// what must hold in every life.
func TestRandomLives(t *testing.T) {
	classes := failure.Classes()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		j := own()
		if seed%3 == 0 {
			j.Source, j.State, j.Task = "airflow", job.Running, nil
		}
		tellings := map[string]int{}
		for step := range 60 {
			now := start.Add(time.Duration(step) * time.Second)
			last, _ := j.Last()
			var e job.Event
			switch r.IntN(11) {
			case 0, 1:
				e = job.Started{}
			case 2:
				e = failed(max(1, last.Number+r.IntN(3)-1))
			case 3:
				e = job.Ended{Attempt: max(1, last.Number), Succeeded: r.IntN(4) == 0}
			case 4, 5:
				e = decided(j, max(1, last.Number-r.IntN(2)), classes[r.IntN(len(classes))], now)
			case 6:
				e = job.Resent{Attempt: max(1, last.Number-r.IntN(2))}
			case 7:
				if r.IntN(6) > 0 {
					continue
				}
				e = job.CancelAsked{}
			case 8:
				e = job.Unblocked{}
			case 9:
				e = job.Postponed{Due: now.Add(time.Minute)}
			case 10:
				e = job.Expired{}
			}
			next, effects, changed, err := job.Step(j, e, now)
			if err != nil || !changed {
				if !reflect.DeepEqual(next, j) || len(effects) > 0 {
					t.Fatalf("seed %d: %T changed the job although it says it did not", seed, e)
				}
				continue
			}
			check(t, seed, j, next, e)
			for _, effect := range effects {
				if effect == job.TellDecided {
					key := fmt.Sprint(effect, e.(job.Decided).Decision.Attempt)
					if tellings[key]++; tellings[key] > 1 {
						t.Fatalf("seed %d: attempt was decided twice", seed)
					}
				}
			}
			if _, resent := e.(job.Resent); !resent { // telling again is what Resent is for
				_, postponed := e.(job.Postponed)
				if _, unblocked := e.(job.Unblocked); !unblocked && !postponed {
					if _, effects, changed, _ := job.Step(next, e, now.Add(time.Millisecond)); changed || len(effects) > 0 {
						t.Fatalf("seed %d: %T a second time changes the job again", seed, e)
					}
				}
			}
			j = next
		}
	}
}

func check(t *testing.T, seed uint64, before, after job.Job, e job.Event) {
	t.Helper()
	if _, unblocked := e.(job.Unblocked); before.State == job.Cancelled && after.State != job.Cancelled ||
		before.State == job.Succeeded && after.State != job.Succeeded ||
		before.State == job.Failed && after.State != job.Failed && !unblocked && after.Own() {
		t.Fatalf("seed %d: %T takes the job from %v to %v", seed, e, before.State, after.State)
	}
	open := 0
	for i, a := range after.Attempts {
		if a.End.IsZero() {
			open++
		}
		if i > 0 && a.Number <= after.Attempts[i-1].Number {
			t.Fatalf("seed %d: attempts out of order", seed)
		}
		if a.Succeeded && (a.Decision != "" || a.Failure != "") {
			t.Fatalf("seed %d: a success was decided on", seed)
		}
		if a.Decision != "" && a.Failure == "" && after.State != job.Cancelled {
			t.Fatalf("seed %d: attempt %d has a decision and no failure", seed, a.Number)
		}
	}
	if _, pending := after.Undecided(); pending != (after.Emissions > 0) {
		t.Fatalf("seed %d: a failure is undecided is %v, and told %d times", seed, pending, after.Emissions)
	}
	if after.State == job.Classifying {
		if _, pending := after.Undecided(); !pending {
			t.Fatalf("seed %d: CLASSIFYING although every failure is decided", seed)
		}
	}
	if open > 1 || (open == 1) != (after.Own() && after.State == job.Running) {
		t.Fatalf("seed %d: %d attempts run in state %v", seed, open, after.State)
	}
	waits := after.State == job.Queued || after.State == job.Waiting
	if waits == after.Due.IsZero() {
		t.Fatalf("seed %d: state %v with due time %v", seed, after.State, after.Due)
	}
	if after.State.Ended() == after.Ended.IsZero() {
		t.Fatalf("seed %d: state %v with end time %v", seed, after.State, after.Ended)
	}
	if !after.Updated.After(before.Updated) {
		t.Fatalf("seed %d: the update time does not rise", seed)
	}
}

func TestLateAttemptsOfOtherSchedulers(t *testing.T) {
	j := job.Job{ID: "airflow-1", Source: "airflow", SourceJob: "dag/1", State: job.Running, Created: start, Updated: start}
	step := func(e job.Event) []job.Effect {
		t.Helper()
		next, effects, _, err := job.Step(j, e, start)
		if err != nil {
			t.Fatal(err)
		}
		j = next
		return effects
	}
	step(failed(2))
	if effects := step(failed(1)); j.State != job.Classifying || len(effects) != 1 {
		t.Errorf("a failure told late: %v with effects %v, want CLASSIFYING and the failure told", j.State, effects)
	}
	step(decided(j, 2, failure.NetworkTransient, start))
	if effects := step(decided(j, 1, failure.CodeBug, start)); j.State != job.Waiting || len(effects) != 1 {
		t.Errorf("a late decision: %v with effects %v, want it on record and the job WAITING", j.State, effects)
	}
	step(job.Ended{Attempt: 3, Succeeded: true})
	if j.State != job.Succeeded {
		t.Errorf("state %v, want SUCCEEDED", j.State)
	}
}

func TestTheFirstWordOnAnAttemptStands(t *testing.T) {
	for _, first := range []bool{true, false} {
		j := job.Job{ID: "airflow-1", Source: "airflow", SourceJob: "dag/1", State: job.Running, Created: start, Updated: start}
		j, _, _, _ = job.Step(j, job.Ended{Attempt: 1, Succeeded: first}, start)
		if next, _, _, err := job.Step(j, job.Ended{Attempt: 1, Succeeded: !first}, start); !errs.Is(err, errs.FailedPrecondition) || next.State != j.State {
			t.Errorf("first told %v, then the opposite: %v (%v), want FailedPrecondition", first, next.State, err)
		}
	}
}

func TestAVerdictOnASuccessIsMoot(t *testing.T) {
	j := job.Job{ID: "airflow-1", Source: "airflow", SourceJob: "dag/1", State: job.Running, Created: start, Updated: start}
	j, _, _, _ = job.Step(j, job.Ended{Attempt: 1, Succeeded: true}, start)
	if _, _, changed, err := job.Step(j, decided(j, 1, failure.CodeBug, start), start); changed || err != nil {
		t.Errorf("changed %v (%v), want neither a change nor an error", changed, err)
	}
}

func TestWhatWasCancelledIsNoFailure(t *testing.T) {
	j := own()
	for _, e := range []job.Event{job.Started{}, job.CancelAsked{}, failed(1)} {
		j, _, _, _ = job.Step(j, e, start)
	}
	if _, pending := j.Undecided(); pending || j.Attempts[0].Failure != "" {
		t.Errorf("a cancelled attempt waits for a decision: %+v", j.Attempts[0])
	}
}

func TestALateSuccessIsTold(t *testing.T) {
	j := job.Job{ID: "airflow-1", Source: "airflow", SourceJob: "dag/1", State: job.Running, Created: start, Updated: start}
	j, _, _, _ = job.Step(j, failed(1), start)
	j, _, _, _ = job.Step(j, job.CancelAsked{}, start)
	_, effects, _, err := job.Step(j, job.Ended{Attempt: 2, Succeeded: true}, start)
	if err != nil || !reflect.DeepEqual(effects, []job.Effect{job.TellSucceeded}) {
		t.Errorf("effects %v (%v), want the success told", effects, err)
	}
}

func TestExpiry(t *testing.T) {
	step := func(j job.Job, e job.Event, now time.Time) job.Job {
		t.Helper()
		next, _, _, err := job.Step(j, e, now)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	j := own()
	if at, _ := j.Expires(); !at.IsZero() {
		t.Errorf("a job without limits expires at %v", at)
	}
	j.Overrides = policy.Overrides{QueueTimeout: time.Minute, Deadline: time.Hour}
	if got := step(j, job.Expired{}, start.Add(time.Minute-1)); got.State != job.Queued {
		t.Error("given up too early")
	}
	if got := step(j, job.Expired{}, start.Add(time.Minute)); got.State != job.Failed {
		t.Error("not given up after the queue timeout")
	}
	// Being postponed again and again does not set the clock back.
	p := step(j, job.Postponed{Due: start.Add(30 * time.Second)}, start.Add(10*time.Second))
	p = step(p, job.Postponed{Due: start.Add(2 * time.Minute)}, start.Add(30*time.Second))
	if got := step(p, job.Expired{}, start.Add(70*time.Second)); got.State != job.Failed {
		t.Error("a job that is postponed is never given up")
	}
	// The deadline counts from the submission, or from the human who unblocked.
	j.Overrides.QueueTimeout = 0
	late := step(j, job.Expired{}, start.Add(time.Hour))
	if late.State != job.Failed {
		t.Fatal("not given up at the deadline")
	}
	again := step(late, job.Unblocked{}, start.Add(2*time.Hour))
	if at, _ := again.Expires(); !at.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("expires at %v after a human unblocked it, want a whole deadline later", at)
	}
	if got := step(step(j, job.Started{}, start), job.Expired{}, start.Add(2*time.Hour)); got.State != job.Running {
		t.Error("a running attempt was given up; its run timeout ends it")
	}
}

func TestThePastIsBounded(t *testing.T) {
	j := own()
	for n := 1; n <= job.MaxAttempts+5; n++ {
		for _, e := range []job.Event{
			job.Started{Config: configOf(map[string]any{"n": float64(n)}), Skipped: make([]job.Skip, 1000)}, failed(n), decided(j, n, failure.CodeBug, start),
		} {
			if d, ok := e.(job.Decided); ok {
				d.Decision.Attempt, e = n, d
			}
			next, _, _, err := job.Step(j, e, start)
			if err != nil {
				t.Fatal(err)
			}
			j = next
		}
		j, _, _, _ = job.Step(j, job.Unblocked{}, start)
	}
	configs := 0
	for _, a := range j.Attempts {
		if !a.Config.None() {
			configs++
		}
		if len(a.Skipped) > 50 {
			t.Fatalf("attempt %d keeps %d skipped patches", a.Number, len(a.Skipped))
		}
	}
	last, _ := j.Last()
	if len(j.Attempts) != job.MaxAttempts || configs != job.MaxConfigs || last.Config.None() || last.Number != job.MaxAttempts+5 {
		t.Errorf("%d attempts, %d with a configuration, the last %d", len(j.Attempts), configs, last.Number)
	}
}

func TestAnAttemptReadWhatItsJobReads(t *testing.T) {
	for told, want := range map[int64]int64{0: 5 << 30, 7: 7} {
		j := own()
		j.InputBytes = 5 << 30
		for _, e := range []job.Event{job.Started{}, job.Ended{Attempt: 1, Succeeded: true, Evidence: failure.Evidence{InputBytes: told}}} {
			j, _, _, _ = job.Step(j, e, start)
		}
		if a, _ := j.Last(); a.Evidence.InputBytes != want {
			t.Errorf("input of an attempt that says %d = %d, want %d", told, a.Evidence.InputBytes, want)
		}
	}
}
