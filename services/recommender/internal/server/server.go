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
	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// Histories is what is known of job types.
type Histories interface {
	// Get is errs.NotFound for a type of which nothing is known.
	Get(ctx context.Context, t failure.Type) (history.History, error)
	// Uses returns which shares of their requests other types of the workflow used.
	Uses(ctx context.Context, t failure.Type) ([]float64, error)
	// Shaped returns what is known of job types of an engine that ran on clusters.
	Shaped(ctx context.Context, engine string) ([]history.History, error)
}

// Serving is the model that serves.
type Serving interface {
	Serving() model.Model
}

// Observe is told of every recommendation: its outcome and how long it took.
type Observe func(outcome string, took time.Duration)

// Server implements redrivev1.RecommenderServiceServer.
type Server struct {
	rest
	Parts
	histories  Histories
	estimators *estimate.Estimators
	models     Serving
	settings   Settings
	observe    Observe
}

// Parts answer calls that have little to do with recommendations.
type Parts struct {
	*Records
	*Drift
	*Models
	*Rightsizing
}

// rest holds what answers calls that nothing else answers, so far down that
// Parts come before it.
type rest struct{ lowest }

type lowest struct {
	redrivev1.UnimplementedRecommenderServiceServer
}

// With adds the parts and returns s.
func (s *Server) With(p Parts) *Server {
	s.Parts = p
	return s
}

// Settings returns the settings for a failure of class c of a job of this type
// and owner; for a first attempt the class is empty.
type Settings func(t failure.Type, owner string, c failure.Class) search.Settings

// New returns a server.
func New(h Histories, m Serving, settings Settings, o Observe) *Server {
	return &Server{histories: h, estimators: estimate.New(), models: m, settings: settings, observe: o}
}

// Recommend implements redrivev1.RecommenderServiceServer.
func (s *Server) Recommend(ctx context.Context, req *redrivev1.RecommendRequest) (*redrivev1.Recommendation, error) {
	r, err := wire.Request(req)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	k, err := s.knowledge(ctx, r.Type, start)
	if err != nil {
		return nil, err
	}
	if len(r.Shapes) > 0 {
		if k.Shaped, err = s.histories.Shaped(ctx, r.Type.Engine); err != nil {
			return nil, err
		}
	}
	return s.answer(ctx, req, asked{r, k, advice.Prepare, start})
}

// RecommendSize implements redrivev1.RecommenderServiceServer.
func (s *Server) RecommendSize(ctx context.Context, req *redrivev1.RecommendSizeRequest) (*redrivev1.Recommendation, error) {
	if n := req.GetInputBytes(); n < 0 {
		return nil, errs.Field("input_bytes", "%d is negative; 0 is unknown", n)
	}
	as := wire.SizeRequest(req)
	r, err := wire.Request(as)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	k, err := s.knowledge(ctx, r.Type, start)
	if err == nil && k.Estimator == nil {
		k.Uses, err = s.histories.Uses(ctx, r.Type)
	}
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, as, asked{r, k, advice.Size, start})
}

// knowledge returns what is known of a job type. What estimators have learnt
// depends on no owner and no class, so that it is learnt once for all.
func (s *Server) knowledge(ctx context.Context, t failure.Type, now time.Time) (advice.Knowledge, error) {
	h, err := s.histories.Get(ctx, t)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return advice.Knowledge{}, err
	}
	h.Type = t
	k := advice.Knowledge{History: h, Model: s.models.Serving(), Now: now.UTC()}
	base := s.settings(t, "", "")
	k.Estimator = s.estimators.Of(h, need.Prices{Weight: base.Weight, PerGiBHour: base.PerGiBHour, FailedShare: k.Model.FailedShare()})
	return k, nil
}

// asked is a question with what there was to answer it.
type asked struct {
	request   advice.Request
	knowledge advice.Knowledge
	prepare   func(advice.Request, advice.Knowledge, search.Settings) (advice.Record, error)
	start     time.Time
}

// answer searches, says what moved the answer, and tells how long it took.
func (s *Server) answer(ctx context.Context, req *redrivev1.RecommendRequest, q asked) (*redrivev1.Recommendation, error) {
	r := q.request
	rec, err := q.prepare(r, q.knowledge, s.settings(r.Type, r.Owner, r.Class))
	if err != nil {
		return nil, err
	}
	a, err := advice.Search(ctx, r, rec)
	if err != nil {
		return nil, err
	}
	if rec.Factors, err = advice.Explain(ctx, r, q.knowledge, rec, a, q.prepare); err != nil {
		return nil, err
	}
	answer, err := written(req, rec, a)
	if err == nil {
		s.observe(answer.GetOutcome().String(), time.Since(q.start))
	}
	return answer, err
}

// ReplayRecommendation implements redrivev1.RecommenderServiceServer.
func (s *Server) ReplayRecommendation(ctx context.Context, req *redrivev1.ReplayRecommendationRequest) (*redrivev1.Recommendation, error) {
	r, err := wire.Request(req.GetInputs().GetRequest())
	if err != nil {
		return nil, errs.Within("inputs.request", err)
	}
	rec, err := wire.Record(req.GetInputs())
	if err != nil {
		return nil, err
	}
	a, err := advice.Search(ctx, r, rec)
	if err != nil {
		return nil, err
	}
	return written(req.GetInputs().GetRequest(), rec, a)
}

// written writes an answer, so that a replay comes to as many candidates.
func written(req *redrivev1.RecommendRequest, rec advice.Record, a advice.Answer) (*redrivev1.Recommendation, error) {
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
