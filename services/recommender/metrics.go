package recommender

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
)

type metrics struct {
	audits          *prometheus.CounterVec
	recommendations *prometheus.CounterVec
	duration        prometheus.Histogram
	rightsizings    *prometheus.CounterVec
}

// newMetrics registers the service's metrics with r; nil registers nothing.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		audits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_recommender_audits_total", Help: "Audits of models by their result: passed or failed.",
		}, []string{"result"}),
		recommendations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_recommender_recommendations_total", Help: "Recommendations by their outcome: change, keep or not_feasible.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_recommender_recommend_duration_seconds", Help: "How long a recommendation took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
		}),
	}
	for _, result := range []string{passed, failed} {
		m.audits.WithLabelValues(result) // so that the first one is an increase
	}
	m.rightsizings = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "redrive_recommender_rightsizings_total",
		Help: "Steps of right-sizing by what was done: proposed, approved (by policy), withdrawn, reverted.",
	}, []string{"action"})
	for _, a := range []tailor.Action{tailor.Proposed, tailor.Approved, tailor.Withdrawn, tailor.Reverted} {
		m.rightsizings.WithLabelValues(string(a))
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.audits), r.Register(m.recommendations), r.Register(m.duration), r.Register(m.rightsizings))
}

func (m *metrics) observe(outcome string, took time.Duration) {
	m.recommendations.WithLabelValues(strings.ToLower(strings.TrimPrefix(outcome, "OUTCOME_"))).Inc()
	m.duration.Observe(took.Seconds())
}

// audited counts an audit.
func (m *metrics) audited(well bool) {
	result := failed
	if well {
		result = passed
	}
	m.audits.WithLabelValues(result).Inc()
}

// The values of the label result.
const (
	passed = "passed"
	failed = "failed"
)

func (m *metrics) rightsized(a tailor.Action) { m.rightsizings.WithLabelValues(string(a)).Inc() }
