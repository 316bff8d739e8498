package store

import (
	"context"

	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
)

// Retries implements proposal.Failures.
func (s *Clusters) Retries(ctx context.Context, ids ...string) (r cluster.Retries, err error) {
	return r, nil
}
