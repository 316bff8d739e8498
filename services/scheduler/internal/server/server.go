// Package server translates the calls of SchedulerService.
package server

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

// Server implements redrivev1.SchedulerServiceServer.
type Server struct {
	redrivev1.UnimplementedSchedulerServiceServer
	runner *runner.Runner
	store  *store.Store
}

var _ redrivev1.SchedulerServiceServer = (*Server)(nil)

// New returns a server.
func New(r *runner.Runner, s *store.Store) *Server { return &Server{runner: r, store: s} }

// SubmitJob implements redrivev1.SchedulerServiceServer.
func (s *Server) SubmitJob(ctx context.Context, req *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
	if err := errs.Fields(outputOnly(req.GetJob()), wire.CheckJSON("job.config", req.GetJob().GetConfig()),
		wire.CheckTask("job.spark", req.GetJob().GetProcess(), req.GetJob().GetSpark())); err != nil {
		return nil, err
	}
	if len(req.GetRequestId()) > 128 {
		return nil, errs.Field("request_id", "has %d characters, more than 128", len(req.GetRequestId()))
	}
	j, err := wire.FromJob(req.GetJob())
	if err != nil {
		return nil, err
	}
	return jobOf(s.runner.Submit(ctx, runner.Submission{
		Job: j, JobID: req.GetJobId(), RequestID: req.GetRequestId(), CheckOnly: req.GetValidateOnly(),
	}))
}

// outputOnly refuses fields that only the scheduler sets, rather than ignoring
// them.
func outputOnly(j *redrivev1.Job) error {
	if j == nil {
		return errs.Field("job", "is required")
	}
	var all []error
	refuse := func(field string, set bool) {
		if set {
			all = append(all, errs.Field("job."+field, "is set by the scheduler; leave it out"))
		}
	}
	refuse("name", j.GetName() != "")
	refuse("source", j.GetSource() != "")
	refuse("state", j.GetState() != redrivev1.Job_STATE_UNSPECIFIED)
	refuse("due_time", j.GetDueTime() != nil)
	refuse("attempts", len(j.GetAttempts()) > 0)
	refuse("state_reason", j.GetStateReason() != "")
	refuse("create_time", j.GetCreateTime() != nil)
	refuse("update_time", j.GetUpdateTime() != nil)
	refuse("end_time", j.GetEndTime() != nil)
	refuse("revision", j.GetRevision() != 0)
	refuse("etag", j.GetEtag() != "")
	refuse("cancel_requested", j.GetCancelRequested())
	return errs.Fields(all...)
}

// GetJob implements redrivev1.SchedulerServiceServer.
func (s *Server) GetJob(ctx context.Context, req *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
	id, err := jobID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	return jobOf(s.store.Job(ctx, id))
}

// ListJobs implements redrivev1.SchedulerServiceServer.
func (s *Server) ListJobs(ctx context.Context, req *redrivev1.ListJobsRequest) (*redrivev1.ListJobsResponse, error) {
	if _, ok := redrivev1.Job_State_name[int32(req.GetState())]; !ok {
		return nil, errs.Field("state", "%d is not a state", req.GetState())
	}
	page, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "jobs", req.GetState().String(), req.GetWorkflow())
	if err != nil {
		return nil, err
	}
	jobs, next, err := s.store.List(ctx, store.Filter{State: job.State(req.GetState()), Workflow: req.GetWorkflow()}, page)
	if err != nil {
		return nil, err
	}
	res := &redrivev1.ListJobsResponse{NextPageToken: next}
	for _, j := range jobs {
		p, err := jobOf(j, nil)
		if err != nil {
			return nil, err
		}
		res.Jobs = append(res.Jobs, p)
	}
	return res, nil
}

// WatchJob implements redrivev1.SchedulerServiceServer.
func (s *Server) WatchJob(req *redrivev1.WatchJobRequest, stream grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
	ctx := stream.Context()
	id, err := jobID("name", req.GetName())
	if err != nil {
		return err
	}
	changes, end, err := s.runner.Watch(id)
	if err != nil {
		return err
	}
	defer end()
	for sent := int64(0); ; {
		j, err := s.store.Job(ctx, id)
		if err != nil {
			return err
		}
		if j.Revision > sent {
			p, err := jobOf(j, nil)
			if err != nil {
				return err
			}
			if err := stream.Send(&redrivev1.WatchJobResponse{Job: p}); err != nil {
				return err
			}
			sent = j.Revision
		}
		if j.State.Ended() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes:
		}
	}
}

// CancelJob implements redrivev1.SchedulerServiceServer.
func (s *Server) CancelJob(ctx context.Context, req *redrivev1.CancelJobRequest) (*redrivev1.Job, error) {
	id, err := jobID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	return jobOf(s.runner.Cancel(ctx, id, clip(req.GetReason()), req.GetEtag(), wire.Etag))
}

// RetryJob implements redrivev1.SchedulerServiceServer.
func (s *Server) RetryJob(ctx context.Context, req *redrivev1.RetryJobRequest) (*redrivev1.Job, error) {
	id, err := jobID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	if err := wire.CheckTask("spark", req.GetProcess(), req.GetSpark()); err != nil {
		return nil, err
	}
	e := job.Unblocked{Reason: clip(req.GetReason()), Task: wire.FromTask(req.GetProcess(), req.GetSpark())}
	return jobOf(s.runner.Retry(ctx, id, e, req.GetEtag(), wire.Etag))
}

// decisionWait is how long ReportFailure waits for the decision, unless the
// caller's deadline is nearer: then it answers in time to be heard.
const decisionWait = 15 * time.Second

