package dispatch

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
)

type metrics struct {
	sent    *prometheus.CounterVec
	failed  *prometheus.CounterVec
	retries prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_notifier_notifications_delivered_total", Help: "Notifications that a receiver took.",
		}, []string{"action"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_notifier_notifications_failed_total", Help: "Notifications that were given up.",
		}, []string{"reason"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_notifier_notification_retries_total", Help: "Tries that failed and are made again.",
		}),
	}
	for _, a := range []alert.Action{alert.Trigger, alert.Acknowledge, alert.Resolve} {
		m.sent.WithLabelValues(string(a))
	}
	for _, r := range []string{delivery.Rejected, delivery.Expired, delivery.Unknown} {
		m.failed.WithLabelValues(r)
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.sent), reg.Register(m.failed), reg.Register(m.retries))
}
