package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/dispatch"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
)

// phone is a receiver in this process: answer decides, and what it was called
// with can be waited for.
type phone struct {
	answer func(ctx context.Context, n alert.Notification) (bool, error)
	calls  chan string
}

func newPhone(answer func(ctx context.Context, n alert.Notification) (bool, error)) *phone {
	return &phone{answer, make(chan string, 1000)}
}

func (p *phone) Send(ctx context.Context, n alert.Notification) (bool, error) {
	p.calls <- n.Alert.Job + " " + n.Key[len(n.Alert.ID)+1:]
	if p.answer == nil {
		return false, nil
	}
	return p.answer(ctx, n)
}

// next waits for the next call.
func (p *phone) next(t *testing.T) string {
	t.Helper()
	select {
	case call := <-p.calls:
		return call
	case <-t.Context().Done():
		return ""
	}
}

var quick = delivery.Backoff{Min: time.Millisecond, Max: 2 * time.Millisecond, For: time.Hour}

func outlet(name string, r dispatch.Receiver) dispatch.Outlet {
	return dispatch.Outlet{Name: name, Receiver: r, Timeout: time.Minute, Backoff: quick}
}

// start runs a dispatcher until stop is called or the test ends.
func start(t *testing.T, w *ledgertest.World, reg prometheus.Registerer, outlets ...dispatch.Outlet) (d *dispatch.Dispatcher, stop func()) {
	t.Helper()
	d, err := dispatch.New(w.Store, outlets, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return d, stop
}

func fail(t *testing.T, w *ledgertest.World, job string, attempt int, at alert.Attention) {
	t.Helper()
	if err := w.Failed(t.Context(), job, ledgertest.Failure(attempt, at), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func recovered(t *testing.T, w *ledgertest.World, job string) {
	t.Helper()
	e := alert.End{Point: alert.Through(9), Cause: alert.Recovered, Time: time.Now()}
	if err := w.Ended(t.Context(), job, e, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, p *phone, want ...string) {
	t.Helper()
	for _, call := range want {
		if got := p.next(t); got != call {
			t.Fatalf("the receiver was told %q, want %q", got, call)
		}
	}
}

// item waits until the first notification to a receiver about an alert is in a
// state, nudged on by what the dispatcher does.
func item(t *testing.T, w *ledgertest.World, receiver string, want delivery.State) delivery.Item {
	t.Helper()
	for {
		lane, err := w.Store.Lane(t.Context(), w.Only(t).ID, receiver)
		if err != nil {
			t.Fatal(err)
		}
		if len(lane.Items) > 0 && lane.Items[0].State == want {
			return lane.Items[0]
		}
	}
}

func TestTriedUntilDeliveredAndInOrder(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	tries := 0
	oncall := newPhone(func(context.Context, alert.Notification) (bool, error) {
		if tries++; tries <= 3 {
			return true, errs.New(errs.Unavailable, "down")
		}
		return false, nil
	})
	fail(t, w, ledgertest.Job, 1, alert.Permanent)
	recovered(t, w, ledgertest.Job)
	reg := prometheus.NewRegistry()
	start(t, w, reg, outlet("oncall", oncall))
	const trigger, resolve = ledgertest.Job + " trigger/page", ledgertest.Job + " resolve"
	expect(t, oncall, trigger, trigger, trigger, trigger, resolve)
	if got := item(t, w, "oncall", delivery.Delivered); got.Tries != 4 || got.Error != "" {
		t.Errorf("delivered after %d tries, error %q; want 4 and none", got.Tries, got.Error)
	}
}

func TestNewServiceSendsWhatIsDue(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	down := newPhone(func(context.Context, alert.Notification) (bool, error) { return true, errors.New("down") })
	_, stop := start(t, w, nil, outlet("oncall", down), outlet("hook", newPhone(nil)))
	fail(t, w, ledgertest.Job, 1, alert.Permanent)
	recovered(t, w, ledgertest.Job)
	stop()
	up := newPhone(nil)
	start(t, w, nil, outlet("oncall", up))
	expect(t, up, ledgertest.Job+" trigger/page", ledgertest.Job+" resolve")
}

// TestDeadReceiverDelaysNoOther has one receiver that never answers, with more
// to send to it than are sent at a time.
func TestDeadReceiverDelaysNoOther(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	dead := newPhone(func(ctx context.Context, _ alert.Notification) (bool, error) {
		<-ctx.Done()
		return true, ctx.Err()
	})
	alive := newPhone(nil)
	d, stop := start(t, w, nil, outlet("oncall", dead), outlet("hook", alive))
	told := map[string]bool{}
	const jobs = 12
	for i := range jobs {
		fail(t, w, fmt.Sprintf("jobs/j%d", i), 1, alert.Permanent)
		d.Nudge("oncall")
		d.Nudge("hook")
	}
	for range jobs {
		told[alive.next(t)] = true
	}
	if len(told) != jobs {
		t.Errorf("told of %d jobs, want %d", len(told), jobs)
	}
	stop() // interrupts what hangs
	if n := len(dead.calls); n > 4 {
		t.Errorf("%d sendings to one receiver ran at a time", n)
	}
	lanes := 0
	for _, a := range w.All(t) {
		lane, err := w.Store.Lane(t.Context(), a.ID, "oncall")
		if err != nil {
			t.Fatal(err)
		}
		if head, pending := lane.Head(); pending && head.Tries == 0 && !head.Due.After(time.Now()) {
			lanes++
		}
	}
	if lanes != jobs {
		t.Errorf("%d notifications wait for the dead receiver with their tries not counted, want %d", lanes, jobs)
	}
}

func TestRefusalIsFinalAndCounted(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	hook := newPhone(func(context.Context, alert.Notification) (bool, error) {
		return false, errs.New(errs.FailedPrecondition, "answered 404: no such hook")
	})
	reg := prometheus.NewRegistry()
	fail(t, w, ledgertest.Job, 1, alert.Permanent)
	recovered(t, w, ledgertest.Job)
	_, stop := start(t, w, reg, outlet("hook", hook))
	expect(t, hook, ledgertest.Job+" trigger/page", ledgertest.Job+" resolve")
	stop()
	if got := item(t, w, "hook", delivery.Failed); got.Tries != 1 || !strings.Contains(got.Error, "no such hook") {
		t.Errorf("given up after %d tries: %q", got.Tries, got.Error)
	}
	const want = `
# HELP redrive_notifier_notifications_failed_total Notifications that were given up.
# TYPE redrive_notifier_notifications_failed_total counter
redrive_notifier_notifications_failed_total{reason="expired"} 0
redrive_notifier_notifications_failed_total{reason="rejected"} 2
redrive_notifier_notifications_failed_total{reason="unknown_receiver"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "redrive_notifier_notifications_failed_total"); err != nil {
		t.Error(err)
	}
}

// TestReceiverThatAsksToWaitIsLeftAlone has a receiver ask for an hour's rest;
// what comes after that is not even tried.
func TestReceiverThatAsksToWaitIsLeftAlone(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	busy := newPhone(func(context.Context, alert.Notification) (bool, error) {
		return true, errs.Again(time.Hour, "429")
	})
	other := newPhone(nil)
	fail(t, w, "jobs/a", 1, alert.Permanent)
	d, stop := start(t, w, nil, outlet("oncall", busy), outlet("hook", other))
	expect(t, busy, "jobs/a trigger/page")
	expect(t, other, "jobs/a trigger/page")
	lane := item(t, w, "oncall", delivery.Pending)
	for lane.Error == "" { // until the outcome is written down
		lane = item(t, w, "oncall", delivery.Pending)
	}
	if wait := time.Until(lane.Due); wait < 50*time.Minute {
		t.Errorf("the next try is in %v, want an hour", wait)
	}
	fail(t, w, "jobs/b", 1, alert.Permanent)
	d.Nudge("oncall")
	d.Nudge("hook")
	expect(t, other, "jobs/b trigger/page")
	stop()
	if len(busy.calls) != 0 {
		t.Errorf("a receiver that asked to wait was told %q", <-busy.calls)
	}
}

// TestReceiverThatFailsAtEverythingGetsARest has much to send to a receiver that
// is down: only a few tries find that out.
func TestReceiverThatFailsAtEverythingGetsARest(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	const jobs = 40
	for i := range jobs {
		fail(t, w, fmt.Sprintf("jobs/j%d", i), 1, alert.Permanent)
	}
	down := newPhone(func(context.Context, alert.Notification) (bool, error) { return true, errors.New("down") })
	up := newPhone(nil)
	patient := outlet("oncall", down)
	patient.Backoff = delivery.Backoff{Min: time.Hour, Max: time.Hour, For: 24 * time.Hour}
	_, stop := start(t, w, nil, patient, outlet("hook", up))
	for range jobs {
		up.next(t)
	}
	stop()
	if n := len(down.calls); n < 1 || n > 8 {
		t.Errorf("a receiver that is down was tried %d times, want a few", n)
	}
}

// TestTwoDispatchersSendOnce has two replicas look at the same store.
func TestTwoDispatchersSendOnce(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	oncall := newPhone(nil)
	const jobs = 20
	for i := range jobs {
		fail(t, w, fmt.Sprintf("jobs/j%d", i), 1, alert.Permanent)
	}
	_, stop1 := start(t, w, nil, outlet("oncall", oncall))
	_, stop2 := start(t, w, nil, outlet("oncall", oncall))
	told := map[string]int{}
	for range jobs {
		told[oncall.next(t)]++
	}
	stop1()
	stop2()
	if len(told) != jobs || len(oncall.calls) != 0 {
		t.Errorf("%d jobs were told, want %d once each; %d more calls", len(told), jobs, len(oncall.calls))
	}
}

func TestNotificationsOfAReceiverThatIsGoneAreGivenUp(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	for i := range 3 {
		fail(t, w, fmt.Sprintf("jobs/j%d", i), 1, alert.Permanent)
	}
	d, err := dispatch.New(w.Store, []dispatch.Outlet{outlet("hook", newPhone(nil))}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	pending := func() map[string]int {
		count := map[string]int{}
		for _, a := range w.All(t) {
			lanes, err := w.Store.Lanes(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range lanes {
				if _, ok := l.Head(); ok {
					count[l.Receiver]++
				}
			}
		}
		return count
	}
	if err := d.Abandon(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := pending(); got["chat"] != 3 || got["oncall"] != 3 {
		t.Errorf("soon after: %v pending, want all", got)
	}
	if err := d.Abandon(t.Context(), time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := pending(); got["chat"] != 0 || got["oncall"] != 0 || got["hook"] != 3 {
		t.Errorf("later: %v pending, want those of hook alone", got)
	}
}
