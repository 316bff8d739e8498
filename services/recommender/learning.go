package recommender

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/lease"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/curve"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/events"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/server"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// trainEvery is how often it is asked whether a training is to be run.
const trainEvery = 2 * time.Second

// rebuild adds the records of what the bus still has.
func rebuild(b *bus.Bus, records *store.Records) server.Rebuild {
	return func(ctx context.Context) (read, added int64, err error) { return events.Rebuild(ctx, b, records) }
}

// models is what trains models and follows which one serves.
type models struct {
	store    *store.Models
	outbox   *outbox.Outbox
	follower *rollout.Follower
	trainer  *rollout.Trainer
	leases   *lease.Leases
	log      *slog.Logger
}

func newModels(d Deps, records *store.Records, settings audit.Settings, hold bool, l *lease.Leases, m *metrics) (*models, error) {
	box := outbox.New(d.Store, d.Bus, store.Service, l, d.Log)
	if err := box.Register(d.Metrics); err != nil {
		return nil, err
	}
	kept := store.NewModels(d.Store, box)
	judge := func(ctx context.Context, all audit.Records, c *audit.Calendar, candidate, incumbent model.Model) (audit.Report, error) {
		r, err := audit.Run(ctx, all, c, candidate, incumbent, settings)
		if err == nil {
			m.audited(r.Passed)
		}
		return r, err
	}
	log := d.Log.With("service", "recommender")
	return &models{
		store: kept, outbox: box, follower: rollout.NewFollower(kept, log), leases: l, log: log,
		trainer: rollout.NewTrainer(kept, counted{kept, m.trainings}, records, judge, shape, hold, log),
	}, nil
}

// shape returns how the run time of one job type depends on cores and memory.
func shape(runs []record.Record) ([4]float64, bool) {
	all := make([]curve.Run, len(runs))
	for i, r := range runs {
		all[i] = curve.Run{Cores: r.Shape.Cores(), Memory: r.Shape.Memory(), Seconds: r.Seconds}
	}
	return curve.Shape(all)
}

// judged returns the model that serves, and what its audit measured.
func (m *models) judged(context.Context) (model.Model, drift.Judged, error) {
	now := m.follower.Current()
	if now.Audit == nil {
		return now.Model, drift.Judged{}, nil
	}
	return now.Model, drift.Judged{Brier: now.Audit.Brier, CalibrationError: now.Audit.CalibrationError}, nil
}

// run follows which model serves, and trains while it is this replica's turn,
// until the context of g is done.
func (m *models) run(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return m.outbox.Run(ctx) })
	g.Go(func() error { m.follower.Run(ctx); return nil })
	g.Go(func() error { m.leases.Every(ctx, "models/train", trainEvery, m.train); return nil })
}

// train runs a training if there is one to run. What failed is tried again.
func (m *models) train(ctx context.Context) {
	if err := m.trainer.Tick(ctx, time.Now()); err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "cannot train now; it is tried again", "error", err)
	}
}
