package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/server"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// desk is a server whose jobs stay where calls put them: nothing drives them.
type desk struct {
	*server.Server
	runner *runner.Runner
}

func newDesk(t *testing.T) *desk {
	db := storetest.Open(t)
	docs := store.New(db, outbox.New(db, nil, "scheduler", nil, nil))
	run := runner.New(docs, nil, nil, policy.Defaults(), runner.Options{}, slog.New(slog.DiscardHandler), nil)
	return &desk{server.New(run, docs), run}
}

// dial returns a connection to what register registers.
func dial(t *testing.T, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	pipe := bufconn.Listen(1 << 20)
	s := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			res, err := h(ctx, req)
			return res, errs.ToStatus(err)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return errs.ToStatus(h(srv, ss))
		}))
	register(s)
	go s.Serve(pipe) //nolint:errcheck // it ends with Stop
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient("passthrough:pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // the test is over
	return conn
}

// fields returns the violated fields of an Invalid error.
func fields(err error) string {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Kind != errs.Invalid {
		return fmt.Sprintf("kind %d", errs.KindOf(err))
	}
	var all []string
	for _, v := range e.Violations {
		all = append(all, v.Field)
	}
	return strings.Join(all, " ")
}

func object(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var jobType = &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "process"}

func submission(id string) *redrivev1.SubmitJobRequest {
	return &redrivev1.SubmitJobRequest{JobId: id, Job: &redrivev1.Job{Type: jobType, Process: &redrivev1.ProcessTask{Args: []string{"true"}}}}
}

func (d *desk) submit(t *testing.T, id string) *redrivev1.Job {
	t.Helper()
	j, err := d.SubmitJob(t.Context(), submission(id))
	if err != nil {
		t.Fatalf("submit %s: %v", id, err)
	}
	return j
}

func TestSubmitJob(t *testing.T) {
	d := newDesk(t)
	req := submission("etl")
	req.RequestId = "request"
	req.Job.Labels, req.Job.Owner = map[string]string{"team": "x"}, "ops"
	req.Job.Config = object(t, map[string]any{"memory_mb": 64, "password": "hunter2"})
	req.Job.Process = &redrivev1.ProcessTask{Args: []string{"load", "{{config.memory_mb}}"}, Env: map[string]string{"API_TOKEN": "hunter2", "A": "b"}}
	j, err := d.SubmitJob(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if j.GetName() != "jobs/etl" || j.GetSource() != "redrive" || j.GetState() != redrivev1.Job_STATE_QUEUED || j.GetRevision() != 1 ||
		j.GetEtag() == "" || j.GetDueTime() == nil || j.GetCreateTime() == nil || j.GetLabels()["team"] != "x" || j.GetOwner() != "ops" {
		t.Errorf("job = %v", j)
	}
	if strings.Contains(j.String(), "hunter2") || j.GetConfig().GetFields()["memory_mb"].GetNumberValue() != 64 || j.GetProcess().GetEnv()["A"] != "b" {
		t.Errorf("answer = %v, want it without its secrets alone", j)
	}
	again, err := d.SubmitJob(t.Context(), req)
	if err != nil || !proto.Equal(again, j) {
		t.Errorf("the same request = %v (%v), want the first job", again, err)
	}
	if _, err := d.SubmitJob(t.Context(), submission("etl")); !errs.Is(err, errs.AlreadyExists) {
		t.Errorf("a taken id = %v, want AlreadyExists", err)
	}
	made, err := d.SubmitJob(t.Context(), submission(""))
	if err != nil || !strings.HasPrefix(made.GetName(), "jobs/j-") {
		t.Errorf("a job without an id is called %q (%v)", made.GetName(), err)
	}
	check := submission("checked")
	check.ValidateOnly = true
	if j, err := d.SubmitJob(t.Context(), check); err != nil || j.GetName() != "jobs/checked" {
		t.Errorf("validate_only = %v (%v)", j, err)
	}
	if _, err := d.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/checked"}); !errs.Is(err, errs.NotFound) {
		t.Errorf("a job that was only checked = %v, want NotFound", err)
	}
}

