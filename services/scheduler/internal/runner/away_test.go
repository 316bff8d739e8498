package runner_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

func TestTheStoreIsAwayForAWhile(t *testing.T) {
	w := newWorld(t, soon)
	w.submit("etl")
	first := <-w.machine.started
	j := w.until("etl", in(job.Running))
	w.db.set(true, 0)
	w.machine.end(first, failedRun)
	if _, err := w.runner.Submit(t.Context(), submission("other")); !errs.Is(err, errs.Unavailable) {
		t.Errorf("submit while the store is away = %v, want Unavailable", err)
	}
	w.db.set(false, 0)
	w.until("etl", in(job.Classifying))
	w.decide(j, 1, failure.NetworkTransient, nil)
	w.machine.end(<-w.machine.started, succeededRun)
	if done := w.until("etl", in(job.Succeeded)); len(done.Attempts) != 2 {
		t.Errorf("%d attempts, want 2", len(done.Attempts))
	}
	if _, err := w.docs.Job(t.Context(), "other"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a job that was refused = %v, want NotFound", err)
	}
}

// TestAPutThatIsDoneAndDenied: the store may say that it could not although it
// did. Nobody may wait for what has happened.
func TestAPutThatIsDoneAndDenied(t *testing.T) {
	w := newWorld(t, soon)
	w.configs.mu.Lock()
	w.configs.asked = func() { w.db.set(false, 1) } // the next put is RUNNING
	w.configs.mu.Unlock()
	w.submit("etl")
	id := <-w.machine.started
	w.configs.mu.Lock()
	w.configs.asked = nil
	w.configs.mu.Unlock()
	w.db.set(false, 1) // the next put is SUCCEEDED
	w.machine.end(id, succeededRun)
	if j := w.until("etl", in(job.Succeeded)); len(j.Attempts) != 1 || w.machine.runs[id].starts != 1 {
		t.Errorf("%d attempts, want one", len(j.Attempts))
	}
}

func TestAHostThatCannotStartAnythingForAWhile(t *testing.T) {
	w := newWorld(t, runner.Options{})
	w.machine.mu.Lock()
	w.machine.broken = errs.New(errs.Unavailable, "no space left on device")
	w.machine.mu.Unlock()
	w.submit("etl")
	w.until("etl", in(job.Running))
	w.machine.mu.Lock()
	w.machine.broken = nil
	w.machine.mu.Unlock()
	w.machine.end(<-w.machine.started, succeededRun)
	w.until("etl", in(job.Succeeded))
}

func TestRestartInEveryStateThatWaits(t *testing.T) {
	w := newWorld(t, runner.Options{MaxRunning: 1})
	classifying := w.submit("classifying")
	w.machine.end(<-w.machine.started, failedRun)
	w.until("classifying", in(job.Classifying))
	waiting := w.submit("waiting")
	w.machine.end(<-w.machine.started, failedRun)
	w.until("waiting", in(job.Classifying))
	w.decide(waiting, 1, failure.Throttling, func(v *policy.Verdict) { v.RetryAfter = time.Hour })
	w.submit("running")
	running := <-w.machine.started
	w.until("running", in(job.Running))
	w.submit("queued")
	w.stop()

	w.start(runner.Options{MaxRunning: 1})
	w.machine.end(running, succeededRun)
	queued := <-w.machine.started
	if queued.Job != "queued" {
		t.Fatalf("%v started, want the queued job", queued)
	}
	w.machine.end(queued, succeededRun)
	w.decide(classifying, 1, failure.NetworkTransient, nil)
	w.machine.end(<-w.machine.started, succeededRun)
	if _, err := w.runner.Retry(t.Context(), "waiting", job.Unblocked{}, "", nil); err != nil {
		t.Fatal(err)
	}
	w.machine.end(<-w.machine.started, succeededRun)
	for name, attempts := range map[string]int{"classifying": 2, "waiting": 2, "running": 1, "queued": 1} {
		if j := w.until(name, in(job.Succeeded)); len(j.Attempts) != attempts {
			t.Errorf("%s: %d attempts, want %d", name, len(j.Attempts), attempts)
		}
	}
}

// TestTheConfigServiceIsAwayForGood: what never failed runs as it is; what would
// run on the configuration that failed does not run.
func TestTheConfigServiceIsAwayForGood(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*policy.Verdict)
		applied []string // by the first attempt
		want    job.State
	}{
		{"the retry needs no patch", func(*policy.Verdict) {}, nil, job.Running},
		{"the retry needs its patch", func(v *policy.Verdict) {
			v.Class, v.Category, v.Verdict, v.Patch = failure.MemoryContainer, failure.CategoryMemory, failure.RetryWithConfig, "patches/p"
		}, nil, job.Failed},
		{"the attempt before it was patched", func(*policy.Verdict) {}, []string{"patches/old"}, job.Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, runner.Options{ResolveDeadline: time.Nanosecond})
			w.configs.set(runner.Resolution{Applied: tc.applied}, nil)
			j := w.submit("etl")
			w.machine.end(<-w.machine.started, failedRun)
			w.until("etl", in(job.Classifying))
			w.configs.set(runner.Resolution{}, errAway)
			w.decide(j, 1, failure.NetworkTransient, tc.change)
			if after := w.until("etl", func(j job.Job) bool { return !j.PostponedSince.IsZero() }); after.Due.Sub(after.Updated) < time.Second/2 {
				t.Errorf("tried again after %v: that is a hurry", after.Due.Sub(after.Updated))
			}
			w.until("etl", in(tc.want))
		})
	}
}

// TestAConfigurationThatEverFailedIsNoCure: a patch that is gone must not lead
// back to where the first attempt ran out of memory.
func TestAConfigurationThatEverFailedIsNoCure(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  runner.Resolution
		want job.State
	}{
		{"the patch is gone", runner.Resolution{}, job.Failed},
		{"the patch changes nothing", runner.Resolution{Config: configOf(map[string]any{"memory_mb": 128.0}), Applied: []string{"patches/2"}}, job.Failed},
		{"another one took its place", runner.Resolution{Config: configOf(map[string]any{"memory_mb": 512.0}), Applied: []string{"patches/3"}}, job.Running},
		{"the patch applies", runner.Resolution{Config: configOf(map[string]any{"memory_mb": 256.0}), Applied: []string{"patches/2"}}, job.Running},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, runner.Options{})
			j := w.submit("etl")
			for n := 1; n <= 2; n++ {
				w.machine.end(<-w.machine.started, failedRun)
				w.until("etl", in(job.Classifying))
				patch := fmt.Sprintf("patches/%d", n)
				if n == 1 {
					w.configs.set(runner.Resolution{Config: configOf(map[string]any{"memory_mb": 128.0}), Applied: []string{patch}}, nil)
				} else {
					w.configs.set(tc.res, nil)
				}
				w.decide(j, n, failure.MemoryContainer, func(v *policy.Verdict) { v.Patch = patch })
			}
			w.until("etl", in(tc.want))
		})
	}
}
