package system

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/trace"
)

// startTrace begins to send spans, if the environment names a collector. It is
// among the first to start and so among the last to stop: the last spans tell of
// the stop.
func (s *System) startTrace(ctx context.Context, o Options) error {
	stop, err := trace.Setup(ctx, trace.Options{Version: o.Version, Replica: s.replica, Log: s.log, Metrics: s.registry})
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	s.closers.Add("traces", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		if err := stop(ctx); err != nil {
			s.log.WarnContext(ctx, "the last spans are lost", "error", err)
		}
		return nil
	})
	return nil
}

// flushTimeout bounds how long an orderly stop waits for the collector.
const flushTimeout = 3 * time.Second
