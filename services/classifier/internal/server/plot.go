package server

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// PlotFailure implements redrivev1.ClassifierServiceServer.
func (s *Server) PlotFailure(ctx context.Context, req *redrivev1.PlotFailureRequest) (*redrivev1.PlotFailureResponse, error) {
	id, err := wire.FailureID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	f, err := s.failures.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	inputs := f.GetRecommendation().GetInputs()
	if inputs == nil {
		return nil, errs.New(errs.FailedPrecondition, "there is nothing to draw: the recommender was not asked about %s", f.GetName())
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	plot, err := s.recommender.PlotRecommendation(ctx, &redrivev1.PlotRecommendationRequest{Inputs: inputs})
	if err != nil {
		return nil, errs.FromStatus(err)
	}
	return &redrivev1.PlotFailureResponse{Svg: plot.GetSvg()}, nil
}
