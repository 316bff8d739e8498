package alert_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

func tell(events ...event) *world {
	w := newWorld()
	for i, e := range events {
		w.learn(began.Add(time.Duration(i)*time.Second), e.add)
	}
	return w
}

// only returns the one alert of a world.
func only(t *testing.T, w *world) alert.Alert {
	t.Helper()
	if len(w.alerts) != 1 {
		t.Fatalf("there are %d alerts, want 1", len(w.alerts))
	}
	for _, a := range w.alerts {
		return a
	}
	return alert.Alert{}
}

func TestEachSeverityIsToldOnceAndOnlyIfWorse(t *testing.T) {
	w := tell(
		failed(1, 3, failure.Permission, alert.Nobody, 1), failed(2, 6, failure.Permission, alert.BeforeCap, 2),
		failed(3, 9, failure.Permission, alert.BeforeCap, 3), failed(4, 12, failure.Permission, alert.BeforeCap, 4),
		failed(5, 15, failure.Permission, alert.Permanent, 5), stopped(5, 15), ended(alert.Recovered, 6), ended(alert.Recovered, 6),
	)
	a := only(t, w)
	want := []alert.News{{alert.Trigger, alert.Info}, {alert.Trigger, alert.Warning}, {alert.Trigger, alert.Page}, {alert.Resolve, alert.Page}}
	if got := w.told[a.After]; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

func TestAcknowledgedAlertFiresAgainOnlyWhenItGetsWorse(t *testing.T) {
	w := tell(failed(1, 3, failure.Permission, alert.BeforeCap, 1))
	a, news, err := only(t, w).AcknowledgeBy("alice", began)
	if err != nil || len(news) != 1 || news[0].Action != alert.Acknowledge || a.State != alert.Acknowledged {
		t.Fatalf("acknowledged: %v %v %v", a.State, news, err)
	}
	if again, news, err := a.AcknowledgeBy("bob", began); err != nil || len(news) != 0 || again.AcknowledgedBy != "alice" {
		t.Errorf("a second acknowledgement changed the alert: by %q, news %v, %v", again.AcknowledgedBy, news, err)
	}
	w.put(a, nil)
	w.learn(began, failed(2, 6, failure.Permission, alert.BeforeCap, 2).add)
	if a := only(t, w); a.State != alert.Acknowledged || a.FailureCount != 2 || a.Attempt != 2 {
		t.Errorf("after as bad a failure: %s, %d failures, attempt %d; want acknowledged, 2, 2", a.State, a.FailureCount, a.Attempt)
	}
	w.learn(began, failed(3, 9, failure.Permission, alert.Permanent, 3).add)
	if a := only(t, w); a.State != alert.Firing || a.Severity != alert.Page {
		t.Errorf("after a worse failure: %s %s, want firing page", a.State, a.Severity)
	}
	w.learn(began, ended(alert.Cancelled, 3).add)
	if _, _, err := only(t, w).AcknowledgeBy("alice", began); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("acknowledging a resolved alert = %v, want FailedPrecondition", err)
	}
}

