package command_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// sizings lists two job types and keeps the last request.
type sizings struct {
	redrivev1.UnimplementedRecommenderServiceServer
	last proto.Message
}

func (s *sizings) ListRightsizings(_ context.Context, r *redrivev1.ListRightsizingsRequest) (*redrivev1.ListRightsizingsResponse, error) {
	s.last = r
	return &redrivev1.ListRightsizingsResponse{
		Rightsizings: []*redrivev1.Rightsizing{
			{
				Type: &redrivev1.JobType{Workflow: "sales", Step: "load", Engine: "process"}, State: redrivev1.Rightsizing_STATE_PROPOSED, Part: "tree",
				OwnBytes: 4 << 30, PresentBytes: 4 << 30, NextBytes: 3 << 30, TargetBytes: 300 << 20, Patch: "patches/p1", Runs: 25, Reason: "runs\x1b need less",
				Saving: &redrivev1.Saving{DollarsPerMonth: 12.5, FailProbabilityBefore: 0.001, FailProbabilityAfter: 0.02},
			},
			{
				Type: &redrivev1.JobType{Workflow: "sales", Step: "sum", Engine: "process"}, State: redrivev1.Rightsizing_STATE_CONVERGED, Part: "tree",
				OwnBytes: 2 << 30, PresentBytes: 1 << 30, TargetBytes: 1 << 30, Patch: "patches/p0", Runs: 90, AppliedDollarsPerMonth: 3,
			},
		},
		ProposedDollarsPerMonth: 12.5, AppliedDollarsPerMonth: 3,
	}, nil
}

func (s *sizings) ProposeRightsizing(_ context.Context, r *redrivev1.ProposeRightsizingRequest) (*redrivev1.Rightsizing, error) {
	s.last = r
	if r.GetType().GetStep() == "sum" {
		return nil, errs.New(errs.FailedPrecondition, "nothing to propose: nearly there")
	}
	return &redrivev1.Rightsizing{Patch: "patches/p1", State: redrivev1.Rightsizing_STATE_PROPOSED, Reason: "runs need less"}, nil
}

func TestRightSizing(t *testing.T) {
	for _, tc := range []struct {
		args           []string
		status         int
		want           proto.Message
		stdout, stderr []string
	}{
		{
			[]string{"rightsize"},
			command.ExitOK,
			&redrivev1.ListRightsizingsRequest{PageSize: 100},
			[]string{
				"sales/load  PROPOSED   tree  4 GiB  4 GiB  3 GiB  300 MiB  $12.50   0.1 % → 2 %  25    patches/p1  runs· need less\n",
				"sales/sum   CONVERGED  tree  2 GiB  1 GiB         1 GiB    $3.00                 90",
			},
			[]string{"$12.50 a month are proposed, and $3.00 a month are saved by what applies."},
		},
		{
			[]string{"rightsize", "list", "--state", "proposed", "--workflow", "sales", "-o", "yaml"},
			command.ExitOK,
			&redrivev1.ListRightsizingsRequest{PageSize: 100, State: redrivev1.Rightsizing_STATE_PROPOSED, Workflow: "sales"},
			[]string{"rightsizings:\n", "nextBytes: \"3221225472\""},
			nil,
		},
		{
			[]string{"rightsize", "propose", "sales/load"},
			command.ExitOK,
			&redrivev1.ProposeRightsizingRequest{Type: &redrivev1.JobType{Workflow: "sales", Step: "load", Engine: "process"}},
			[]string{"patches/p1 is PROPOSED: runs need less\n"},
			nil,
		},
		{
			[]string{"rightsize", "propose", "sales/sum", "--engine", "spark"},
			command.ExitNegative,
			&redrivev1.ProposeRightsizingRequest{Type: &redrivev1.JobType{Workflow: "sales", Step: "sum", Engine: "spark"}},
			nil,
			[]string{"nothing to propose: nearly there"},
		},
		{[]string{"rightsize", "propose", "sales"}, command.ExitUsage, nil, nil, []string{"not WORKFLOW/STEP"}},
		{[]string{"rightsize", "--state", "small"}, command.ExitUsage, nil, nil, []string{"must be learning, proposed, applied, reverted, converged or rejected"}},
	} {
		s := &sizings{}
		dir := start(t, services{recommender: s})
		run(t, "", append([]string{"--data", dir}, tc.args...)...).check(t, tc.status, tc.stdout, tc.stderr)
		if tc.want != nil && !proto.Equal(s.last, tc.want) {
			t.Errorf("%v: request %v, want %v", tc.args, s.last, tc.want)
		}
	}
}
