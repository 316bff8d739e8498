package spark_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/spark"
)

// The test binary is also the supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		os.Exit(process.Supervise(os.Args[2:]))
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// host is an executor with a Spark that stands in for the real one.
type host struct {
	*process.Executor
	t    *testing.T
	task job.Task
	id   process.ID
}

func newHost(t *testing.T, fake string) *host {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := process.New(process.Options{Root: t.TempDir(), Supervisor: []string{self, "supervise"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	submit, err := os.ReadFile("testdata/spark-submit")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "bin", "spark-submit"), string(submit), 0o700)
	log, err := filepath.Abs("testdata/executor-heap.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Executor: e, t: t, id: process.ID{Job: "etl", Attempt: 1}, task: job.Task{
		Args: []string{"--day", "today"}, Env: map[string]string{"FAKE": fake, "LOG": log, "PATH": os.Getenv("PATH")},
		Spark: &job.Spark{Application: "/srv/etl.py", Home: home},
	}}
	t.Cleanup(func() {
		running, err := e.Running(context.Background())
		if err != nil || len(running) > 0 {
			t.Errorf("%v still run, %v", running, err)
		}
	})
	return h
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (h *host) start(config map[string]any) {
	h.t.Helper()
	s, err := spark.Submit(h.task, config, h.Folder(h.id), "")
	if err != nil {
		h.t.Fatal(err)
	}
	spec := process.Spec{Args: s.Args, Files: s.Files, Folders: s.Folders}
	for k, v := range s.Env {
		spec.Env = append(spec.Env, k+"="+v)
	}
	if err := h.Start(h.t.Context(), h.id, spec); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) wait() process.Result {
	h.t.Helper()
	r, err := h.Wait(h.t.Context(), h.id)
	if err != nil {
		h.t.Fatal(err)
	}
	return spark.Complete(r, h.task, h.Folder(h.id), "")
}

func logs(r process.Result) map[string]string {
	all := map[string]string{}
	for _, l := range r.Evidence.Logs {
		all[l.Source] = l.Head + l.Tail
	}
	return all
}

func TestAFailureHasWhatSparkLeftBehind(t *testing.T) {
	h := newHost(t, "fail")
	worker := t.TempDir()
	h.task.Env["SPARK_WORKER_DIR"] = worker
	write(t, filepath.Join(worker, "app-20261121134045-0004", "0", "stderr"), "ERROR Executor: Exception in task 0.0\n", 0o600)
	write(t, filepath.Join(worker, "app-20261121134045-0004", "7", "stderr"), "of no interest\n", 0o600)
	h.start(map[string]any{"spark.executor.memory": "512m", "spark.db.password": "hunter2"})
	r := h.wait()
	if e := r.Evidence; r.Succeeded || e.Reason != failure.Exited || *e.ExitCode != 1 || e.PartPeaks["executor.heap"] != 263722800 || e.PartPeaks["driver.heap"] == 0 {
		t.Errorf("evidence is %+v", e)
	}
	all := logs(r)
	if len(all) != 4 || !strings.Contains(all["events"], "Command exited with code 52") || all["executor-0"] != "ERROR Executor: Exception in task 0.0\n" {
		t.Errorf("logs are %q", all)
	}
	if !strings.Contains(all["stderr"], "--conf spark.executor.memory=512m") || strings.Contains(all["stderr"], "hunter2") || all["stdout"] != "spark.db.password=hunter2\n" {
		t.Errorf("it ran with %q and the file %q", all["stderr"], all["stdout"])
	}
	if again := h.wait(); len(again.Evidence.Logs) != 4 {
		t.Errorf("told again it has %d logs", len(again.Evidence.Logs))
	}
}

func TestASuccessHasItsPeaks(t *testing.T) {
	h := newHost(t, "succeed")
	h.start(nil)
	if r := h.wait(); !r.Succeeded || len(r.Evidence.Logs) != 2 || r.Evidence.PartPeaks["executor.heap"] != 263722800 {
		t.Errorf("result is %+v", r)
	}
}

func TestAKilledDriverLeavesHalfAnEventLog(t *testing.T) {
	h := newHost(t, "hang")
	h.task.Env["MAILBOX"] = filepath.Join(t.TempDir(), "mailbox")
	if err := syscall.Mkfifo(h.task.Env["MAILBOX"], 0o600); err != nil {
		t.Fatal(err)
	}
	h.start(nil)
	if text, err := os.ReadFile(h.task.Env["MAILBOX"]); string(text) != "started\n" {
		t.Fatalf("it said %q, %v", text, err)
	}
	if err := h.Kill(t.Context(), h.id, failure.TimedOut); err != nil {
		t.Fatal(err)
	}
	if r := h.wait(); r.Evidence.Reason != failure.TimedOut || !strings.Contains(logs(r)["events"], "Lost executor 0") {
		t.Errorf("result is %+v", r)
	}
}

func TestWithoutAnEventLogTheEvidenceStaysAsItIs(t *testing.T) {
	h := newHost(t, "nothing")
	h.start(map[string]any{"spark.eventLog.enabled": false})
	if r := h.wait(); !r.Succeeded || len(r.Evidence.Logs) != 2 || r.Evidence.PartPeaks != nil {
		t.Errorf("result is %+v", r)
	}
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "eventlog"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(folder, "eventlog", "app")); err != nil {
		t.Fatal(err)
	}
	if r := spark.Complete(process.Result{}, h.task, folder, ""); len(r.Evidence.Logs) != 0 {
		t.Errorf("a link was followed: %+v", r)
	}
}

func TestExecutorsThatCouldBePathsAreNotRead(t *testing.T) {
	folder, worker := t.TempDir(), t.TempDir()
	write(t, filepath.Join(worker, "stderr"), "a secret", 0o600)
	write(t, filepath.Join(worker, "app-20261121134045-0004", "stderr"), "a secret", 0o600)
	for name, text := range map[string]string{
		"an executor": `{"Event":"SparkListenerApplicationStart","App ID":"app-20261121134045-0004"}
{"Event":"SparkListenerExecutorRemoved","Executor ID":"..","Removed Reason":"x"}
{"Event":"SparkListenerExecutorRemoved","Executor ID":".","Removed Reason":"x"}`,
		"an application": `{"Event":"SparkListenerApplicationStart","App ID":".."}
{"Event":"SparkListenerExecutorRemoved","Executor ID":"0","Removed Reason":"x"}`,
	} {
		write(t, filepath.Join(folder, "eventlog", "log"), text, 0o600)
		task := job.Task{Env: map[string]string{"SPARK_WORKER_DIR": worker}, Spark: &job.Spark{Home: "/opt/spark"}}
		if r := spark.Complete(process.Result{}, task, folder, ""); len(r.Evidence.Logs) != 1 || r.Evidence.Logs[0].Source != "events" {
			t.Errorf("%s: logs are %+v, want the events alone", name, r.Evidence.Logs)
		}
	}
}