func TestLaterFailureIsANewAlert(t *testing.T) {
	w := tell(failed(1, 3, failure.Permission, alert.BeforeCap, 1), ended(alert.ByHand, 1), failed(2, 6, failure.Permission, alert.BeforeCap, 2))
	if len(w.alerts) != 2 {
		t.Fatalf("there are %d alerts, want 2", len(w.alerts))
	}
	ids := map[string]bool{}
	for _, a := range w.alerts {
		ids[a.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("the alerts have the ids %v, want two different ones", ids)
	}
	w.learn(began, failed(1, 4, failure.Permission, alert.Permanent, 1).add)
	if a := w.alerts[alert.Point{Attempt: -1}]; a.State != alert.Resolved {
		t.Errorf("a failure told again with a later revision opened a resolved alert: %s", a.State)
	}
}

func TestStopAfterAnAlertWasClosedByHandIsANewAlert(t *testing.T) {
	w := tell(failed(1, 3, failure.Throttling, alert.BeforeCap, 1))
	seen := w.facts.Episodes(rate)[0].Seen
	w.learn(began, func(x *alert.Facts) { x.AddEnd(alert.End{Point: seen, Cause: alert.ByHand, By: "alice"}, rate) })
	w.learn(began, stopped(1, 5).add)
	if a := w.alerts[seen]; a.State != alert.Firing || a.Severity != alert.Page {
		t.Errorf("the deadline after the alert was closed: %s %s, want firing page", a.State, a.Severity)
	}
}

func TestOldDetailsAreForgottenAndCounted(t *testing.T) {
	w := newWorld()
	const failures = 3 * alert.MaxFailures
	w.learn(began, failed(1, 3, failure.Unknown, alert.BeforeCap, 1).add)
	for i := 2; i <= failures; i++ {
		w.learn(began, failed(i, int64(3*i), failure.Throttling, alert.Nobody, 1).add)
	}
	if got := len(w.facts.Failures); got != alert.MaxFailures {
		t.Errorf("%d failures are remembered, want %d", got, alert.MaxFailures)
	}
	w.learn(began, failed(1, 3, failure.Unknown, alert.BeforeCap, 1).add) // told again
	if a := only(t, w); a.FailureCount != failures || a.Severity != alert.Warning {
		t.Errorf("the alert has %d failures at %s, want %d at warning", a.FailureCount, a.Severity, failures)
	}
	w.learn(began, ended(alert.Recovered, failures+1).add)
	for i := range failures {
		w.learn(began, failed(failures+2+2*i, 0, failure.Throttling, alert.Nobody, 1).add)
		w.learn(began, ended(alert.Recovered, failures+3+2*i).add)
	}
	if n := len(w.facts.Failures) + len(w.facts.Ends); n > 2*alert.MaxFailures+1 {
		t.Errorf("%d facts are remembered after many episodes", n)
	}
	w.learn(began, failed(1, 3, failure.Unknown, alert.Permanent, 1).add)
	for after, a := range w.alerts {
		if a.State != alert.Resolved {
			t.Errorf("alert after %v is %s, want resolved", after, a.State)
		}
	}
}

func TestTextsSayWhatAHumanNeeds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events []event
		action []string // parts
		safe   []string
	}{
		{
			"a retry is planned",
			[]event{failed(2, 3, failure.Permission, alert.BeforeCap, 2)},
			[]string{"Decided: reason 2.", "Attempt 3 starts at 2026-03-01T12:02:00Z."},
			[]string{"A retry is planned already", "not known to Redrive"},
		},
		{
			"stopped",
			[]event{failed(1, 3, failure.CodeBug, alert.Permanent, 1)},
			[]string{"Stopped: reason 1.", "redrive retry etl"},
			[]string{"never starts an attempt while another one runs", "not known to Redrive"},
		},
		{
			"recovered",
			[]event{failed(1, 3, failure.Throttling, alert.BeforeCap, 1), ended(alert.Recovered, 2)},
			[]string{"Recovered: attempt 2 succeeded."},
			[]string{"No retry is needed"},
		},
		{
			"stopped by a deadline",
			[]event{failed(1, 3, failure.Throttling, alert.Nobody, 1), stopped(1, 4)},
			[]string{"Stopped: stopped for good.", "redrive retry etl"},
			[]string{"never starts an attempt while another one runs"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := only(t, tell(tc.events...))
			for _, part := range tc.action {
				if !strings.Contains(a.Action, part) {
					t.Errorf("action %q does not say %q", a.Action, part)
				}
			}
			for _, part := range tc.safe {
				if !strings.Contains(a.SafeToRetry, part) {
					t.Errorf("safe to retry %q does not say %q", a.SafeToRetry, part)
				}
			}
			if a.Summary == "" || strings.Contains(a.Summary, "\n") {
				t.Errorf("summary %q is not one line", a.Summary)
			}
		})
	}
}

func FuzzCut(f *testing.F) {
	f.Add("plain", 10)
	f.Add("żółć\x00\xff…", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 1<<16))
		got := alert.Cut(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b\x7f") {
			t.Errorf("Cut(%q, %d) = %q", s, limit, got)
		}
	})
}

func TestFailureIsCutToItsBounds(t *testing.T) {
	long := strings.Repeat("x\n", 10_000)
	f := alert.Failure{Summary: long, Reason: long, Runbook: long, Owner: long, Excerpt: strings.Split(strings.Repeat(long+"\x00", 3), "\x00")}
	for range 100 {
		f.Excerpt = append(f.Excerpt, long)
	}
	f = f.Bounded()
	if len(f.Summary) > alert.MaxSummary || len(f.Reason) > alert.MaxText || len(f.Runbook) > alert.MaxText || len(f.Owner) > alert.MaxName {
		t.Errorf("texts have %d, %d, %d, %d bytes", len(f.Summary), len(f.Reason), len(f.Runbook), len(f.Owner))
	}
	if len(f.Excerpt) != alert.MaxExcerptLines || len(f.Excerpt[0]) > alert.MaxExcerptLine {
		t.Errorf("excerpt has %d lines, the first of %d bytes", len(f.Excerpt), len(f.Excerpt[0]))
	}
}
