package command_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// desk accepts jobs and shows what a test says becomes of them.
type desk struct {
	*books
	submitted []*redrivev1.SubmitJobRequest
	lose      int // answers to lose
	states    []*redrivev1.Job
	breakAt   int // the connection breaks once before this state
	broken    bool
}

func (d *desk) SubmitJob(_ context.Context, r *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
	d.submitted = append(d.submitted, r)
	if d.lose > 0 {
		d.lose--
		return nil, errs.New(errs.Unavailable, "the answer is lost")
	}
	job := proto.CloneOf(r.GetJob())
	job.Name = "jobs/etl"
	return job, nil
}

func (d *desk) WatchJob(_ *redrivev1.WatchJobRequest, s grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
	for i, j := range d.states {
		if i == d.breakAt && i > 0 && !d.broken {
			d.broken = true
			return errs.Again(time.Millisecond, "the server is stopping")
		}
		if err := s.Send(&redrivev1.WatchJobResponse{Job: j}); err != nil {
			return err
		}
	}
	return nil
}

func TestSubmitOfACommand(t *testing.T) {
	d := &desk{books: &books{}, lose: 1}
	dir := start(t, services{scheduler: d})
	here := t.TempDir()
	t.Chdir(here)
	r := run(t, "", "--data", dir, "submit", "--workflow", "sales", "--step", "load", "--memory", "1.5GiB", "--cores", "2",
		"--config", "mode=fast", "--config", "limits={\"rows\":3}", "--env", "A=b=c", "--label", "team=x", "--owner", "me",
		"--run-timeout", "10m", "--input-bytes", "1.5GiB", "--id", "etl", "--", "python3", "load.py", "--fast")
	r.check(t, command.ExitOK, []string{"jobs/etl\n"}, []string{"redrive jobs get jobs/etl"})
	if len(d.submitted) != 2 || d.submitted[0].GetRequestId() == "" || d.submitted[0].GetRequestId() != d.submitted[1].GetRequestId() {
		t.Fatalf("%d calls with request ids %q, want the same one twice", len(d.submitted), d.submitted[0].GetRequestId())
	}
	want := &redrivev1.Job{
		Type:        &redrivev1.JobType{Workflow: "sales", Step: "load", Engine: "process"},
		Process:     &redrivev1.ProcessTask{Args: []string{"python3", "load.py", "--fast"}, WorkDir: here, Env: map[string]string{"A": "b=c"}},
		Config:      structOf(t, map[string]any{"memory_mb": 1536, "cores": 2, "mode": "fast", "limits": map[string]any{"rows": 3}}),
		RetryPolicy: &redrivev1.RetryPolicy{RunTimeout: durationpb.New(10 * time.Minute)},
		Labels:      map[string]string{"team": "x"}, Owner: "me", InputBytes: 3 << 29,
	}
	if got := d.submitted[0]; !proto.Equal(got.GetJob(), want) || got.GetJobId() != "etl" {
		t.Errorf("submitted %v\nwant %v", got, want)
	}
}

func TestSubmitOfASparkApplication(t *testing.T) {
	d := &desk{books: &books{}}
	dir := start(t, services{scheduler: d})
	here := t.TempDir()
	for name, tc := range map[string]struct{ spark, wantApplication, wantDir string }{
		"beside the file":       {"{application: etl.py}", filepath.Join(here, "etl.py"), ""},
		"in a working folder":   {"{application: etl.py, work_dir: jobs}", "etl.py", filepath.Join(here, "jobs")},
		"somewhere on the web":  {"{application: 's3a://jobs/etl.py'}", "s3a://jobs/etl.py", ""},
		"looked up":             {"{application: '{{config.app}}'}", "{{config.app}}", ""},
		"with an absolute path": {"{application: /srv/etl.py}", "/srv/etl.py", ""},
	} {
		file := filepath.Join(here, "job.yaml")
		text := "type: {workflow: sales, step: load, engine: spark}\nspark: " + tc.spark + "\nconfig: {spark.executor.memory: 2g}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "", "--data", dir, "submit", "--env", "A=b", file).check(t, command.ExitOK, []string{"jobs/etl\n"}, nil)
		got := d.submitted[len(d.submitted)-1].GetJob()
		want := &redrivev1.SparkTask{Application: tc.wantApplication, WorkDir: tc.wantDir, Env: map[string]string{"A": "b"}}
		if !proto.Equal(got.GetSpark(), want) || got.GetProcess() != nil {
			t.Errorf("%s: submitted %v, want %v", name, got, want)
		}
	}
}