func TestSubmitJobNamesWhatIsWrong(t *testing.T) {
	d := newDesk(t)
	for _, tc := range []struct {
		field  string
		change func(*redrivev1.SubmitJobRequest)
	}{
		{"job", func(r *redrivev1.SubmitJobRequest) { r.Job = nil }},
		{"job_id", func(r *redrivev1.SubmitJobRequest) { r.JobId = "Etl" }},
		{"request_id", func(r *redrivev1.SubmitJobRequest) { r.RequestId = strings.Repeat("x", 129) }},
		{"job.name", func(r *redrivev1.SubmitJobRequest) { r.Job.Name = "jobs/x" }},
		{"job.source", func(r *redrivev1.SubmitJobRequest) { r.Job.Source = "x" }},
		{"job.state", func(r *redrivev1.SubmitJobRequest) { r.Job.State = redrivev1.Job_STATE_FAILED }},
		{"job.due_time", func(r *redrivev1.SubmitJobRequest) { r.Job.DueTime = timestamppb.Now() }},
		{"job.attempts", func(r *redrivev1.SubmitJobRequest) { r.Job.Attempts = []*redrivev1.Attempt{{}} }},
		{"job.state_reason", func(r *redrivev1.SubmitJobRequest) { r.Job.StateReason = "x" }},
		{"job.create_time", func(r *redrivev1.SubmitJobRequest) { r.Job.CreateTime = timestamppb.Now() }},
		{"job.update_time", func(r *redrivev1.SubmitJobRequest) { r.Job.UpdateTime = timestamppb.Now() }},
		{"job.end_time", func(r *redrivev1.SubmitJobRequest) { r.Job.EndTime = timestamppb.Now() }},
		{"job.revision", func(r *redrivev1.SubmitJobRequest) { r.Job.Revision = 1 }},
		{"job.etag", func(r *redrivev1.SubmitJobRequest) { r.Job.Etag = "1" }},
		{"job.cancel_requested", func(r *redrivev1.SubmitJobRequest) { r.Job.CancelRequested = true }},
		{"job.type.workflow job.type.step job.type.engine", func(r *redrivev1.SubmitJobRequest) { r.Job.Type = nil }},
		{"job.type.engine", func(r *redrivev1.SubmitJobRequest) {
			r.Job.Type = &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "abacus"}
		}},
		{"job.process", func(r *redrivev1.SubmitJobRequest) { r.Job.Process = nil }},
		{"job.process.args", func(r *redrivev1.SubmitJobRequest) { r.Job.Process.Args = nil }},
		{"job.config", func(r *redrivev1.SubmitJobRequest) {
			r.Job.Config = &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewNumberValue(math.Inf(1))}}
		}},
		{"job.config.memory_mb", func(r *redrivev1.SubmitJobRequest) {
			r.Job.Config = &structpb.Struct{Fields: map[string]*structpb.Value{"memory_mb": structpb.NewStringValue("much")}}
		}},
		{"job.labels", func(r *redrivev1.SubmitJobRequest) { r.Job.Labels = map[string]string{"": "x"} }},
		{"job.owner", func(r *redrivev1.SubmitJobRequest) { r.Job.Owner = strings.Repeat("x", 129) }},
		{"job.retry_policy.system_retries", func(r *redrivev1.SubmitJobRequest) {
			r.Job.RetryPolicy = &redrivev1.RetryPolicy{SystemRetries: proto.Int32(100)}
		}},
		{"job.retry_policy.run_timeout", func(r *redrivev1.SubmitJobRequest) {
			r.Job.RetryPolicy = &redrivev1.RetryPolicy{RunTimeout: durationpb.New(-time.Second)}
		}},
	} {
		req := submission("etl")
		tc.change(req)
		if _, err := d.SubmitJob(t.Context(), req); fields(err) != tc.field {
			t.Errorf("%s: named are %q (%v)", tc.field, fields(err), err)
		}
	}
}

func TestNamesOfJobs(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"", "jobs/", "etl", "jobs/a/b", "failures/a", "jobs/" + strings.Repeat("x", 129)} {
		for rpc, call := range map[string]func() error{
			"GetJob":    func() error { _, err := d.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: name}); return err },
			"CancelJob": func() error { _, err := d.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: name}); return err },
			"RetryJob":  func() error { _, err := d.RetryJob(t.Context(), &redrivev1.RetryJobRequest{Name: name}); return err },
		} {
			if got := fields(call()); got != "name" {
				t.Errorf("%s(%q) names %q, want name", rpc, name, got)
			}
		}
		if _, err := d.ListDecisions(t.Context(), &redrivev1.ListDecisionsRequest{Parent: name}); fields(err) != "parent" {
			t.Errorf("ListDecisions(%q) = %v, want parent named", name, err)
		}
	}
	for rpc, call := range map[string]func() error{
		"GetJob": func() error { _, err := d.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/x"}); return err },
		"CancelJob": func() error {
			_, err := d.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: "jobs/x"})
			return err
		},
		"RetryJob": func() error {
			_, err := d.RetryJob(t.Context(), &redrivev1.RetryJobRequest{Name: "jobs/x"})
			return err
		},
	} {
		if err := call(); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s of an unknown job = %v, want NotFound", rpc, err)
		}
	}
}

