package ledger_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fail(t *testing.T, w *ledgertest.World, attempt int, at alert.Attention) {
	t.Helper()
	if err := w.Failed(t.Context(), ledgertest.Job, ledgertest.Failure(attempt, at), began); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, w *ledgertest.World, attempt int, cause alert.Cause) {
	t.Helper()
	e := alert.End{Point: alert.Through(attempt), Cause: cause, Time: began}
	if err := w.Ended(t.Context(), ledgertest.Job, e, began); err != nil {
		t.Fatal(err)
	}
}

func TestAlertAndItsNotificationsArePutTogether(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	for range 2 {
		fail(t, w, 1, alert.Nobody)
		fail(t, w, 2, alert.BeforeCap)
		fail(t, w, 3, alert.Permanent)
		end(t, w, 4, alert.Recovered)
	}
	a := w.Only(t)
	if a.State != alert.Resolved || a.FailureCount != 3 || !slices.Equal(a.Receivers, []string{"hook", "chat", "oncall"}) {
		t.Errorf("alert is %s with %d failures, told %v", a.State, a.FailureCount, a.Receivers)
	}
	want := []string{"trigger/warning", "trigger/page", "resolve"}
	for _, receiver := range a.Receivers {
		if got := w.Queue(t, a.ID, receiver); !slices.Equal(got, want) {
			t.Errorf("%s is told %v, want %v", receiver, got, want)
		}
	}
	lane, err := w.Store.Lane(t.Context(), a.ID, "oncall")
	if err != nil {
		t.Fatal(err)
	}
	var before []alert.Severity
	for _, x := range lane.Items {
		before = append(before, x.Notification.Before)
	}
	if !slices.Equal(before, []alert.Severity{alert.None, alert.Warning, alert.Page}) {
		t.Errorf("told before each: %v", before)
	}
	var told []string
	for _, e := range w.Events() {
		var m redrivev1.AlertChanged
		if err := e.Decode(&m); err != nil {
			t.Fatal(err)
		}
		told = append(told, e.ID+" "+m.GetAlert().GetSeverity().String()+" "+m.GetAlert().GetState().String())
		if m.GetAlert().GetRevision() == 0 || e.Subject != ledgertest.Job {
			t.Errorf("event %s has revision %d and subject %q", e.ID, m.GetAlert().GetRevision(), e.Subject)
		}
	}
	want = []string{
		a.ID + ".1 SEVERITY_INFO STATE_FIRING", a.ID + ".2 SEVERITY_WARNING STATE_FIRING",
		a.ID + ".3 SEVERITY_PAGE STATE_FIRING", a.ID + ".4 SEVERITY_PAGE STATE_RESOLVED",
	}
	if !slices.Equal(told, want) {
		t.Errorf("events %q, want %q", told, want)
	}
}

func TestNothingIsKeptOfAJobThatSucceedsAtOnce(t *testing.T) {
	w := ledgertest.Open(t, "")
	end(t, w, 1, alert.Recovered)
	h, err := w.Store.History(t.Context(), ledgertest.Job)
	if err != nil || h.Revision != 0 {
		t.Errorf("history = %+v, %v; want none", h, err)
	}
	end(t, w, 2, alert.Recovered)
	fail(t, w, 1, alert.Permanent)
	if a := w.Only(t); a.State != alert.Resolved || len(a.Receivers) != 0 || a.Told() != alert.None {
		t.Errorf("a failure that came after the success: %s, told %s", a.State, a.Told())
	}
}

