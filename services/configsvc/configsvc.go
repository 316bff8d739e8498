// Package configsvc is the config service: it owns patches, guarded changes of
// job configurations with a scope and a lifetime. A patch is for one job or, by
// promotion, for all jobs of a type; a newer patch of the same scope replaces the
// older one. Before an attempt starts, its scheduler asks what to run with.
package configsvc

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/lease"
	"github.com/redrive-io/redrive/pkg/outbox"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/server"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// Options are the operator's settings. Zero fields mean the defaults.
type Options struct {
	// MaxMemory and MaxCores are the most that a patch may set one member of a
	// configuration to, in bytes and in cores. They are checked when a patch is
	// stored and again when it is applied. The default is the engine's own bound.
	MaxMemory int64
	MaxCores  float64
	// KeepFor is how long ended patches are kept; 90 days.
	KeepFor time.Duration
	// Keep is how many patches are kept, the newest; 100,000. Active patches of
	// job types stay beyond it.
	Keep int
}

// How often the service looks for expired patches, and for those to delete.
const (
	expireEvery = 30 * time.Second
	purgeEvery  = time.Hour
)

// Deps are what the service needs of its process. All but Log and Metrics are
// required.
type Deps struct {
	Store   docstore.Store
	Bus     *bus.Bus
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Replica names this replica among those of the service, the same over
	// restarts; empty: it is the only one.
	Replica string
}

// Service is the config service.
type Service struct {
	outbox *outbox.Outbox
	ledger *ledger.Ledger
	server *server.Server
	leases *lease.Leases
	log    *slog.Logger
}

// New returns the service; it does nothing before Run.
func New(o Options, d Deps) (*Service, error) {
	if d.Log == nil {
		d.Log = slog.Default()
	}
	log := d.Log.With("service", "configsvc")
	leases := lease.New(d.Store, "configsvc", d.Replica, lease.Options{Log: d.Log, Metrics: d.Metrics})
	box := outbox.New(d.Store, d.Bus, "configsvc", leases, log)
	if err := box.Register(d.Metrics); err != nil {
		return nil, err
	}
	l, err := ledger.New(store.New(d.Store, box), ledger.Options{
		Ceilings: patch.Ceilings{Memory: o.MaxMemory, Cores: o.MaxCores}, KeepFor: o.KeepFor, Keep: o.Keep,
	}, d.Metrics)
	if err != nil {
		return nil, err
	}
	return &Service{leases: leases, outbox: box, ledger: l, server: server.New(l), log: log}, nil
}

// Register registers the service's gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	redrivev1.RegisterConfigServiceServer(r, s.server)
}

// Run relays the service's events and sweeps its patches until ctx is done, and
// returns nil then.
func (s *Service) Run(ctx context.Context) error { return s.leases.Around(ctx, s.run) }

func (s *Service) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.outbox.Run(ctx) })
	// What follows one replica does for all.
	g.Go(func() error { s.leases.Every(ctx, "sweep/expire", expireEvery, s.logged(s.ledger.Expire)); return nil })
	g.Go(func() error { s.leases.Every(ctx, "sweep/purge", purgeEvery, s.logged(s.ledger.Purge)); return nil })
	return g.Wait()
}

// logged logs when a sweep fails. It is done again: what is left to sweep does
// no harm meanwhile.
func (s *Service) logged(sweep func(context.Context, time.Time) error) func(context.Context) {
	return func(ctx context.Context) {
		if err := sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweep failed", "error", err)
		}
	}
}
