package loop

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/story"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// rig is a running system and its clients.
type rig struct {
	t          testing.TB
	data       string
	sys        *system.System
	scheduler  redrivev1.SchedulerServiceClient
	classifier redrivev1.ClassifierServiceClient
	config     redrivev1.ConfigServiceClient
	notifier   redrivev1.NotifierServiceClient
}

// noDelays makes every retry due at once.
const noDelays = "classes: {\"*\": {base_delay: 0s}}\n"

// launch starts a system on a data folder; it is stopped when the test ends.
func launch(t testing.TB, data string) *rig {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "retries.yaml")
	if err := os.WriteFile(policy, []byte(noDelays), 0o600); err != nil {
		t.Fatal(err)
	}
	sys, err := system.Start(t.Context(), system.Options{
		Data: home.Folder(data), Supervisor: []string{os.Args[0], "supervise"}, RetryPolicy: policy, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	r := &rig{t: t, data: data, sys: sys}
	r.dial(sys.Conn())
	t.Cleanup(r.stop)
	return r
}

func (r *rig) dial(conn grpc.ClientConnInterface) {
	r.scheduler = redrivev1.NewSchedulerServiceClient(conn)
	r.classifier = redrivev1.NewClassifierServiceClient(conn)
	r.config = redrivev1.NewConfigServiceClient(conn)
	r.notifier = redrivev1.NewNotifierServiceClient(conn)
}

// stop stops the system in order; a second call does nothing.
func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.sys.Stop(ctx); err != nil {
		r.t.Errorf("stop: %v", err)
	}
}

// jobOf describes a job that runs a task of this test binary.
func jobOf(step string, config map[string]any, args ...string) *redrivev1.Job {
	c, err := structpb.NewStruct(config)
	if err != nil {
		panic(err)
	}
	return &redrivev1.Job{
		Type: &redrivev1.JobType{Workflow: "loop", Step: step, Engine: "process"}, Config: c, Owner: "tests",
		Process: &redrivev1.ProcessTask{Args: append([]string{os.Args[0], "task"}, args...)},
	}
}

func (r *rig) submit(id string, j *redrivev1.Job) {
	r.t.Helper()
	if _, err := r.scheduler.SubmitJob(r.t.Context(), &redrivev1.SubmitJobRequest{JobId: id, RequestId: id, Job: j}); err != nil {
		r.t.Fatalf("submit %s: %v", id, err)
	}
}

// await returns the job once it has ended.
func (r *rig) await(id string) *redrivev1.Job {
	r.t.Helper()
	j, err := story.Follow(r.t.Context(), r.scheduler, "jobs/"+id, func(*redrivev1.Job) {}, nil)
	if err != nil {
		r.t.Fatalf("job %s: %v", id, err)
	}
	return j
}

// failures returns the classes of the failures of a job's attempts.
func (r *rig) failures(j *redrivev1.Job) []*redrivev1.Failure {
	r.t.Helper()
	var all []*redrivev1.Failure
	for _, a := range j.GetAttempts() {
		if a.GetFailure() == "" {
			continue
		}
		f, err := r.classifier.GetFailure(r.t.Context(), &redrivev1.GetFailureRequest{Name: a.GetFailure()})
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// decisions returns the decisions on a job's attempts.
func (r *rig) decisions(name string) []*redrivev1.Decision {
	r.t.Helper()
	res, err := r.scheduler.ListDecisions(r.t.Context(), &redrivev1.ListDecisionsRequest{Parent: name})
	if err != nil {
		r.t.Fatal(err)
	}
	return res.GetDecisions()
}
