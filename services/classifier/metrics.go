package classifier

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/gauge"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

type metrics struct {
	failures     *prometheus.CounterVec
	unclassified prometheus.Counter
	unadvised    prometheus.Counter
	calls        *prometheus.CounterVec
	duration     prometheus.Histogram
}

// newMetrics registers the service's metrics with r; nil registers nothing.
func newMetrics(r prometheus.Registerer, b *book.Book, failures *store.Failures) (*metrics, error) {
	m := &metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_classifier_failures_total", Help: "Failures by their class, counted when they are final.",
		}, []string{"class"}),
		unclassified: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_classifier_unclassified_total", Help: "Failures that no rule knew.",
		}),
		unadvised: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_classifier_unadvised_total", Help: "Final failures on which the recommender has a say and did not have it: it refused, or did not answer for an hour.",
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_classifier_calls_total", Help: "What came of asking the recommender and the config service: ok, refused (not asked again) or failed (asked again).",
		}, []string{"to", "outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_classifier_classify_duration_seconds", Help: "How long reading, redacting and matching one failure took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	for _, to := range []string{toRecommender, toConfig} {
		for _, outcome := range []string{"ok", "refused", "failed"} {
			m.calls.WithLabelValues(to, outcome)
		}
	}
	if r == nil {
		return m, nil
	}
	rules := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "redrive_classifier_rules", Help: "Rules at work, those that are off among them.",
	}, func() float64 { return float64(len(b.Set().Rules())) })
	return m, errors.Join(
		r.Register(m.failures), r.Register(m.unclassified), r.Register(m.unadvised), r.Register(m.calls), r.Register(m.duration), r.Register(rules),
		gauge.Register(r,
			gauge.Gauge{
				Name: "redrive_classifier_open_failures", Help: "Failures that are not final; at most 100000 are counted." + gauge.Shared,
				Read: gauge.Value(func(ctx context.Context) (float64, error) {
					n, err := failures.CountOpen(ctx)
					return float64(n), err
				}),
			},
			gauge.Gauge{
				Name: "redrive_classifier_oldest_open_seconds", Help: "Age of a failure that is not final, the one that stands for longest; 0 when there is none." + gauge.Shared,
				Read: gauge.Value(func(ctx context.Context) (float64, error) {
					open, err := failures.Open(ctx, time.Now(), 1)
					if err != nil || len(open) == 0 {
						return 0, err
					}
					return gauge.Age(open[0].CreateTime), nil
				}),
			},
		))
}

func (m *metrics) done(f record.Failure) {
	m.failures.WithLabelValues(string(f.Result.Class)).Inc()
	if f.Result.Class == failure.Unknown {
		m.unclassified.Inc()
	}
	if f.Unadvised() {
		m.unadvised.Inc()
	}
}

func (m *metrics) classified(took time.Duration) { m.duration.Observe(took.Seconds()) }
