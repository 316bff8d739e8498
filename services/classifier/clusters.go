package classifier

import (
	"cmp"
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/gather"
	"github.com/redrive-io/redrive/services/classifier/internal/proposal"
	"github.com/redrive-io/redrive/services/classifier/internal/server"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

// gatherEvery is how often failures that no rule knew are counted in clusters.
const gatherEvery = 5 * time.Second

// clusters is what the service has of them.
type clusters struct {
	kept     *store.Clusters
	gatherer *gather.Gatherer
	proposer *proposal.Proposer
}

// newClusters returns those of the failures f, kept as long as they are.
func newClusters(s docstore.Store, f *store.Failures, b *book.Book, retention time.Duration) clusters {
	kept := store.NewClusters(s, f)
	return clusters{kept, gather.New(kept, b.Set, cluster.DefaultBounds, retention), proposal.New(kept, b.Set)}
}

func (c clusters) served() server.Clusters {
	return server.Clusters{Kept: c.kept, Proposer: c.proposer}
}

// gather counts what has come since, and tries clusters on rules that changed.
func (s *Service) gather(ctx context.Context) {
	// A failure says when it was begun: that long it may take until it is stored.
	took := cmp.Or(s.options.LogTimeout, DefaultLogTimeout) + s.options.RecommendTimeout
	if err := s.clusters.gatherer.Step(ctx, time.Now().Add(-took)); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "failures that no rule knew could not be counted", "error", err)
	}
}
