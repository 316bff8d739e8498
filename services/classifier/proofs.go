package classifier

import (
	"cmp"
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/services/classifier/internal/backtest"
	"github.com/redrive-io/redrive/services/classifier/internal/events"
	"github.com/redrive-io/redrive/services/classifier/internal/server"
	"github.com/redrive-io/redrive/services/classifier/internal/stats"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

const (
	// backtestEvery is how often backtests are looked for that another replica
	// began, and countEvery how often failures are counted.
	backtestEvery = time.Second
	countEvery    = 5 * time.Second
	// countMost bounds the steps at a time: counting is no hurry.
	countMost = 20
	// The leases.
	backtestKey, countKey = "proofs/backtests", "proofs/stats"
)

// newProofs returns what says whether rules are right.
func newProofs(d docstore.Store, s *Service) server.Proofs {
	backtests := store.NewBacktests(d)
	return server.Proofs{
		Runner:    backtest.NewRunner(backtests, s.failures, s.book.Set, s.log),
		Backtests: backtests, Stats: store.NewStats(d, s.failures),
	}
}

// prove hears how retries ended, works on backtests and counts, until ctx is
// done.
func (s *Service) prove(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error {
		return s.bus.Consume(ctx, bus.ClassifierOutcomes, events.NewOutcomes(s.failures, s.clusters.kept).Handle)
	})
	g.Go(func() error { s.backtests(ctx); return nil })
	g.Go(func() error { s.leases.Every(ctx, countKey, countEvery, s.count); return nil })
	g.Go(func() error { s.leases.Every(ctx, "proofs/purge", purgeEvery, s.purgeProofs); return nil })
}

func (s *Service) backtests(ctx context.Context) {
	tick := time.NewTicker(backtestEvery)
	defer tick.Stop()
	hold := func() bool { return s.leases.Holds(backtestKey) }
	for ctx.Err() == nil {
		s.proofs.Runner.RunAll(ctx, hold)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.proofs.Runner.Started():
		}
	}
}

func (s *Service) count(ctx context.Context) {
	w := stats.Walker{Store: s.proofs.Stats, Reading: cmp.Or(s.options.LogTimeout, DefaultLogTimeout)}
	for range countMost {
		more, err := w.Step(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "what became of rules cannot be counted now", "error", err)
		}
		if err != nil || !more {
			return
		}
	}
}

func (s *Service) purgeProofs(ctx context.Context) {
	now := time.Now()
	err := s.proofs.Runner.Purge(ctx, now)
	if err == nil {
		_, err = s.proofs.Stats.PurgeStats(ctx, now.Add(-s.options.Retention), func(id string) bool {
			_, ok := s.book.Set().Rule(id)
			return ok
		})
	}
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "old proofs of rules could not be deleted", "error", err)
	}
}
