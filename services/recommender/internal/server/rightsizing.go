package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// Rightsizings is what is known of right-sizing.
type Rightsizings interface {
	List(ctx context.Context, state rightsize.State, workflow string, page docstore.Paging) ([]rightsize.Sizing, string, error)
	Totals(ctx context.Context) (proposed, applied float64, err error)
}

// Proposer proposes the next step of a job type now; errs.FailedPrecondition
// when there is none.
type Proposer interface {
	Propose(ctx context.Context, of failure.Type, now time.Time) (rightsize.Sizing, error)
}

// Rightsizing answers the calls about right-sizing.
type Rightsizing struct {
	known    Rightsizings
	proposer Proposer
}

// NewRightsizing returns what answers the calls about right-sizing.
func NewRightsizing(known Rightsizings, proposer Proposer) *Rightsizing {
	return &Rightsizing{known: known, proposer: proposer}
}

// maxWorkflow bounds the name of a workflow.
const maxWorkflow = 128

// ListRightsizings implements redrivev1.RecommenderServiceServer.
func (s *Rightsizing) ListRightsizings(ctx context.Context, req *redrivev1.ListRightsizingsRequest) (*redrivev1.ListRightsizingsResponse, error) {
	var state, workflow error
	if _, known := redrivev1.Rightsizing_State_name[int32(req.GetState())]; !known {
		state = errs.Field("state", "%d is no state of a right-sizing", req.GetState())
	}
	if len(req.GetWorkflow()) > maxWorkflow {
		workflow = errs.Field("workflow", "must have at most %d characters, has %d", maxWorkflow, len(req.GetWorkflow()))
	}
	if err := errs.Fields(state, workflow); err != nil {
		return nil, err
	}
	page, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "rightsizings", req.GetState().String(), req.GetWorkflow())
	if err != nil {
		return nil, err
	}
	all, next, err := s.known.List(ctx, rightsize.State(req.GetState()), req.GetWorkflow(), page)
	if err != nil {
		return nil, err
	}
	res := &redrivev1.ListRightsizingsResponse{NextPageToken: next}
	for _, z := range all {
		res.Rightsizings = append(res.Rightsizings, wire.Rightsizing(z))
	}
	res.ProposedDollarsPerMonth, res.AppliedDollarsPerMonth, err = s.known.Totals(ctx)
	return res, err
}

// ProposeRightsizing implements redrivev1.RecommenderServiceServer.
func (s *Rightsizing) ProposeRightsizing(ctx context.Context, req *redrivev1.ProposeRightsizingRequest) (*redrivev1.Rightsizing, error) {
	t := failure.TypeFromProto(req.GetType())
	_, err := engine.Lookup(t.Engine)
	if err := errs.Fields(t.Validate("type"), err); err != nil {
		return nil, err
	}
	z, err := s.proposer.Propose(ctx, t, time.Now())
	if err != nil {
		return nil, err
	}
	return wire.Rightsizing(z), nil
}
