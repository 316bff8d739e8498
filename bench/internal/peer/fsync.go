package peer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/redrive-io/redrive/bench/internal/contest"
)

// runFsync counts how often the disk syncs an append of 1 KiB, one after
// another. One sync counts as one cycle.
func runFsync(ctx context.Context, o Options) (contest.Result, error) {
	f, err := os.Create(filepath.Join(o.Dir, "fsync"))
	if err != nil {
		return contest.Result{}, err
	}
	defer f.Close() //nolint:errcheck // nothing is read from it again
	ctx, stop := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	jobs := newJobs(0)
	go func() {
		defer close(ended)
		block := make([]byte, stateSize)
		for ctx.Err() == nil {
			if _, err := f.Write(block); err != nil {
				stop(fmt.Errorf("append: %w", err))
			}
			if err := f.Sync(); err != nil {
				stop(fmt.Errorf("sync: %w", err))
			}
			jobs.meter.Cycled()
		}
	}()
	r, err := jobs.meter.Measure(ctx, o.Span)
	stop(nil)
	<-ended
	return r, err
}
