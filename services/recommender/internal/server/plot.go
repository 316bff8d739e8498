package server

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/plot"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// PlotRecommendation implements redrivev1.RecommenderServiceServer.
func (s *Server) PlotRecommendation(ctx context.Context, req *redrivev1.PlotRecommendationRequest) (*redrivev1.PlotRecommendationResponse, error) {
	r, err := wire.Request(req.GetInputs().GetRequest())
	if err != nil {
		return nil, errs.Within("inputs.request", err)
	}
	rec, err := wire.Record(req.GetInputs())
	if err != nil {
		return nil, err
	}
	figure, err := advice.Picture(ctx, r, rec)
	if err != nil {
		return nil, err
	}
	return &redrivev1.PlotRecommendationResponse{Svg: plot.SVG(figure)}, nil
}
