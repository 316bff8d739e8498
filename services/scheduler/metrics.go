package scheduler

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// metrics counts transitions. It implements runner.Observer.
type metrics struct {
	jobs      *prometheus.CounterVec
	decisions *prometheus.CounterVec
	retries   *prometheus.CounterVec
	fallbacks prometheus.Counter
	recovery  prometheus.Histogram
	decide    prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_jobs_total", Help: "Jobs by the state that they entered.",
		}, []string{"state"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_decisions_total", Help: "Decisions on failed attempts by action.",
		}, []string{"action"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_retries_total", Help: "Retries by their outcome.",
		}, []string{"outcome"}),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_scheduler_fallbacks_total", Help: "Decisions that the plain policy made because no verdict came in time.",
		}),
		recovery: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_scheduler_time_to_recovery_seconds", Help: "From a job's first failure to its success.",
			Buckets: prometheus.ExponentialBuckets(0.1, 4, 10),
		}),
		decide: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_scheduler_decision_seconds", Help: "From the end of a failed attempt to its decision.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 11),
		}),
	}
	if r != nil {
		r.MustRegister(m.jobs, m.decisions, m.retries, m.fallbacks, m.recovery, m.decide)
	}
	return m
}

// Moved implements runner.Observer.
func (m *metrics) Moved(before, after job.Job, d *policy.Decision) {
	if after.State != before.State {
		m.jobs.WithLabelValues(after.State.String()).Inc()
	}
	if d != nil {
		m.decisions.WithLabelValues([...]string{"none", "retry", "retry_with_config", "stop"}[d.Action]).Inc()
		if a, ok := after.Attempt(d.Attempt); ok {
			m.decide.Observe(d.Created.Sub(a.End).Seconds())
		}
		if d.Inputs.Verdict.Degraded {
			m.fallbacks.Inc()
		}
	}
	last, ok := after.Last()
	if known, _ := before.Attempt(last.Number); !ok || last.Number == 1 || last.End.IsZero() || !known.End.IsZero() {
		return // no retry ended
	}
	outcome := "failed"
	switch {
	case last.Succeeded:
		outcome = "succeeded"
		m.recovery.Observe(last.End.Sub(after.Attempts[0].End).Seconds())
	case after.State == job.Cancelled:
		outcome = "cancelled"
	}
	m.retries.WithLabelValues(outcome).Inc()
}
