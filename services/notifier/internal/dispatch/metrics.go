package dispatch

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/gauge"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
)

type metrics struct {
	sent    *prometheus.CounterVec
	failed  *prometheus.CounterVec
	retries prometheus.Counter
	took    *prometheus.HistogramVec
}

// newMetrics registers the metrics with reg; nil registers nothing. The names of
// receivers are those of the policy.
func newMetrics(reg prometheus.Registerer, s *store.Store, outlets []Outlet) (*metrics, error) {
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
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redrive_notifier_send_duration_seconds", Help: "How long one try to tell a receiver took.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}, []string{"receiver"}),
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
	return m, errors.Join(
		reg.Register(m.sent), reg.Register(m.failed), reg.Register(m.retries), reg.Register(m.took),
		gauge.Register(reg,
			gauge.Gauge{
				Name: "redrive_notifier_alerts_open", Help: "Alerts that are not resolved, by state; at most 100000 of each are counted." + gauge.Shared,
				Labels: []string{"state"},
				Read: func(ctx context.Context, set gauge.Set) error {
					for _, state := range []alert.State{alert.Firing, alert.Acknowledged} {
						n, err := s.CountState(ctx, state)
						if err != nil {
							return err
						}
						set(float64(n), state.String())
					}
					return nil
				},
			},
			gauge.Gauge{
				Name: "redrive_notifier_notifications_waiting", Help: "Alerts of which a receiver has something to hear; at most 100000 of each are counted." + gauge.Shared,
				Labels: []string{"receiver"},
				Read: func(ctx context.Context, set gauge.Set) error {
					for _, o := range outlets {
						n, err := s.CountDue(ctx, o.Name)
						if err != nil {
							return err
						}
						set(float64(n), o.Name)
					}
					return nil
				},
			},
			gauge.Gauge{
				Name: "redrive_notifier_oldest_notification_seconds", Help: "Age of what a receiver has to hear next; 0 when there is nothing." + gauge.Shared,
				Labels: []string{"receiver"},
				Read: func(ctx context.Context, set gauge.Set) error {
					for _, o := range outlets {
						lane, _, err := s.Due(ctx, o.Name)
						if err != nil {
							return err
						}
						head, _ := lane.Head()
						set(gauge.Age(head.Notification.Time), o.Name)
					}
					return nil
				},
			},
		))
}