func TestStopWaitsForItsDecision(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	s := alert.Stop{Point: alert.Point{Attempt: 1, Revision: 3}, Reason: "stopped", Source: "redrive", Time: began}
	if err := w.Stopped(t.Context(), ledgertest.Job, s, began.Add(time.Second)); !errs.Is(err, errs.NotFound) {
		t.Errorf("a stop before its decision: %v, want NotFound", err)
	}
	f := ledgertest.Failure(1, alert.Nobody)
	f.Stopped, f.Class = true, "cancelled"
	if err := w.Failed(t.Context(), ledgertest.Job, f, began); err != nil {
		t.Fatal(err)
	}
	if err := w.Stopped(t.Context(), ledgertest.Job, s, began.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if n := len(w.All(t)); n != 0 {
		t.Errorf("a cancelled job has %d alerts, want none", n)
	}
	const other = "jobs/other"
	if err := w.Stopped(t.Context(), other, s, began.Add(ledger.DecisionGrace)); err != nil {
		t.Errorf("a stop whose decision never came: %v", err)
	}
	if a := w.Only(t); a.Job != other || a.Severity != alert.Page {
		t.Errorf("alert of %s at %s, want %s at page", a.Job, a.Severity, other)
	}
}

func TestAcknowledge(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	fail(t, w, 1, alert.BeforeCap)
	id := w.Only(t).ID
	for range 2 {
		a, err := w.Acknowledge(t.Context(), id, "alice", began)
		if err != nil || a.State != alert.Acknowledged || a.AcknowledgedBy != "alice" || a.Revision != 2 {
			t.Fatalf("acknowledge = %s by %q at revision %d, %v", a.State, a.AcknowledgedBy, a.Revision, err)
		}
	}
	for receiver, want := range map[string][]string{
		"hook":   {"trigger/warning", "acknowledge/warning"},
		"oncall": {"trigger/warning", "acknowledge/warning"},
		"chat":   {"trigger/warning"},
	} {
		if got := w.Queue(t, id, receiver); !slices.Equal(got, want) {
			t.Errorf("%s is told %v, want %v", receiver, got, want)
		}
	}
	fail(t, w, 2, alert.Permanent)
	if a := w.Only(t); a.State != alert.Firing {
		t.Errorf("after it got worse: %s, want firing", a.State)
	}
	if _, err := w.Acknowledge(t.Context(), "nobody", "alice", began); !errs.Is(err, errs.NotFound) {
		t.Errorf("acknowledge of no alert = %v, want NotFound", err)
	}
}

func TestResolveByHandEndsTheEpisode(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	fail(t, w, 1, alert.Permanent)
	id := w.Only(t).ID
	for range 2 {
		a, err := w.Resolve(t.Context(), id, "alice", began)
		if err != nil || a.State != alert.Resolved {
			t.Fatalf("resolve = %s, %v", a.State, err)
		}
	}
	if got := w.Queue(t, id, "oncall"); !slices.Equal(got, []string{"trigger/page", "resolve"}) {
		t.Errorf("oncall is told %v", got)
	}
	if _, err := w.Acknowledge(t.Context(), id, "alice", began); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("acknowledge of a resolved alert = %v, want FailedPrecondition", err)
	}
	fail(t, w, 1, alert.Permanent) // told again
	if n := len(w.All(t)); n != 1 {
		t.Errorf("the same failure told again made %d alerts of 1", n)
	}
	fail(t, w, 2, alert.Permanent)
	if n := len(w.All(t)); n != 2 {
		t.Errorf("a new failure: %d alerts, want 2", n)
	}
}

// TestAlertThatThePolicyWantsNoMoreStillEnds changes the policy while an alert
// stands.
func TestAlertThatThePolicyWantsNoMoreStillEnds(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	fail(t, w, 1, alert.BeforeCap)
	id := w.Only(t).ID
	quiet := ledgertest.On(t, w.DB, ledgertest.Receivers+"thresholds: {first: none, before_cap: none, permanent: none, page_in_a_row: 0}")
	end(t, quiet, 2, alert.Recovered)
	if a := quiet.Only(t); a.State != alert.Resolved {
		t.Errorf("after the success: %s, want resolved", a.State)
	}
	if got := quiet.Queue(t, id, "oncall"); !slices.Equal(got, []string{"trigger/warning", "resolve"}) {
		t.Errorf("oncall is told %v", got)
	}
}

