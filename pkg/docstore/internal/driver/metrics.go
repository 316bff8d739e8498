package driver

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Metrics are what a store measures. They count also when nobody reads them.
type Metrics struct {
	commits  prometheus.Histogram
	failures *prometheus.CounterVec
}

// NewMetrics registers the metrics of a store with r, unless it is nil. Stores
// of one process share them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_store_commit_duration_seconds", Help: "How long commits took until they were durable or refused.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_store_errors_total", Help: "Calls of the store that failed, by operation and kind of error. A conflict is a lost race.",
		}, []string{"operation", "kind"}),
	}
	if r == nil {
		return m, nil
	}
	err := errors.Join(register(r, &m.commits), register(r, &m.failures))
	return m, err
}

// register registers *c, or puts the one there that another store registered
// before.
func register[C prometheus.Collector](r prometheus.Registerer, c *C) error {
	err := r.Register(*c)
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := known.ExistingCollector.(C); ok {
			*c = same
			return nil
		}
	}
	return errs.New(errs.Internal, "register the metrics of the store: %w", err)
}

// Commit measures one commit that began at start and ended with err.
func (m *Metrics) Commit(start time.Time, err error) {
	m.commits.Observe(time.Since(start).Seconds())
	m.Count("commit", err)
}

// Count counts the failure of one operation. That something is not there is
// none.
func (m *Metrics) Count(operation string, err error) {
	if err == nil {
		return
	}
	kind := "internal"
	switch k := errs.KindOf(err); {
	case k == errs.NotFound:
		return
	case k == errs.Unavailable:
		kind = "unavailable"
	case k == errs.Conflict:
		kind = "conflict"
	case k == errs.Invalid:
		kind = "invalid"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = "ended"
	}
	m.failures.WithLabelValues(operation, kind).Inc()
}
