package bus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
)

// metrics are the bus's counters. They count also when nobody reads them.
type metrics struct {
	handled       *prometheus.CounterVec // by consumer and outcome
	published     *prometheus.CounterVec // by type
	publishErrors prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_bus_handled_total", Help: "Deliveries handled, by consumer and outcome.",
		}, []string{"consumer", "outcome"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_bus_published_total", Help: "Events published, by type.",
		}, []string{"type"}),
		publishErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_bus_publish_errors_total", Help: "Batches of events that were not known to be durable after publishing.",
		}),
	}
	if r == nil {
		return m, nil
	}
	var err error
	if m.handled, err = register(r, m.handled); err != nil {
		return nil, err
	}
	if m.published, err = register(r, m.published); err != nil {
		return nil, err
	}
	m.publishErrors, err = register(r, m.publishErrors)
	return m, err
}

// register registers c, or returns the one that another bus of this process
// registered before.
func register[C prometheus.Collector](r prometheus.Registerer, c C) (C, error) {
	err := r.Register(c)
	if err == nil {
		return c, nil
	}
	if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := known.ExistingCollector.(C); ok {
			return same, nil
		}
	}
	return c, errs.New(errs.Internal, "register the metrics of the bus: %w", err)
}
