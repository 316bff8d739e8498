package store

import (
	"context"

	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
)

// Retries implements proposal.Failures. A retry that needed another
// configuration to succeed says nothing of a retry as it is.
func (s *Clusters) Retries(ctx context.Context, ids ...string) (r cluster.Retries, err error) {
	all, err := s.failures.Outcomes(ctx, ids...)
	for _, o := range all {
		switch {
		case o.Outcome == outcome.Failed:
			r.Failed++
		case o.Outcome == outcome.Succeeded && !o.Changed:
			r.Succeeded++
		}
	}
	return r, err
}
