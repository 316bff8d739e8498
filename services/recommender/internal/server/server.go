// Package server translates calls of RecommenderService.
package server

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// Histories is what is known of job types; Get is errs.NotFound for one of
// which nothing is.
type Histories interface {
	Get(ctx context.Context, t failure.Type) (history.History, error)
}

// Observe is told of every recommendation: its outcome and how long it took.
type Observe func(outcome string, took time.Duration)

// Server implements redrivev1.RecommenderServiceServer.
type Server struct {
	redrivev1.UnimplementedRecommenderServiceServer
	histories Histories
	settings  Settings
	observe   Observe
}

// Settings returns the settings for a failure of class c of a job of this type
// and owner; for a first attempt the class is empty.
type Settings func(t failure.Type, owner string, c failure.Class) search.Settings

// New returns a server.
func New(h Histories, settings Settings, o Observe) *Server {
	return &Server{histories: h, settings: settings, observe: o}
}

// Recommend implements redrivev1.RecommenderServiceServer.
func (s *Server) Recommend(ctx context.Context, req *redrivev1.RecommendRequest) (*redrivev1.Recommendation, error) {
	start := time.Now()
	r, err := wire.Request(req)
	if err != nil {
		return nil, err
	}
	h, err := s.histories.Get(ctx, r.Type)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	rec, err := advice.Prepare(r, advice.Knowledge{History: h, Now: start.UTC()}, s.settings(r.Type, r.Owner, r.Class))
	if err != nil {
		return nil, err
	}
	answer, err := answer(ctx, req, r, rec)
	if err == nil {
		s.observe(answer.GetOutcome().String(), time.Since(start))
	}
	return answer, err
}

// ReplayRecommendation implements redrivev1.RecommenderServiceServer.
func (s *Server) ReplayRecommendation(ctx context.Context, req *redrivev1.ReplayRecommendationRequest) (*redrivev1.Recommendation, error) {
	r, err := wire.Request(req.GetInputs().GetRequest())
	if err != nil {
		return nil, err
	}
	rec, err := wire.Record(req.GetInputs())
	if err != nil {
		return nil, err
	}
	return answer(ctx, req.GetInputs().GetRequest(), r, rec)
}

func answer(ctx context.Context, req *redrivev1.RecommendRequest, r advice.Request, rec advice.Record) (*redrivev1.Recommendation, error) {
	a, err := advice.Search(ctx, r, rec)
	if err != nil {
		return nil, err
	}
	if a.Cut {
		rec.Considered = a.Count
	}
	return wire.Recommendation(req, rec, a)
}

// GetJobTypeModel implements redrivev1.RecommenderServiceServer.
func (s *Server) GetJobTypeModel(ctx context.Context, req *redrivev1.GetJobTypeModelRequest) (*redrivev1.JobTypeModel, error) {
	t := failure.TypeFromProto(req.GetType())
	profile, err := engine.Lookup(t.Engine)
	if err := errs.Fields(t.Validate("type"), err); err != nil {
		return nil, err
	}
	h, err := s.histories.Get(ctx, t)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "nothing is known of step %q of workflow %q on engine %q", t.Step, t.Workflow, t.Engine)
	}
	if err != nil {
		return nil, err
	}
	ended, succeeded, memory := h.Count()
	part, seen := h.Best(profile)
	m := &redrivev1.JobTypeModel{
		Type: t.Proto(), Observations: int32(ended), Successes: int32(succeeded), MemoryFailures: int32(memory),
		MeanSeconds: h.Seconds(), UpdateTime: timestamppb.New(h.Updated), Part: string(part),
	}
	if len(seen) > 0 {
		m.MemoryNeed = wire.Quantiles(need.After(seen, 0).Above(0))
	}
	return m, nil
}