func TestListJobs(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"a", "b", "c"} {
		d.submit(t, id)
	}
	if _, err := d.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: "jobs/b"}); err != nil {
		t.Fatal(err)
	}
	list := func(req *redrivev1.ListJobsRequest) (names, token string, err error) {
		res, err := d.ListJobs(t.Context(), req)
		var all []string
		for _, j := range res.GetJobs() {
			all = append(all, j.GetName())
		}
		return strings.Join(all, " "), res.GetNextPageToken(), err
	}
	first, token, err := list(&redrivev1.ListJobsRequest{PageSize: 2})
	if err != nil || first != "jobs/c jobs/b" || token == "" {
		t.Fatalf("first page %q, token %q (%v)", first, token, err)
	}
	if rest, end, err := list(&redrivev1.ListJobsRequest{PageSize: 2, PageToken: token}); err != nil || rest != "jobs/a" || end != "" {
		t.Errorf("second page %q, token %q (%v)", rest, end, err)
	}
	if got, _, err := list(&redrivev1.ListJobsRequest{State: redrivev1.Job_STATE_CANCELLED}); err != nil || got != "jobs/b" {
		t.Errorf("cancelled are %q (%v)", got, err)
	}
	if got, _, err := list(&redrivev1.ListJobsRequest{Workflow: "w", State: redrivev1.Job_STATE_QUEUED}); err != nil || got != "jobs/c jobs/a" {
		t.Errorf("queued of the workflow are %q (%v)", got, err)
	}
	for want, req := range map[string]*redrivev1.ListJobsRequest{
		"page_size": {PageSize: -1}, "state": {State: 99}, "page_token": {PageToken: token, Workflow: "other"},
	} {
		if _, _, err := list(req); fields(err) != want {
			t.Errorf("%v = %v, want %s named", req, err, want)
		}
	}
}

func TestCancelAndRetry(t *testing.T) {
	d := newDesk(t)
	j := d.submit(t, "etl")
	if _, err := d.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: "jobs/etl", Etag: "0"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("cancel with an old etag = %v, want Conflict", err)
	}
	if _, err := d.RetryJob(t.Context(), &redrivev1.RetryJobRequest{Name: "jobs/etl"}); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("retry of a queued job = %v, want FailedPrecondition", err)
	}
	reason := "password=hunter2hunter2 " + strings.Repeat("ü", 600)
	done, err := d.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: "jobs/etl", Etag: j.GetEtag(), Reason: reason})
	if err != nil || done.GetState() != redrivev1.Job_STATE_CANCELLED || done.GetEndTime() == nil {
		t.Fatalf("cancel = %v (%v)", done, err)
	}
	if got := done.GetStateReason(); strings.Contains(got, "hunter2") || len([]rune(got)) > 600 {
		t.Errorf("reason %q, want it short and without secrets", got)
	}
	if _, err := d.RetryJob(t.Context(), &redrivev1.RetryJobRequest{Name: "jobs/etl", Process: &redrivev1.ProcessTask{}}); fields(err) != "process.args" {
		t.Errorf("retry with an empty task = %v, want process.args named", err)
	}
}

func TestRetryOfAJobOfAnotherScheduler(t *testing.T) {
	d := newDesk(t)
	res, err := d.report(t, 1, failure.CodeBug)
	if err != nil {
		t.Fatal(err)
	}
	req := &redrivev1.RetryJobRequest{Name: res.GetJob(), Process: &redrivev1.ProcessTask{Args: []string{"x"}}}
	if _, err := d.RetryJob(t.Context(), req); fields(err) != "process" {
		t.Errorf("retry with a task = %v, want process named", err)
	}
	req.Process = nil
	if j, err := d.RetryJob(t.Context(), req); err != nil || j.GetState() != redrivev1.Job_STATE_WAITING {
		t.Errorf("retry = %v (%v), want it WAITING", j.GetState(), err)
	}
}
