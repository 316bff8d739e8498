package rollout

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

// followEvery is how often a replica asks which model serves.
const followEvery = time.Second

// Follower knows which model serves. Every replica has one.
type Follower struct {
	store   Store
	log     *slog.Logger
	current atomic.Pointer[Model]
}

// NewFollower returns a follower that knows of the built-in model until it has
// looked.
func NewFollower(s Store, log *slog.Logger) *Follower {
	f := &Follower{store: s, log: log}
	m := Builtin()
	f.current.Store(&m)
	return f
}

// Serving returns the model that serves, as far as this replica knows.
func (f *Follower) Serving() model.Model { return f.current.Load().Model }

// Current is Serving as the model is kept.
func (f *Follower) Current() Model { return *f.current.Load() }

// Run looks at once and every second until ctx is done. What cannot be read is
// tried again, and the last model goes on serving meanwhile.
func (f *Follower) Run(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for told := false; ; {
		err := f.Look(ctx)
		if err != nil && !told && ctx.Err() == nil {
			f.log.WarnContext(ctx, "cannot read which model serves; the last one goes on", "model", f.Serving().Name, "error", err)
		}
		told = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look reads which model serves.
func (f *Follower) Look(ctx context.Context) error {
	s, err := f.store.Serving(ctx)
	if err != nil {
		return err
	}
	before := f.current.Load()
	if s.Name() == before.Name {
		return nil
	}
	m, err := f.store.Model(ctx, s.Name())
	if err != nil {
		return err
	}
	f.current.Store(&m)
	f.log.InfoContext(ctx, "another model serves", "model", m.Name, "before", before.Name)
	return nil
}
