package recommender

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
)

type metrics struct {
	audits          *prometheus.CounterVec
	trainings       *prometheus.CounterVec
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
		trainings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_recommender_trainings_total", Help: "Trainings that ended, by their result: done or failed.",
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
	for _, result := range []string{done, failed} {
		m.trainings.WithLabelValues(result)
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
	return m, errors.Join(r.Register(m.audits), r.Register(m.trainings), r.Register(m.recommendations), r.Register(m.duration), r.Register(m.rightsizings))
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
	done   = "done"
)

// counted counts the trainings that end here.
type counted struct {
	rollout.Trainings
	ended *prometheus.CounterVec
}

// Put implements rollout.Trainings.
func (c counted) Put(ctx context.Context, t rollout.Training) (rollout.Training, error) {
	t, err := c.Trainings.Put(ctx, t)
	if err == nil && t.State == rollout.Failed {
		c.ended.WithLabelValues(failed).Inc()
	}
	return t, err
}

// End implements rollout.Trainings.
func (c counted) End(ctx context.Context, t rollout.Training, m rollout.Model, s *rollout.Serving) error {
	err := c.Trainings.End(ctx, t, m, s)
	if err == nil {
		c.ended.WithLabelValues(done).Inc()
	}
	return err
}

func (m *metrics) rightsized(a tailor.Action) { m.rightsizings.WithLabelValues(string(a)).Inc() }
