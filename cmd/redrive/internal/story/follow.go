package story

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// A server that is away is asked again, ever more seldom, and given up after a
// while.
const (
	firstPause = 200 * time.Millisecond
	longPause  = 5 * time.Second
	giveUp     = 5 * time.Minute
)

// Follow calls seen with each state of a job until the job has ended, and
// returns the last state. A server that goes away and comes back is asked
// again; away is told when that happens, and may be nil. After five minutes
// without it Follow returns errs.Unavailable.
func Follow(ctx context.Context, c redrivev1.SchedulerServiceClient, name string, seen func(*redrivev1.Job), away func(error)) (*redrivev1.Job, error) {
	pause, since := firstPause, time.Now()
	for {
		last, err := watch(ctx, c, name, func(j *redrivev1.Job) {
			pause, since = firstPause, time.Now()
			seen(j)
		})
		if last != nil && Ended(last) {
			return last, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && (!errs.Is(errs.FromStatus(err), errs.Unavailable) || time.Since(since) > giveUp) {
			return nil, err
		}
		if away != nil && err != nil {
			away(err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, longPause)
	}
}

// watch returns the last state that it saw.
func watch(ctx context.Context, c redrivev1.SchedulerServiceClient, name string, seen func(*redrivev1.Job)) (last *redrivev1.Job, err error) {
	stream, err := c.WatchJob(ctx, &redrivev1.WatchJobRequest{Name: name})
	if err != nil {
		return nil, err
	}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		last = r.GetJob()
		seen(last)
	}
}
