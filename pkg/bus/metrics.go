package bus

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
)

// metrics are the bus's counters. They count also when nobody reads them.
type metrics struct {
	handled       *prometheus.CounterVec // by consumer and outcome
	published     *prometheus.CounterVec // by type
	publishErrors prometheus.Counter
	duration      *prometheus.HistogramVec // by consumer
	delay         *prometheus.HistogramVec // by consumer
	paused        *prometheus.GaugeVec     // by consumer
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
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redrive_bus_handle_duration_seconds", Help: "How long handling one delivery took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 3, 11),
		}, []string{"consumer"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redrive_bus_delivery_delay_seconds", Help: "From when an event was stored to its first handling by a consumer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 12),
		}, []string{"consumer"}),
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "redrive_bus_consumer_paused", Help: "1 while a consumer of this process holds back because what it depends on is away.",
		}, []string{"consumer"}),
	}
	if r == nil {
		return m, nil
	}
	var err error
	if m.duration, err = register(r, m.duration); err != nil {
		return nil, err
	}
	if m.delay, err = register(r, m.delay); err != nil {
		return nil, err
	}
	if m.paused, err = register(r, m.paused); err != nil {
		return nil, err
	}
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

// consumerMetrics are those of one consumer, found once.
type consumerMetrics struct {
	handled         *prometheus.CounterVec // by outcome
	duration, delay prometheus.Observer
	paused          prometheus.Gauge
}

func (m *metrics) of(consumer string) consumerMetrics {
	return consumerMetrics{
		handled:  m.handled.MustCurryWith(prometheus.Labels{"consumer": consumer}),
		duration: m.duration.WithLabelValues(consumer), delay: m.delay.WithLabelValues(consumer), paused: m.paused.WithLabelValues(consumer),
	}
}

// settled counts a delivery that was handled from began to now, and whether the
// consumer pauses.
func (m consumerMetrics) settled(outcome string, delivery int, stored, began, now time.Time, pauses bool) {
	m.handled.WithLabelValues(outcome).Inc()
	m.duration.Observe(now.Sub(began).Seconds())
	if delivery == 1 {
		m.delay.Observe(max(began.Sub(stored), 0).Seconds())
	}
	paused := 0.0
	if pauses {
		paused = 1
	}
	m.paused.Set(paused)
}
