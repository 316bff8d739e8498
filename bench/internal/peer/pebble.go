package peer

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/redrive-io/redrive/bench/internal/contest"
)

// runPebble retries by a state machine in an embedded store: each attempt
// writes the job's state when it starts and when it has ended, synced with
// those that write at the same time; who is next is in memory. It is the least
// that a durable retry can do on this disk.
func runPebble(ctx context.Context, o Options) (contest.Result, error) {
	db, err := pebble.Open(o.Dir, &pebble.Options{Logger: quiet{}})
	if err != nil {
		return contest.Result{}, fmt.Errorf("open Pebble: %w", err)
	}
	defer db.Close() //nolint:errcheck // nothing is read from it again
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	jobs, ready := newJobs(o.Open), make(chan int, o.Open)
	ended := make(chan struct{}, o.Open)
	for range o.Open {
		go func() {
			defer func() { ended <- struct{}{} }()
			state := make([]byte, stateSize)
			for {
				select {
				case slot := <-ready:
					if err := machine(db, jobs, slot, state); err != nil {
						stop(err)
						return
					}
					ready <- slot
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	for slot := range o.Open {
		ready <- slot
	}
	r, err := jobs.meter.Measure(ctx, o.Span)
	stop(nil)
	for range o.Open { // the store is closed when nobody writes
		<-ended
	}
	return r, err
}

// machine is one attempt of the job in a slot.
func machine(db *pebble.DB, jobs *jobs, slot int, state []byte) error {
	key := binary.BigEndian.AppendUint32(nil, uint32(slot))
	put := func(what byte) error {
		state[0] = what
		return db.Set(key, state, pebble.Sync)
	}
	if err := put('R'); err != nil {
		return err
	}
	if jobs.start(slot) {
		return put('F')
	}
	if err := put('S'); err != nil {
		return err
	}
	jobs.succeeded(slot)
	return nil
}

// quiet keeps Pebble from talking.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
