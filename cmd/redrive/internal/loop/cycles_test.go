package loop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// cycler is another scheduler whose jobs fail twice and then succeed. Its
// attempts do nothing: what a cycle takes is what Redrive takes.
type cycler struct {
	scheduler redrivev1.SchedulerServiceClient
	config    redrivev1.ConfigServiceClient
	ailment   ailment
	run       string       // tells the jobs of this cycler from those of others
	types     int64        // how many job types the jobs are of; 0 gives each job its own
	jobs      atomic.Int64 // that were begun
	// waited is told how long it took from a failure until the next attempt
	// could start.
	waited func(time.Duration)
}

func newCycler(conn grpc.ClientConnInterface, a ailment) *cycler {
	return &cycler{
		scheduler: redrivev1.NewSchedulerServiceClient(conn), config: redrivev1.NewConfigServiceClient(conn),
		ailment: a, run: fmt.Sprintf("%x", time.Now().UnixNano()), types: a.types, waited: func(time.Duration) {},
	}
}

// cycle brings the next job to success. Whatever is not as it must be is an
// error: a decision that is not the expected one, or a configuration that is
// still the one that failed.
func (c *cycler) cycle(ctx context.Context) error {
	n := c.jobs.Add(1)
	job := fmt.Sprintf("%s-%d", c.run, n)
	kind := &redrivev1.JobType{Workflow: "nightly", Step: "aggregate-" + job, Engine: "spark"}
	if c.types > 0 {
		kind.Step = fmt.Sprintf("aggregate-%d", n%c.types)
	}
	original := sparkConfig(n)
	config := original
	for number := int32(1); number <= 2; number++ {
		evidence := c.ailment.evidence(n, number, config)
		failed := time.Now()
		d, err := c.report(ctx, &redrivev1.ReportFailureRequest{
			Attempt: &redrivev1.AttemptRef{Source: cycleSource, Job: job, Attempt: number},
			Type:    kind, Config: original, AttemptConfig: config, Evidence: evidence, Owner: "data-platform",
		})
		if err != nil {
			return fmt.Errorf("report attempt %d of %s: %w", number, job, err)
		}
		if d.GetAction() != c.ailment.action {
			return fmt.Errorf("the decision on attempt %d of %s is %v, %q, want %v", number, job, d.GetAction(), d.GetReason(), c.ailment.action)
		}
		if wait := time.Until(d.GetDueTime().AsTime()); wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
		var next *redrivev1.ResolveResponse
		err = again(ctx, func() (err error) {
			next, err = c.config.Resolve(ctx, &redrivev1.ResolveRequest{Job: cycleSource + "/" + job, Type: kind, Config: original})
			return err
		})
		if err != nil {
			return fmt.Errorf("resolve the configuration of %s: %w", job, err)
		}
		if changed := !proto.Equal(next.GetConfig(), config); changed != c.ailment.changes {
			return fmt.Errorf("attempt %d of %s would run with %v after %v", number+1, job, next.GetConfig(), config)
		}
		c.waited(time.Since(failed))
		config = next.GetConfig()
	}
	err := again(ctx, func() error {
		_, err := c.scheduler.ReportSuccess(ctx, &redrivev1.ReportSuccessRequest{
			Attempt: &redrivev1.AttemptRef{Source: cycleSource, Job: job, Attempt: 3},
			Type:    kind, Config: original, AttemptConfig: config, Evidence: succeeded(n, config),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("report the success of %s: %w", job, err)
	}
	return nil
}

// report tells of a failed attempt until there is a decision on it.
func (c *cycler) report(ctx context.Context, req *redrivev1.ReportFailureRequest) (d *redrivev1.Decision, err error) {
	err = again(ctx, func() error {
		res, err := c.scheduler.ReportFailure(ctx, req)
		if d = res.GetDecision(); err == nil && d == nil {
			err = errs.New(errs.Unavailable, "there is no decision yet")
		}
		return err
	})
	return d, err
}

const (
	pauseBetween = 20 * time.Millisecond
	longestAway  = 30 * time.Second // that a service may be away
)

// again does what can be said twice as often as it is not heard, for a while.
func again(ctx context.Context, do func() error) error {
	for begin := time.Now(); ; {
		err := do()
		if !errs.Is(err, errs.Unavailable) || time.Since(begin) > longestAway {
			return err
		}
		if err := pause(ctx, pauseBetween); err != nil {
			return err
		}
	}
}

// cycleSource is the name of the other scheduler.
const cycleSource = "bench"

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepOpen works on this many jobs at once, each brought to success before the
// next is begun, until more says that it is enough. It returns the first
// error.
func (c *cycler) keepOpen(ctx context.Context, open int, more func() bool, done func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range open {
		wg.Go(func() {
			for ctx.Err() == nil && more() {
				if err := c.cycle(ctx); err != nil {
					cancel(err)
					return
				}
				done()
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// structOf is a configuration as it is sent.
func structOf(m map[string]any) *structpb.Struct {
	s, err := structpb.NewStruct(m)
	if err != nil {
		panic(err) // the tests' own values
	}
	return s
}