func TestManyAtATime(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	var all sync.WaitGroup
	again := func(do func() error) {
		all.Go(func() {
			for {
				err := do()
				if err == nil {
					return
				}
				if !errs.Is(err, errs.Conflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		for attempt := 1; attempt <= 6; attempt++ {
			again(func() error {
				return w.Failed(t.Context(), ledgertest.Job, ledgertest.Failure(attempt, alert.BeforeCap), began)
			})
		}
	}
	all.Wait()
	a := w.Only(t)
	if a.FailureCount != 6 || a.Attempt != 6 || a.Severity != alert.Page {
		t.Errorf("alert has %d failures, attempt %d, %s; want 6, 6, page", a.FailureCount, a.Attempt, a.Severity)
	}
	got := w.Queue(t, a.ID, "oncall")
	if got[len(got)-1] != "trigger/page" || len(got) > 2 {
		t.Errorf("oncall is told %v", got)
	}
}

func TestSweepByAge(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	keep := ledger.Keep{Age: 30 * 24 * time.Hour, Count: 100}
	sweep := func(now time.Time) {
		t.Helper()
		if err := w.Sweep(t.Context(), keep, now); err != nil {
			t.Fatal(err)
		}
	}
	fail(t, w, 1, alert.BeforeCap)
	sweep(began.Add(keep.Age))
	if a := w.Only(t); a.State != alert.Firing {
		t.Fatalf("at its age an alert is %s, want firing", a.State)
	}
	late := began.Add(keep.Age + time.Second)
	sweep(late)
	a := w.Only(t)
	if a.State != alert.Resolved || !slices.Contains(w.Queue(t, a.ID, "oncall"), "resolve") {
		t.Fatalf("beyond its age an alert is %s, and oncall is told %v", a.State, w.Queue(t, a.ID, "oncall"))
	}
	later := late.Add(keep.Age + time.Second)
	sweep(later)
	if n := len(w.All(t)); n != 1 {
		t.Fatal("an alert was deleted of which something is still to be told")
	}
	settleAll(t, w, a.ID)
	sweep(later)
	if n := len(w.All(t)); n != 0 {
		t.Errorf("%d alerts are left", n)
	}
	for _, kind := range []string{"notifier.history", "notifier.lane"} {
		if page, err := w.DB.List(t.Context(), docstore.Query{Kind: kind}); err != nil || len(page.Docs) != 0 {
			t.Errorf("%d documents of %s are left, %v", len(page.Docs), kind, err)
		}
	}
}

func settleAll(t *testing.T, w *ledgertest.World, id string) {
	t.Helper()
	lanes, err := w.Store.Lanes(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lanes {
		for head, ok := l.Head(); ok; head, ok = l.Head() {
			l, _ = l.Settle(head.Notification.Key, delivery.Outcome{}, delivery.Backoff{}, began, 0)
		}
		if err := w.Store.PutLane(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSweepByCount(t *testing.T) {
	w := ledgertest.Open(t, "")
	for i, job := range []string{"jobs/a", "jobs/b", "jobs/c", "jobs/d"} {
		now := began.Add(time.Duration(i) * time.Minute)
		if err := w.Failed(t.Context(), job, ledgertest.Failure(1, alert.Permanent), now); err != nil {
			t.Fatal(err)
		}
	}
	now := began.Add(time.Hour)
	if err := w.Sweep(t.Context(), ledger.Keep{Age: 24 * time.Hour, Count: 3}, now); err != nil {
		t.Fatal(err)
	}
	states := map[string]alert.State{}
	for _, a := range w.All(t) {
		states[a.Job] = a.State
	}
	if states["jobs/a"] != alert.Resolved || states["jobs/b"] != alert.Firing {
		t.Errorf("states %v, want the oldest one closed", states)
	}
	for i := range 2 {
		if err := w.Sweep(t.Context(), ledger.Keep{Age: 24 * time.Hour, Count: 1}, now.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.All(t)); n != 2 {
		t.Errorf("%d alerts are left, want one open and one resolved", n)
	}
}
