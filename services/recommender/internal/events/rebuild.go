package events

import (
	"context"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// Stream is what the bus still has.
type Stream interface {
	// Replay tells do of every event of these types, in order, and returns how
	// many there were.
	Replay(ctx context.Context, types []bus.Type, do func(context.Context, bus.Event) error) (int64, error)
}

// Adder puts records and returns how many were not there. It is errs.Conflict
// when somebody else put one of them at that moment.
type Adder interface {
	Add(ctx context.Context, all ...record.Record) (int, error)
}

const (
	rebuildBatch = 500 // records are put together
	rebuildRaces = 5   // are lost to what is learnt meanwhile before it is given up
)

// Rebuild adds the records of all events that the stream still has: the same
// ones that were put when the events were heard. What is no attempt that the
// recommender learns from is left out, as it was then.
func Rebuild(ctx context.Context, s Stream, a Adder) (events, added int64, err error) {
	batch := make([]record.Record, 0, rebuildBatch)
	put := func(ctx context.Context) error {
		n, err := a.Add(ctx, batch...)
		added += int64(n)
		for races := 0; errs.Is(err, errs.Conflict) && races < rebuildRaces; races++ {
			n, err = a.Add(ctx, batch...)
			added += int64(n)
		}
		batch = batch[:0]
		return err
	}
	events, err = s.Replay(ctx, bus.RecommenderOutcomes.Types, func(ctx context.Context, e bus.Event) error {
		r, ok, err := read(e)
		if err != nil || !ok {
			return nil //nolint:nilerr // it is among the dead letters, where it was refused
		}
		if batch = append(batch, r); len(batch) < rebuildBatch {
			return nil
		}
		return put(ctx)
	})
	if err != nil {
		return events, added, err
	}
	return events, added, put(ctx)
}