func TestSubmitOfAFile(t *testing.T) {
	const doc = "type: {workflow: sales, step: load, engine: jvm}\n" +
		"process: {args: [java, '-Xmx{{config.heap_mb}}m', Main], work_dir: app}\n" +
		"config:\n  heap_mb: 64\nretry_policy: {user_retries: 0, run_timeout: 90s}\n"
	folder := t.TempDir()
	file := filepath.Join(folder, "job.yaml")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &desk{books: &books{}}
	dir := start(t, services{scheduler: d})
	run(t, "", "--data", dir, "submit", file, "--owner", "me", "--memory", "256MiB").check(t, command.ExitOK, []string{"jobs/etl"}, nil)
	want := &redrivev1.Job{
		Type:        &redrivev1.JobType{Workflow: "sales", Step: "load", Engine: "jvm"},
		Process:     &redrivev1.ProcessTask{Args: []string{"java", "-Xmx{{config.heap_mb}}m", "Main"}, WorkDir: filepath.Join(folder, "app")},
		Config:      structOf(t, map[string]any{"heap_mb": 64, "memory_mb": 256}),
		RetryPolicy: &redrivev1.RetryPolicy{UserRetries: new(int32(0)), RunTimeout: durationpb.New(90 * time.Second)},
		Owner:       "me",
	}
	if got := d.submitted[0].GetJob(); !proto.Equal(got, want) {
		t.Errorf("submitted %v\nwant %v", got, want)
	}
	run(t, `{"type":{"workflow":"w"}}`, "--data", dir, "submit", "-", "--dry-run").check(t, command.ExitOK, nil, []string{"It is in order; nothing was stored."})
	if got := d.submitted[1]; !got.GetValidateOnly() || got.GetJob().GetType().GetWorkflow() != "w" {
		t.Errorf("submitted %v, want a check only", got)
	}
	run(t, "a: 1\n---\nb: 2\n", "--data", dir, "submit", "-").check(t, command.ExitUsage, nil, []string{"more than one document"})
	run(t, "", "--data", dir, "submit", "-").check(t, command.ExitUsage, nil, []string{"the file is empty"})
	for in, want := range map[string]string{
		"labels: {a: b}\nretry_policy: {user_retries: 2, min_backoff: 30}":              "-: retry_policy.min_backoff: 30 is not a value that this field takes; durations have units, such as 30s",
		"labels: {a: b, c: d}\nprocess: {args: [x, y], env: {a: b}}\nretry_policy: [x]": "-: retry_policy: a list is not a value",
		"type: x":                            `-: type: "x" is not a value`,
		"[1, 2]":                             "-: this is not a list of fields and their values",
		"retry_policy: {user_retries: many}": "userRetries",
	} {
		run(t, in, "--data", dir, "submit", "-").check(t, command.ExitUsage, nil, []string{want})
	}
}