func waitForDecision(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := decisionWait
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		wait = min(wait, left-left/10)
	}
	return context.WithTimeout(ctx, wait)
}

// ReportFailure implements redrivev1.SchedulerServiceServer.
func (s *Server) ReportFailure(ctx context.Context, req *redrivev1.ReportFailureRequest) (*redrivev1.ReportFailureResponse, error) {
	if err := checkJSON(req); err != nil {
		return nil, err
	}
	ref := failure.AttemptFromProto(req.GetAttempt())
	report := runner.Report{
		Ref: ref, Original: wire.Map(req.GetConfig()), Config: wire.Map(req.GetAttemptConfig()), Evidence: redact.Evidence(failure.FromProto(req.GetEvidence())),
		Job: job.Job{
			Type: failure.TypeFromProto(req.GetType()), Overrides: wire.FromOverrides(req.GetRetryPolicy()),
			Labels: req.GetLabels(), Owner: req.GetOwner(),
		},
	}
	changes, end, full := s.runner.Watch(ref.JobID())
	defer end()
	j, err := s.runner.Report(ctx, report)
	if err = cmp.Or(err, full); err != nil { // the failure is on record before the caller is told that too many wait
		return nil, err
	}
	res := &redrivev1.ReportFailureResponse{Job: ref.JobName(), Failure: "failures/" + ref.FailureID()}
	wait, cancel := waitForDecision(ctx)
	defer cancel()
	d, ok, err := s.runner.Decision(wait, j, ref.Number, changes)
	if ok {
		res.Decision = wire.Decision(ref.DecisionName(), d)
	}
	return res, err
}

// configured is what both reports have.
type configured interface {
	GetConfig() *structpb.Struct
	GetAttemptConfig() *structpb.Struct
}

func checkJSON(req configured) error {
	return errs.Fields(wire.CheckJSON("config", req.GetConfig()), wire.CheckJSON("attempt_config", req.GetAttemptConfig()))
}

// ReportSuccess implements redrivev1.SchedulerServiceServer.
func (s *Server) ReportSuccess(ctx context.Context, req *redrivev1.ReportSuccessRequest) (*redrivev1.Job, error) {
	if err := checkJSON(req); err != nil {
		return nil, err
	}
	report := runner.Report{
		Ref: failure.AttemptFromProto(req.GetAttempt()), Config: wire.Map(req.GetAttemptConfig()),
		Evidence: redact.Evidence(failure.FromProto(req.GetEvidence())), Succeeded: true,
		Job: job.Job{Type: failure.TypeFromProto(req.GetType())}, Original: wire.Map(req.GetConfig()),
	}
	return jobOf(s.runner.Report(ctx, report))
}

// GetDecision implements redrivev1.SchedulerServiceServer.
func (s *Server) GetDecision(ctx context.Context, req *redrivev1.GetDecisionRequest) (*redrivev1.Decision, error) {
	d, err := s.decision(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return wire.Decision(req.GetName(), d), nil
}

func (s *Server) decision(ctx context.Context, name string) (policy.Decision, error) {
	id, number, ok := strings.Cut(strings.TrimPrefix(name, "jobs/"), "/decisions/")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > failure.MaxAttempt || name != store.DecisionName(id, n) {
		return policy.Decision{}, errs.Field("name", "%.200q is not jobs/{job}/decisions/{attempt}", name)
	}
	if _, err := jobID("name", "jobs/"+id); err != nil {
		return policy.Decision{}, err
	}
	return s.store.Decision(ctx, id, n)
}

// ListDecisions implements redrivev1.SchedulerServiceServer.
func (s *Server) ListDecisions(ctx context.Context, req *redrivev1.ListDecisionsRequest) (*redrivev1.ListDecisionsResponse, error) {
	id, err := jobID("parent", req.GetParent())
	if err != nil {
		return nil, err
	}
	page, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "decisions", id)
	if err != nil {
		return nil, err
	}
	decisions, next, err := s.store.Decisions(ctx, id, page)
	if err != nil {
		return nil, err
	}
	res := &redrivev1.ListDecisionsResponse{NextPageToken: next}
	for _, d := range decisions {
		res.Decisions = append(res.Decisions, wire.Decision(store.DecisionName(d.Job, d.Attempt), d))
	}
	return res, nil
}

// ReplayDecision implements redrivev1.SchedulerServiceServer.
func (s *Server) ReplayDecision(ctx context.Context, req *redrivev1.ReplayDecisionRequest) (*redrivev1.ReplayDecisionResponse, error) {
	recorded, err := s.decision(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	again := policy.Decide(recorded.Inputs)
	again.Job, again.Attempt = recorded.Job, recorded.Attempt
	old, now := wire.Decision(req.GetName(), recorded), wire.Decision(req.GetName(), again)
	return &redrivev1.ReplayDecisionResponse{Decision: now, Identical: proto.Equal(old, now)}, nil
}

// jobOf is the answer of calls that return a job: without secrets.
func jobOf(j job.Job, err error) (*redrivev1.Job, error) {
	if err != nil {
		return nil, err
	}
	if j, err = j.Masked(); err != nil {
		return nil, err
	}
	return wire.Job(j)
}

// maxID bounds the ids of jobs: those of other schedulers' are the longest.
const maxID = 128

func jobID(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, "jobs/")
	if !ok || id == "" || len(id) > maxID || strings.Contains(id, "/") {
		return "", errs.Field(field, "%.200q is not jobs/{job}", name)
	}
	return id, nil
}

// clip bounds what a caller says for the record, and masks its secrets.
func clip(s string) string {
	const most = 500
	s = redact.Text(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
