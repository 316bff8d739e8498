package runner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

func sparkSubmission(id string) runner.Submission {
	config := configOf(map[string]any{"spark.executor.memory": "1g", "day": "monday"})
	return runner.Submission{JobID: id, Job: job.Job{
		Type: failure.Type{Workflow: "w", Step: "s", Engine: engine.Spark}, Config: config,
		Task: &job.Task{Args: []string{"{{config.day}}"}, Spark: &job.Spark{Application: "/srv/etl.py", Home: "/opt/spark"}},
	}}
}

func TestASparkApplicationRunsWithItsPatch(t *testing.T) {
	w := newWorld(t, runner.Options{})
	s := sparkSubmission("etl")
	w.configs.set(runner.Resolution{Config: s.Job.Config}, nil)
	j, err := w.runner.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	first := <-w.machine.started
	got := w.machine.spec(first)
	if got.Args[0] != "/opt/spark/bin/spark-submit" || !slices.Contains(got.Args, "spark.executor.memory=1g") || !slices.Equal(got.Args[len(got.Args)-2:], []string{"/srv/etl.py", "monday"}) {
		t.Errorf("first attempt runs %q", got.Args)
	}
	if !slices.Contains(got.Args, "spark.eventLog.dir=file:///nonexistent/etl/eventlog") || !slices.Equal(got.Folders, []string{"eventlog"}) || got.MemoryLimit != 0 {
		t.Errorf("first attempt runs %q with the folders %q", got.Args, got.Folders)
	}
	if !slices.Contains(got.Env, "SPARK_HOME=/opt/spark") {
		t.Errorf("its environment is %q", got.Env)
	}
	w.machine.end(first, failedRun)
	w.until("etl", in(job.Classifying))
	w.configs.set(runner.Resolution{Config: configOf(map[string]any{"spark.executor.memory": "2g", "day": "monday"}), Applied: []string{"patches/p"}}, nil)
	w.decide(j, 1, failure.MemoryExecutor, func(v *policy.Verdict) { v.Patch = "patches/p" })
	second := <-w.machine.started
	if got := w.machine.spec(second); !slices.Contains(got.Args, "spark.executor.memory=2g") {
		t.Errorf("second attempt runs %q, want the patched configuration", got.Args)
	}
	w.machine.end(second, process.Result{Succeeded: true})
	w.until("etl", in(job.Succeeded))
}

// A Spark that is not found any more must not end an attempt that runs.
func TestAnAttemptThatRunsIsNotTakenForOneThatCannotStart(t *testing.T) {
	t.Setenv("SPARK_HOME", "/opt/spark")
	w := newWorld(t, runner.Options{})
	s := sparkSubmission("etl")
	s.Job.Task.Spark.Home = ""
	w.configs.set(runner.Resolution{Config: s.Job.Config}, nil)
	if _, err := w.runner.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	id := <-w.machine.started
	w.until("etl", in(job.Running))
	w.stop()
	t.Setenv("SPARK_HOME", "")
	w.start(runner.Options{})
	w.machine.end(id, process.Result{Succeeded: true})
	if j := w.until("etl", func(j job.Job) bool { return j.State.Ended() || j.State == job.Classifying }); j.State != job.Succeeded {
		t.Errorf("the job is %v: %s", j.State, j.Reason)
	}
	other := sparkSubmission("other")
	other.Job.Task.Spark.Home = ""
	if _, err := w.runner.Submit(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if j := w.until("other", in(job.Classifying)); j.Attempts[0].Evidence.Reason != failure.NotStarted {
		t.Errorf("without Spark it ended %v, want NOT_STARTED", j.Attempts[0].Evidence.Reason)
	}
}

func TestASparkApplicationNeedsItsEngine(t *testing.T) {
	w := newWorld(t, runner.Options{})
	s := sparkSubmission("etl")
	s.Job.Type.Engine = engine.JVM
	if _, err := w.runner.Submit(t.Context(), s); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "job.type.engine") {
		t.Errorf("Submit = %v, want Invalid that names the engine", err)
	}
}
