package gauge_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redrive-io/redrive/pkg/gauge"
)

func TestRegister(t *testing.T) {
	r := prometheus.NewRegistry()
	away := errors.New("the store is away")
	err := gauge.Register(r,
		gauge.Gauge{Name: "redrive_a_jobs", Help: "Jobs." + gauge.Shared, Labels: []string{"state"}, Read: func(_ context.Context, set gauge.Set) error {
			set(3, "QUEUED")
			set(4, "RUNNING")
			set(5, "RUNNING")       // told twice: the first stands
			set(6, "one", "toofar") // labels that do not fit are left out
			return nil
		}},
		gauge.Gauge{Name: "redrive_a_oldest_seconds", Help: "Oldest.", Read: gauge.Value(func(context.Context) (float64, error) { return 1, away })},
	)
	if err != nil {
		t.Fatal(err)
	}
	// Another service of the same process shares the counter of failures.
	if err := gauge.Register(r, gauge.Gauge{Name: "redrive_b_running", Help: "Running.", Read: gauge.Of(func() float64 { return 7 })}); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP redrive_a_jobs Jobs. The same in every replica: take the largest, not the sum.
# TYPE redrive_a_jobs gauge
redrive_a_jobs{state="QUEUED"} 3
redrive_a_jobs{state="RUNNING"} 4
# HELP redrive_b_running Running.
# TYPE redrive_b_running gauge
redrive_b_running 7
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "redrive_a_jobs", "redrive_a_oldest_seconds", "redrive_b_running"); err != nil {
		t.Error(err)
	}
	want = `
# HELP redrive_gauge_errors_total Gauges that could not be read, and are absent meanwhile.
# TYPE redrive_gauge_errors_total counter
redrive_gauge_errors_total{gauge="redrive_a_jobs"} 0
redrive_gauge_errors_total{gauge="redrive_a_oldest_seconds"} 1
redrive_gauge_errors_total{gauge="redrive_b_running"} 0
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "redrive_gauge_errors_total"); err != nil {
		t.Error(err)
	}
	if err := gauge.Register(nil, gauge.Gauge{}); err != nil {
		t.Error(err)
	}
}

// TestOneReadForMany gathers a hundred times at once: the source is read once.
func TestOneReadForMany(t *testing.T) {
	r := prometheus.NewRegistry()
	var reads atomic.Int32
	if err := gauge.Register(r, gauge.Gauge{Name: "redrive_a_jobs", Help: "Jobs.", Read: gauge.Of(func() float64 { return float64(reads.Add(1)) })}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if n, err := testutil.GatherAndCount(r, "redrive_a_jobs"); n != 1 || err != nil {
				t.Errorf("gathered %d, %v", n, err)
			}
		})
	}
	all.Wait()
	if reads.Load() != 1 {
		t.Errorf("the source was read %d times", reads.Load())
	}
}

// TestTime has a source that hangs: it is left after the timeout, and asked
// again five seconds later.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := prometheus.NewRegistry()
		reads := 0
		err := gauge.Register(r, gauge.Gauge{Name: "redrive_a_jobs", Help: "Jobs.", Read: func(ctx context.Context, set gauge.Set) error {
			reads++
			set(1)
			<-ctx.Done()
			return ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		for round := 1; round <= 2; round++ {
			began := time.Now()
			for range 3 {
				if n, err := testutil.GatherAndCount(r, "redrive_a_jobs"); n != 0 || err != nil {
					t.Errorf("gathered %d, %v", n, err)
				}
			}
			if took := time.Since(began); reads != round || took != 2*time.Second {
				t.Errorf("round %d: %d reads in %v", round, reads, took)
			}
			time.Sleep(5 * time.Second) // of the bubble's clock
		}
	})
}

func TestAge(t *testing.T) {
	if a := gauge.Age(time.Time{}); a != 0 {
		t.Errorf("the age of nothing is %v", a)
	}
	if a := gauge.Age(time.Now().Add(time.Hour)); a != 0 {
		t.Errorf("the age of what is to come is %v", a)
	}
	if a := gauge.Age(time.Now().Add(-time.Hour)); a < 3600 || a > 3660 {
		t.Errorf("the age of an hour ago is %v", a)
	}
}
