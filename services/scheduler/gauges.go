package scheduler

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/gauge"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// registerGauges registers what is read when somebody asks for the metrics.
func registerGauges(r prometheus.Registerer, docs *store.Store, run *runner.Runner) error {
	age := func(since func(ctx context.Context) (time.Time, error)) func(context.Context, gauge.Set) error {
		return gauge.Value(func(ctx context.Context) (float64, error) {
			t, err := since(ctx)
			return gauge.Age(t), err
		})
	}
	return gauge.Register(r,
		gauge.Gauge{
			Name: "redrive_scheduler_open_jobs", Help: "Jobs that have not ended, by state; at most 100000 of each are counted." + gauge.Shared,
			Labels: []string{"state"},
			Read: func(ctx context.Context, set gauge.Set) error {
				for _, s := range []job.State{job.Queued, job.Running, job.Classifying, job.Waiting} {
					n, err := docs.Count(ctx, s)
					if err != nil {
						return err
					}
					set(float64(n), s.String())
				}
				return nil
			},
		},
		gauge.Gauge{
			Name: "redrive_scheduler_oldest_due_seconds", Help: "For how long the attempt that was due first has been due; 0 when none is." + gauge.Shared,
			Read: age(docs.FirstDue),
		},
		gauge.Gauge{
			Name: "redrive_scheduler_oldest_standing_seconds", Help: "Age of a failure that waits for its decision, the one not heard of for longest; 0 when none waits." + gauge.Shared,
			Read: age(docs.OldestStanding),
		},
		gauge.Gauge{
			Name: "redrive_scheduler_attempts_running", Help: "Attempts that this process starts or follows.",
			Read: gauge.Of(func() float64 { n, _ := run.Busy(); return float64(n) }),
		},
		gauge.Gauge{
			Name: "redrive_scheduler_attempts_limit", Help: "Attempts that this process runs at most.",
			Read: gauge.Of(func() float64 { _, most := run.Busy(); return float64(most) }),
		},
	)
}
