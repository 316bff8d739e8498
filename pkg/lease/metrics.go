package lease

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
)

// metrics count also when nobody reads them.
type metrics struct {
	shards, replicas prometheus.Gauge
	renewals         *prometheus.CounterVec // of this service, by outcome
}

func newMetrics(r prometheus.Registerer, service string) (*metrics, error) {
	shards := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "redrive_lease_shards", Help: "Shards of a service that this replica holds; all replicas together hold 16.",
	}, []string{"service"})
	replicas := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "redrive_lease_replicas", Help: "Replicas of a service that this one sees alive, itself included.",
	}, []string{"service"})
	renewals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "redrive_lease_renewals_total", Help: "Renewals of this replica's leases, by outcome: ok, lost (others were faster) or failed.",
	}, []string{"service", "outcome"})
	var err error
	if r != nil {
		err = errors.Join(register(r, &shards), register(r, &replicas), register(r, &renewals))
	}
	return &metrics{
		shards: shards.WithLabelValues(service), replicas: replicas.WithLabelValues(service),
		renewals: renewals.MustCurryWith(prometheus.Labels{"service": service}),
	}, err
}

// register registers *c, or puts the one there that another service of this
// process registered before.
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
	return errs.New(errs.Internal, "register the metrics of the leases: %w", err)
}

func (m *metrics) tell(shards, replicas int) {
	m.shards.Set(float64(shards))
	m.replicas.Set(float64(replicas))
}

func (m *metrics) count(err error) {
	outcome := "failed"
	switch {
	case err == nil:
		outcome = "ok"
	case errs.Is(err, errs.Conflict):
		outcome = "lost"
	}
	m.renewals.WithLabelValues(outcome).Inc()
}
