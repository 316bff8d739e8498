// Package recommender is the recommender service: it learns from the outcomes
// of attempts how much memory a job type needs, predicts for candidate
// configurations how likely a retry fails and what it costs, and recommends the
// one of least cost, or none. docs/recommender.md has the mathematics.
package recommender

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/lease"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/events"
	"github.com/redrive-io/redrive/services/recommender/internal/server"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// learnEvery is how long an outcome waits for others to be learnt with.
const learnEvery = 250 * time.Millisecond

// purgeEvery is how often old histories and records are looked for.
const purgeEvery = time.Hour

// Deps are what the service needs of its process. Store, Bus and Config are
// required.
type Deps struct {
	Store   docstore.Store
	Bus     *bus.Bus
	Config  redrivev1.ConfigServiceClient
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Replica names this replica among those of the service, the same over
	// restarts; empty: it is the only one.
	Replica string
}

// Service is the recommender service.
type Service struct {
	bus       *bus.Bus
	histories *store.Histories
	sizing    rightSizing
	records   *store.Records
	models    *models
	handler   *events.Handler
	server    *server.Server
	leases    *lease.Leases
	log       *slog.Logger
}

// New returns the service; it does nothing before Run. Options that cannot be
// are errs.Invalid.
func New(o Options, d Deps) (*Service, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	m, err := newMetrics(d.Metrics)
	if err != nil {
		return nil, err
	}
	histories, records := store.New(d.Store, learnEvery), store.NewRecords(d.Store)
	leases := lease.New(d.Store, store.Service, d.Replica, lease.Options{Log: d.Log, Metrics: d.Metrics})
	settings := o.withDefaults(hostMemory()).settings
	models, err := newModels(d, records, settings, o.HoldModels, leases, m)
	if err != nil {
		return nil, err
	}
	watch := drift.NewWatch(records, models.judged)
	if err := registerDrift(d.Metrics, watch); err != nil {
		return nil, err
	}
	sizing := newRightSizing(d, histories, o.RightSizing.settings(settings, models.follower), m)
	return &Service{
		bus: d.Bus, histories: histories, records: records, models: models, sizing: sizing, handler: events.New(histories, sizing.tailor),
		log: d.Log.With("service", "recommender"), leases: leases,
		server: server.New(histories, models.follower, settings, m.observe).With(server.Parts{
			Records: server.NewRecords(records, rebuild(d.Bus, records)), Drift: server.NewDrift(watch),
			Models: server.NewModels(models.store, models.trainer), Rightsizing: server.NewRightsizing(sizing.known, sizing.tailor),
		}),
	}, nil
}

// Register registers the service's gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	redrivev1.RegisterRecommenderServiceServer(r, s.server)
}

// Run learns from events until ctx is done, and returns nil then.
func (s *Service) Run(ctx context.Context) error { return s.leases.Around(ctx, s.run) }

func (s *Service) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.bus.Consume(ctx, bus.RecommenderOutcomes, s.handler.Handle) })
	g.Go(func() error { return s.bus.Consume(ctx, bus.RecommenderPatches, s.handler.Patch) })
	s.models.run(ctx, g)
	g.Go(func() error { s.leases.Every(ctx, "sweep/purge", purgeEvery, s.purge); return nil })
	g.Go(func() error { s.leases.Every(ctx, "sweep/rightsizing", sweepEvery, s.sizing.sweep); return nil })
	return g.Wait()
}

// purge deletes what is old. When it fails, it is done again: what is left over
// does no harm meanwhile.
func (s *Service) purge(ctx context.Context) {
	now := time.Now()
	if err := errors.Join(
		s.histories.Purge(ctx, now), s.records.Purge(ctx, now), s.models.store.Purge(ctx), s.sizing.known.Purge(ctx, now),
	); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "purge failed", "error", err)
	}
}
