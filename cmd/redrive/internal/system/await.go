package system

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	// tryTimeout bounds one try to reach what is away, tryWait is the time to
	// the next, and a line of the log says so every sayEvery.
	tryTimeout = 5 * time.Second
	tryWait    = 300 * time.Millisecond
	sayEvery   = 5 * time.Second
)

// await tries until it succeeds, as long as ctx lasts. Only what is
// errs.Unavailable is worth another try: settings that are wrong stay wrong.
// flag is the one that says where the thing is.
func (s *System) await(ctx context.Context, what, flag string, try func(ctx context.Context) error) error {
	began := time.Now()
	var said time.Time
	var last error // of a try that was not cut short
	for {
		attempt, cancel := context.WithTimeout(ctx, tryTimeout)
		err := try(attempt)
		cancel()
		switch {
		case err == nil:
			if last != nil {
				s.log.Info(what+" is there", "after", time.Since(began).Round(time.Millisecond).String())
			}
			return nil
		case !errs.Is(err, errs.Unavailable):
			return fmt.Errorf("%s (%s): %w", what, flag, err)
		case last == nil || ctx.Err() == nil:
			last = err
		}
		if ctx.Err() == nil && time.Since(said) > sayEvery {
			said = time.Now()
			s.log.Warn("waiting for "+what, "error", err)
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%s (%s) was waited for, %s long: %w", what, flag, time.Since(began).Round(time.Second), last)
		case <-time.After(tryWait):
		}
	}
}
