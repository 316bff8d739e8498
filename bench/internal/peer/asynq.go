package peer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"

	"github.com/redrive-io/redrive/bench/internal/contest"
	"github.com/redrive-io/redrive/bench/internal/stage"
)

// tick is how often asynq looks for what is due; by default it does so every
// five seconds.
const tick = 10 * time.Millisecond

var errFailed = errors.New("failed")

// runAsynq has asynq retry tasks, on a Redis of its own that syncs every write
// before it answers.
func runAsynq(ctx context.Context, o Options) (contest.Result, error) {
	redis, err := stage.StartRedis(ctx, o.Dir)
	if err != nil {
		return contest.Result{}, err
	}
	defer redis.Stop()
	at := asynq.RedisClientOpt{Addr: redis.Addr, PoolSize: o.Open + 16}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	jobs, next := newJobs(o.Open), make(chan int, o.Open)
	server := asynq.NewServer(at, asynq.Config{
		Concurrency: o.Open, DelayedTaskCheckInterval: tick, TaskCheckInterval: tick, LogLevel: asynq.FatalLevel, Logger: silent{},
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 0 },
		ErrorHandler: asynq.ErrorHandlerFunc(func(_ context.Context, _ *asynq.Task, err error) {
			if !errors.Is(err, errFailed) {
				stop(err)
			}
		}),
	})
	err = server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		slot, err := strconv.Atoi(string(t.Payload()[:4]))
		if err != nil {
			return err
		}
		if jobs.start(slot) {
			return errFailed
		}
		jobs.succeeded(slot)
		next <- slot
		return nil
	}))
	if err != nil {
		return contest.Result{}, fmt.Errorf("start asynq: %w", err)
	}
	defer server.Shutdown()
	client := asynq.NewClient(at)
	defer client.Close() //nolint:errcheck // nothing is left to lose
	for range o.Open {
		go func() {
			for {
				select {
				case slot := <-next:
					payload := fmt.Appendf(make([]byte, 0, stateSize), "%04d", slot)
					if _, err := client.EnqueueContext(ctx, asynq.NewTask("cycle", payload[:stateSize]), asynq.MaxRetry(5)); err != nil {
						stop(fmt.Errorf("enqueue: %w", err))
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	for slot := range o.Open {
		next <- slot
	}
	return jobs.meter.Measure(ctx, o.Span, redis.PID())
}

// silent keeps asynq from talking.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(...any) {}
