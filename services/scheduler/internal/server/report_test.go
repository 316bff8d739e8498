package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/server"
)

func attempt(n int) *redrivev1.AttemptRef {
	return &redrivev1.AttemptRef{Source: "airflow", Job: "dag/1", Attempt: int32(n)}
}

func report(n int) *redrivev1.ReportFailureRequest {
	return &redrivev1.ReportFailureRequest{Attempt: attempt(n), Type: jobType}
}

// classify does the classifier's part for an attempt.
func (d *desk) classify(t *testing.T, n int, c failure.Class) {
	t.Helper()
	m, _ := failure.MeaningOf(c)
	_, err := d.runner.Decide(t.Context(), runner.Classified{
		Report:  runner.Report{Ref: failure.AttemptFromProto(attempt(n)), Job: job.Job{Type: failure.TypeFromProto(jobType)}, Told: true},
		Verdict: policy.Verdict{Failure: "failures/f", Class: c, Category: m.Category, Verdict: m.Verdict},
	})
	if err != nil {
		t.Errorf("classify %d: %v", n, err)
	}
}

// report reports a failure that is classified when it is.
func (d *desk) report(t *testing.T, n int, c failure.Class) (*redrivev1.ReportFailureResponse, error) {
	t.Helper()
	changes, end, err := d.runner.Watch(failure.AttemptFromProto(attempt(n)).JobID())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	done := make(chan struct{})
	go func() { defer close(done); <-changes; d.classify(t, n, c) }()
	res, err := d.ReportFailure(t.Context(), report(n))
	<-done
	return res, err
}

func TestReportFailureReturnsTheDecision(t *testing.T) {
	d := newDesk(t)
	first, err := d.report(t, 1, failure.NetworkTransient)
	if err != nil || first.GetDecision().GetAction() != redrivev1.Decision_ACTION_RETRY || first.GetDecision().GetDueTime() == nil {
		t.Fatalf("decision = %v (%v), want a retry", first.GetDecision(), err)
	}
	ref := failure.AttemptFromProto(attempt(1))
	if first.GetJob() != ref.JobName() || first.GetFailure() != "failures/"+ref.FailureID() || first.GetDecision().GetName() != ref.DecisionName() {
		t.Errorf("answer = %v", first)
	}
	again, err := d.ReportFailure(t.Context(), report(1))
	if err != nil || !proto.Equal(again, first) {
		t.Errorf("told again = %v (%v), want the same", again, err)
	}
	if _, err := d.report(t, 2, failure.CodeBug); err != nil {
		t.Fatal(err)
	}
	j, err := d.ReportSuccess(t.Context(), &redrivev1.ReportSuccessRequest{Attempt: attempt(3), Type: jobType})
	if err != nil || j.GetState() != redrivev1.Job_STATE_SUCCEEDED || len(j.GetAttempts()) != 3 || j.GetSource() != "airflow" {
		t.Errorf("success = %v (%v)", j, err)
	}
	if _, err := d.ReportFailure(t.Context(), report(3)); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("the failure of what succeeded = %v, want FailedPrecondition", err)
	}
}

func TestReportFailureAnswersWithoutADecisionWhenTheWaitEnds(t *testing.T) {
	d := newDesk(t)
	changes, end, err := d.runner.Watch(failure.AttemptFromProto(attempt(1)).JobID())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-changes; cancel() }() // the failure is on record, and nobody classifies it
	res, err := d.ReportFailure(ctx, report(1))
	if err != nil || res.GetDecision() != nil || res.GetFailure() == "" {
		t.Errorf("without a classifier: %v (%v), want an answer without a decision", res, err)
	}
}

func TestReportsNameWhatIsWrong(t *testing.T) {
	d := newDesk(t)
	for want, req := range map[string]*redrivev1.ReportFailureRequest{
		"attempt.source attempt.job attempt.attempt": {Type: jobType},
		"attempt.source":                      {Type: jobType, Attempt: &redrivev1.AttemptRef{Source: "redrive", Job: "x", Attempt: 1}},
		"type.workflow type.step type.engine": {Attempt: attempt(1)},
		"evidence.termination_reason":         {Attempt: attempt(1), Type: jobType, Evidence: &redrivev1.Evidence{TerminationReason: -1}},
		"retry_policy.user_retries":           {Attempt: attempt(1), Type: jobType, RetryPolicy: &redrivev1.RetryPolicy{UserRetries: proto.Int32(-1)}},
		"labels":                              {Attempt: attempt(1), Type: jobType, Labels: map[string]string{"": ""}},
	} {
		if _, err := d.ReportFailure(t.Context(), req); fields(err) != want {
			t.Errorf("named are %q (%v), want %q", fields(err), err, want)
		}
	}
	if _, err := d.ReportSuccess(t.Context(), &redrivev1.ReportSuccessRequest{Attempt: attempt(0), Type: jobType}); fields(err) != "attempt.attempt" {
		t.Errorf("success of no attempt = %v", err)
	}
}

