package server

import (
	"context"
	"time"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// Drift answers how far the serving model is from what it is asked.
type Drift struct{ watch *drift.Watch }

// NewDrift returns the part of the server that tells of drift.
func NewDrift(w *drift.Watch) *Drift { return &Drift{w} }

// GetDrift implements redrivev1.RecommenderServiceServer.
func (s *Drift) GetDrift(ctx context.Context, _ *redrivev1.GetDriftRequest) (*redrivev1.Drift, error) {
	found, err := s.watch.Look(ctx, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	return wire.Drift(found), nil
}
