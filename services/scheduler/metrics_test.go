package scheduler

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// counted returns the values of all counters and the counts of all histograms,
// by name and label.
func counted(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var name strings.Builder
			name.WriteString(f.GetName())
			for _, l := range m.GetLabel() {
				name.WriteString(" " + l.GetValue())
			}
			all[name.String()] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestMetricsCountEachThingOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	ended := func(n int, ok bool) job.Ended { return job.Ended{Attempt: n, Succeeded: ok} }
	for _, source := range []string{failure.Own, "airflow"} {
		j := job.Job{ID: "etl", Source: source, SourceJob: "etl", State: job.Queued, Due: start, Created: start, Updated: start, BudgetStart: start}
		now := start
		step := func(e job.Event) {
			t.Helper()
			now = now.Add(time.Second)
			next, _, changed, err := job.Step(j, e, now)
			if err != nil {
				t.Fatal(err)
			}
			var d *policy.Decision
			if e, ok := e.(job.Decided); ok {
				d = &e.Decision
			}
			if changed {
				m.Moved(j, next, d)
			}
			j = next
		}
		decide := func(n int) {
			v := policy.Verdict{Class: failure.NetworkTransient, Category: failure.CategorySystem, Verdict: failure.Retry, Degraded: n == 2}
			d := policy.Decide(j.PolicyInputs(n, v, policy.Defaults().Of(v.Class, v.Verdict), 1, now))
			d.Attempt = n
			step(job.Decided{Decision: d})
		}
		for n := 1; n <= 3; n++ {
			step(job.Started{})
			step(ended(n, n == 3))
			step(ended(n, n == 3)) // once more changes nothing
			if n < 3 {
				decide(n)
			}
		}
	}
	for name, want := range map[string]float64{
		"redrive_scheduler_jobs_total SUCCEEDED":       2,
		"redrive_scheduler_jobs_total RUNNING":         3, // only ours are seen running
		"redrive_scheduler_jobs_total CLASSIFYING":     4,
		"redrive_scheduler_decisions_total retry":      4,
		"redrive_scheduler_retries_total failed":       2,
		"redrive_scheduler_retries_total succeeded":    2,
		"redrive_scheduler_attempts_total failed":      4,
		"redrive_scheduler_attempts_total succeeded":   2,
		"redrive_scheduler_fallbacks_total no_verdict": 2,
		"redrive_scheduler_start_delay_seconds":        3,
		"redrive_scheduler_time_to_recovery_seconds":   2,
		"redrive_scheduler_decision_seconds":           4,
	} {
		if got := counted(t, registry)[name]; got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

// TestMetricsOfAbsentServices has a config service that does not answer, and an
// attempt that is lost and one that is cancelled.
func TestMetricsOfAbsentServices(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	j := job.Job{ID: "etl", Source: failure.Own, SourceJob: "etl", State: job.Queued, Due: start, Created: start, Updated: start, BudgetStart: start}
	now := start
	step := func(e job.Event) {
		t.Helper()
		now = now.Add(time.Second)
		next, _, _, err := job.Step(j, e, now)
		if err != nil {
			t.Fatal(err)
		}
		var d *policy.Decision
		if e, ok := e.(job.Decided); ok {
			d = &e.Decision
		}
		m.Moved(j, next, d)
		j = next
	}
	step(job.Postponed{Due: now.Add(10 * time.Second)})
	step(job.Postponed{Due: now.Add(30 * time.Second)})
	step(job.Started{Skipped: []job.Skip{{Reason: "the config service could not be asked"}}})
	step(job.Ended{Attempt: 1, Evidence: failure.Evidence{Reason: failure.Lost}})
	v := policy.Verdict{Class: failure.NetworkTransient, Category: failure.CategorySystem, Verdict: failure.Retry}
	d := policy.Decide(j.PolicyInputs(1, v, policy.Defaults().Of(v.Class, v.Verdict), 1, now))
	d.Attempt = 1
	step(job.Decided{Decision: d})
	step(job.Started{Skipped: []job.Skip{{Patch: "patches/p", Reason: "its guard does not hold"}}})
	step(job.CancelAsked{})
	step(job.Ended{Attempt: 2})
	for name, want := range map[string]float64{
		"redrive_scheduler_postponed_total":                 2,
		"redrive_scheduler_fallbacks_total original_config": 1,
		"redrive_scheduler_fallbacks_total no_verdict":      0,
		"redrive_scheduler_attempts_total lost":             1,
		"redrive_scheduler_attempts_total cancelled":        1,
		"redrive_scheduler_retries_total cancelled":         1,
		"redrive_scheduler_retries_total failed":            0,
		"redrive_scheduler_start_delay_seconds":             2,
	} {
		if got := counted(t, registry)[name]; got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}