func TestDecisions(t *testing.T) {
	d := newDesk(t)
	var name string
	for n, c := range []failure.Class{failure.NetworkTransient, failure.MemoryContainer, failure.Throttling} {
		res, err := d.report(t, n+1, c)
		if err != nil {
			t.Fatal(err)
		}
		name = res.GetJob()
	}
	for n := 1; n <= 3; n++ {
		one := fmt.Sprintf("%s/decisions/%d", name, n)
		kept, err := d.GetDecision(t.Context(), &redrivev1.GetDecisionRequest{Name: one})
		if err != nil || kept.GetName() != one || int(kept.GetAttempt()) != n || kept.GetInputs().GetClassPolicy() == nil {
			t.Fatalf("%s = %v (%v)", one, kept, err)
		}
		replay, err := d.ReplayDecision(t.Context(), &redrivev1.ReplayDecisionRequest{Name: one})
		if err != nil || !replay.GetIdentical() || !proto.Equal(replay.GetDecision(), kept) {
			t.Errorf("replay of %s = %v (%v), want the same", one, replay, err)
		}
	}
	var got []int32
	token := ""
	for pages := 0; pages == 0 || token != ""; pages++ {
		res, err := d.ListDecisions(t.Context(), &redrivev1.ListDecisionsRequest{Parent: name, PageSize: 2, PageToken: token})
		if err != nil || pages > 2 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, x := range res.GetDecisions() {
			got = append(got, x.GetAttempt())
		}
		token = res.GetNextPageToken()
	}
	if fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("attempts %v, want 1 2 3", got)
	}
	if _, err := d.ListDecisions(t.Context(), &redrivev1.ListDecisionsRequest{Parent: name, PageSize: -1}); fields(err) != "page_size" {
		t.Errorf("negative page = %v", err)
	}
	if _, err := d.GetDecision(t.Context(), &redrivev1.GetDecisionRequest{Name: name + "/decisions/4"}); !errs.Is(err, errs.NotFound) {
		t.Errorf("no decision = %v, want NotFound", err)
	}
	for _, bad := range []string{
		"", "jobs/x", "jobs/x/decisions/", "jobs/x/decisions/0", "jobs/x/decisions/01", "jobs/x/decisions/+1", "jobs//decisions/1",
		"x/decisions/1", "jobs/x/decisions/10001", "jobs/a/b/decisions/1", "jobs/x/decisions/1/y",
	} {
		if _, err := d.GetDecision(t.Context(), &redrivev1.GetDecisionRequest{Name: bad}); fields(err) != "name" {
			t.Errorf("GetDecision(%q) = %v, want name named", bad, err)
		}
		if _, err := d.ReplayDecision(t.Context(), &redrivev1.ReplayDecisionRequest{Name: bad}); fields(err) != "name" {
			t.Errorf("ReplayDecision(%q) = %v, want name named", bad, err)
		}
	}
}

func TestWatchJob(t *testing.T) {
	d := newDesk(t)
	conn := dial(t, func(r grpc.ServiceRegistrar) { redrivev1.RegisterSchedulerServiceServer(r, d) })
	client := redrivev1.NewSchedulerServiceClient(conn)
	d.submit(t, "etl")
	watch := func(ctx context.Context, name string) grpc.ServerStreamingClient[redrivev1.WatchJobResponse] {
		t.Helper()
		stream, err := client.WatchJob(ctx, &redrivev1.WatchJobRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	next := func(s grpc.ServerStreamingClient[redrivev1.WatchJobResponse], want redrivev1.Job_State) {
		t.Helper()
		if r, err := s.Recv(); err != nil || r.GetJob().GetState() != want {
			t.Errorf("received %v (%v), want %v", r.GetJob().GetState(), err, want)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	stays, leaves := watch(t.Context(), "jobs/etl"), watch(ctx, "jobs/etl")
	next(stays, redrivev1.Job_STATE_QUEUED)
	next(leaves, redrivev1.Job_STATE_QUEUED)
	leave()
	if _, err := leaves.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after leaving: %v", err)
	}
	if _, err := d.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: "jobs/etl"}); err != nil {
		t.Fatal(err)
	}
	next(stays, redrivev1.Job_STATE_CANCELLED)
	if _, err := stays.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v, want EOF", err)
	}
	late := watch(t.Context(), "jobs/etl")
	next(late, redrivev1.Job_STATE_CANCELLED)
	for name, want := range map[string]codes.Code{"jobs/nobody": codes.NotFound, "etl": codes.InvalidArgument} {
		if _, err := watch(t.Context(), name).Recv(); status.Code(err) != want {
			t.Errorf("watch of %s: %v, want %v", name, err, want)
		}
	}
}

// configs is a config service that doubles memory, or fails as it is told.
type configs struct {
	redrivev1.UnimplementedConfigServiceServer
	err error
}

func (c *configs) Resolve(_ context.Context, r *redrivev1.ResolveRequest) (*redrivev1.ResolveResponse, error) {
	if c.err != nil {
		return nil, c.err
	}
	config := proto.CloneOf(r.GetConfig())
	config.Fields["memory_mb"] = structpb.NewNumberValue(2 * config.GetFields()["memory_mb"].GetNumberValue())
	return &redrivev1.ResolveResponse{
		Config: config, Applied: []string{"patches/p"}, Skipped: []*redrivev1.SkippedPatch{{Patch: "patches/q", Reason: "guard"}},
	}, nil
}

func TestResolver(t *testing.T) {
	c := &configs{}
	conn := dial(t, func(r grpc.ServiceRegistrar) { redrivev1.RegisterConfigServiceServer(r, c) })
	resolver := server.NewResolver(redrivev1.NewConfigServiceClient(conn))
	config, err := job.NewConfig(map[string]any{"memory_mb": 64.0})
	if err != nil {
		t.Fatal(err)
	}
	j := job.Job{ID: "etl", Config: config}
	res, err := resolver.Resolve(t.Context(), j)
	if got, _ := res.Config.Object(); err != nil || got["memory_mb"] != 128.0 || res.Applied[0] != "patches/p" || res.Skipped[0] != (job.Skip{Patch: "patches/q", Reason: "guard"}) {
		t.Errorf("resolved %+v (%v)", res, err)
	}
	for _, want := range []errs.Kind{errs.Invalid, errs.FailedPrecondition, errs.Unavailable} {
		c.err = errs.New(want, "no")
		if _, err := resolver.Resolve(t.Context(), j); !errs.Is(err, want) {
			t.Errorf("error %v, want kind %v", err, want)
		}
	}
}