// story is a job that failed once and then ended in state.
func storyOf(t *testing.T, b *books, state redrivev1.Job_State) []*redrivev1.Job {
	t.Helper()
	var all []*redrivev1.Job
	step := func(change func(j *redrivev1.Job)) {
		j := &redrivev1.Job{Name: "jobs/etl", CreateTime: ago(9 * time.Second)}
		if len(all) > 0 {
			j = proto.CloneOf(all[len(all)-1])
		}
		change(j)
		all = append(all, j)
	}
	step(func(j *redrivev1.Job) { j.State = redrivev1.Job_STATE_QUEUED })
	step(func(j *redrivev1.Job) {
		j.State = redrivev1.Job_STATE_RUNNING
		j.Attempts = append(j.Attempts, &redrivev1.Attempt{Number: 1, Config: b.failure.GetConfig(), StartTime: ago(8 * time.Second)})
	})
	step(func(j *redrivev1.Job) {
		j.State = redrivev1.Job_STATE_CLASSIFYING
		j.Attempts[0].EndTime, j.Attempts[0].Evidence = ago(6*time.Second), b.failure.GetEvidence()
		j.Attempts[0].Failure = "failures/f1"
	})
	step(func(j *redrivev1.Job) {
		j.State, j.DueTime = redrivev1.Job_STATE_WAITING, ago(5*time.Second)
		j.Attempts[0].Decision = "jobs/etl/decisions/1"
	})
	step(func(j *redrivev1.Job) {
		j.State, j.DueTime = redrivev1.Job_STATE_RUNNING, nil
		j.Attempts = append(j.Attempts, &redrivev1.Attempt{Number: 2, Config: structOf(t, map[string]any{"memory_mb": 256}), StartTime: ago(5 * time.Second)})
	})
	step(func(j *redrivev1.Job) {
		j.State, j.EndTime, j.StateReason = state, ago(time.Second), "because"
		j.Attempts[1].EndTime, j.Attempts[1].Succeeded = ago(time.Second), state == redrivev1.Job_STATE_SUCCEEDED
	})
	return all
}

func TestSubmitWaitTellsWhatHappensAndHowItEnded(t *testing.T) {
	b := memoryBooks(t)
	want := []string{
		"jobs/etl  default/python3 (process)\n",
		"attempt 1  starts with memory_mb=128\n",
		"attempt 1  fails after 2.1 s: killed at its memory limit of 128 MiB, peak memory 127 MiB\n",
		"           memory.container: killed at the memory limit (rules/memory-limit)\n",
		"           256 MiB costs least\n",
		"           retry 1 of 3 after memory.container, with the configuration of patches/p1, at once\n",
		"attempt 2  starts with memory_mb 128 → 256\n",
	}
	for _, tc := range []struct {
		name    string
		state   redrivev1.Job_State
		breakAt int
		status  int
		want    []string
	}{
		{"it succeeds", redrivev1.Job_STATE_SUCCEEDED, 0, command.ExitOK, []string{"attempt 2  succeeds after 4 s\n", "jobs/etl SUCCEEDED after 2 attempts and 8 s\n"}},
		{"the server goes away for a moment", redrivev1.Job_STATE_SUCCEEDED, 3, command.ExitOK, []string{"the server is away", "jobs/etl SUCCEEDED"}},
		{"it fails", redrivev1.Job_STATE_FAILED, 0, command.ExitNegative, []string{"jobs/etl FAILED after 2 attempts and 8 s: because\n", "redrive explain jobs/etl"}},
		{"it is cancelled", redrivev1.Job_STATE_CANCELLED, 0, command.ExitNegative, []string{"jobs/etl CANCELLED"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &desk{books: b, states: storyOf(t, b, tc.state), breakAt: tc.breakAt}
			dir := start(t, services{scheduler: d, classifier: b})
			r := run(t, "", "--data", dir, "submit", "--wait", "--", "python3")
			r.check(t, tc.status, []string{"jobs/etl " + tc.state.String()[len("STATE_"):] + "\n"}, append(want, tc.want...))
			if advised := strings.Contains(r.stderr, "redrive retry jobs/etl"); advised != (tc.state == redrivev1.Job_STATE_FAILED) {
				t.Errorf("a retry is advised: %v, for a job that is %v", advised, tc.state)
			}
		})
	}
	d := &desk{books: b, states: storyOf(t, b, redrivev1.Job_STATE_SUCCEEDED)}
	dir := start(t, services{scheduler: d, classifier: b})
	r := run(t, "", "--data", dir, "submit", "--wait", "-o", "json", "--", "python3")
	var doc struct{ State string }
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.State != "STATE_SUCCEEDED" {
		t.Errorf("JSON (%v): %s", err, r.stdout)
	}
}
