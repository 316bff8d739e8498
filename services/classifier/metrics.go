package classifier

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
)

type metrics struct {
	failures     *prometheus.CounterVec
	unclassified prometheus.Counter
	duration     prometheus.Histogram
}

// newMetrics registers the service's metrics with r; nil registers nothing.
func newMetrics(r prometheus.Registerer, b *book.Book) (*metrics, error) {
	m := &metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_classifier_failures_total", Help: "Failures by their class, counted when they are final.",
		}, []string{"class"}),
		unclassified: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_classifier_unclassified_total", Help: "Failures that no rule knew.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_classifier_classify_duration_seconds", Help: "How long reading, redacting and matching one failure took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	if r == nil {
		return m, nil
	}
	rules := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "redrive_classifier_rules", Help: "Rules at work, those that are off among them.",
	}, func() float64 { return float64(len(b.Set().Rules())) })
	return m, errors.Join(r.Register(m.failures), r.Register(m.unclassified), r.Register(m.duration), r.Register(rules))
}

func (m *metrics) done(f record.Failure) {
	m.failures.WithLabelValues(string(f.Result.Class)).Inc()
	if f.Result.Class == failure.Unknown {
		m.unclassified.Inc()
	}
}

func (m *metrics) classified(took time.Duration) { m.duration.Observe(took.Seconds()) }
