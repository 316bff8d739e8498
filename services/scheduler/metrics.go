package scheduler

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// metrics counts transitions. It implements runner.Observer.
type metrics struct {
	jobs      *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	decisions *prometheus.CounterVec
	retries   *prometheus.CounterVec
	fallbacks *prometheus.CounterVec
	postponed prometheus.Counter
	recovery  prometheus.Histogram
	decide    prometheus.Histogram
	delay     prometheus.Histogram
}

// The reasons of fallbacks.
const (
	noVerdict      = "no_verdict"      // the plain policy decided
	originalConfig = "original_config" // an attempt started without asking for patches
)

// The outcomes of attempts and retries.
const (
	succeeded = "succeeded"
	failed    = "failed"
	cancelled = "cancelled"
	lost      = "lost" // failed, because nobody can say what became of it
)

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_jobs_total", Help: "Jobs by the state that they entered.",
		}, []string{"state"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_attempts_total", Help: "Attempts that ended, by outcome: succeeded, failed, lost or cancelled.",
		}, []string{"outcome"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_decisions_total", Help: "Decisions on failed attempts by action.",
		}, []string{"action"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_retries_total", Help: "Retries that ended, by outcome: succeeded, failed, lost or cancelled.",
		}, []string{"outcome"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_scheduler_fallbacks_total",
			Help: "What was done without another service that did not answer in time: decisions of the plain policy (no_verdict), attempts that started without asking for patches (original_config).",
		}, []string{"reason"}),
		postponed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_scheduler_postponed_total", Help: "Times that a due attempt was put off because the config service did not answer.",
		}),
		recovery: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_scheduler_time_to_recovery_seconds", Help: "From a job's first failure to its success.",
			Buckets: prometheus.ExponentialBuckets(0.1, 4, 10),
		}),
		decide: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_scheduler_decision_seconds", Help: "From the end of a failed attempt to its decision.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 11),
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redrive_scheduler_start_delay_seconds", Help: "From when an attempt was due to its start.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 11),
		}),
	}
	for _, o := range []string{succeeded, failed, lost, cancelled} {
		m.attempts.WithLabelValues(o)
		m.retries.WithLabelValues(o)
	}
	for _, reason := range []string{noVerdict, originalConfig} {
		m.fallbacks.WithLabelValues(reason)
	}
	if r != nil {
		r.MustRegister(m.jobs, m.attempts, m.decisions, m.retries, m.fallbacks, m.postponed, m.recovery, m.decide, m.delay)
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
			m.fallbacks.WithLabelValues(noVerdict).Inc()
		}
	}
	m.begun(before, after)
	if a, ok := endedAttempt(before, after); ok {
		m.ended(after, a)
	}
}

// begun counts an attempt that started, or was put off.
func (m *metrics) begun(before, after job.Job) {
	if !before.Waits() {
		return
	}
	if after.Waits() && !after.PostponedSince.IsZero() && after.Due.After(before.Due) {
		m.postponed.Inc()
	}
	a, ok := after.Last()
	if _, known := before.Attempt(a.Number); !ok || known {
		return
	}
	due := before.Due
	if !before.PostponedSince.IsZero() {
		due = before.PostponedSince
	}
	m.delay.Observe(max(a.Start.Sub(due), 0).Seconds())
	if len(a.Skipped) == 1 && a.Skipped[0].Patch == "" {
		m.fallbacks.WithLabelValues(originalConfig).Inc()
	}
}

// endedAttempt returns the attempt that a transition ended.
func endedAttempt(before, after job.Job) (job.Attempt, bool) {
	for i := len(after.Attempts) - 1; i >= 0; i-- {
		a := after.Attempts[i]
		if known, _ := before.Attempt(a.Number); !a.End.IsZero() && known.End.IsZero() {
			return a, true
		}
	}
	return job.Attempt{}, false
}

func (m *metrics) ended(after job.Job, a job.Attempt) {
	outcome := failed
	switch {
	case a.Succeeded:
		outcome = succeeded
	case a.Failure == "":
		outcome = cancelled // what was cancelled is no failure to decide on
	case a.Evidence.Reason == failure.Lost:
		outcome = lost
	}
	m.attempts.WithLabelValues(outcome).Inc()
	if a.Number == 1 {
		return
	}
	m.retries.WithLabelValues(outcome).Inc()
	if a.Succeeded {
		m.recovery.Observe(a.End.Sub(after.Attempts[0].End).Seconds())
	}
}
