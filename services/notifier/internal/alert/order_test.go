package alert_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

const job = "jobs/etl"

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rate is the default policy.
func rate(f alert.Failure) alert.Severity {
	switch {
	case f.Class == failure.Cancelled:
		return alert.None
	case f.Attention == alert.Permanent, f.Consecutive >= 3:
		return alert.Page
	case f.Attention == alert.BeforeCap:
		return alert.Warning
	}
	return alert.Info
}

// world is what one notifier knows and told.
type world struct {
	facts  alert.Facts
	alerts map[alert.Point]alert.Alert
	told   map[alert.Point][]alert.News
}

func newWorld() *world {
	return &world{alert.Facts{Job: job}, map[alert.Point]alert.Alert{}, map[alert.Point][]alert.News{}}
}

func (w *world) learn(now time.Time, add func(*alert.Facts)) {
	before := w.facts.Episodes(rate)
	add(&w.facts)
	after := w.facts.Episodes(rate)
	for _, ep := range alert.Changed(before, after) {
		w.put(alert.Update(w.alerts[ep.After], job, ep, now))
	}
	for _, p := range w.facts.Gone(after) {
		w.put(alert.Vanish(w.alerts[p], now))
	}
}

func (w *world) put(a alert.Alert, news []alert.News) {
	w.alerts[a.After] = a
	w.facts.Track(a)
	w.told[a.After] = append(w.told[a.After], news...)
}

// tell tells the events in this order, each one or another one before it again.
// What comes too early is told again later. It returns what was told.
func (w *world) tell(order []event, rnd *rand.Rand) []string {
	var names []string
	var queue []event
	for i, e := range order {
		queue = append(queue, e, order[rnd.IntN(i+1)])
	}
	for i := 0; len(queue) > 0; i++ {
		e := queue[0]
		queue = queue[1:]
		if e.early != nil && e.early(w.facts) {
			queue = append(queue, e)
			continue
		}
		names = append(names, e.name)
		w.learn(began.Add(time.Duration(i)*time.Second), e.add)
	}
	return names
}

// content is what is left of the alerts without what depends on when things
// became known: times, and whether a notice was told or omitted.
func (w *world) content(split bool) map[alert.Point]alert.Alert {
	out := map[alert.Point]alert.Alert{}
	for after, a := range w.alerts {
		a.Created, a.Updated, a.Resolved, a.ResolutionTold = time.Time{}, time.Time{}, time.Time{}, false
		notices := slices.Clone(a.Notices)
		for i := range notices {
			notices[i].Omitted = false
		}
		a.Notices = notices
		if split {
			a.Notices = nil
		}
		out[after] = a
	}
	return out
}

type event struct {
	name string
	add  func(*alert.Facts)
	// early reports that the event must come again later; nil is never.
	early func(alert.Facts) bool
}

func failed(attempt int, revision int64, class failure.Class, at alert.Attention, consecutive int) event {
	f := alert.Failure{
		Attempt: attempt, Revision: revision, Name: fmt.Sprintf("failures/f%d", attempt), Source: failure.Own,
		Type: failure.Type{Workflow: "nightly", Step: "load", Engine: "process"}, Class: class, Attention: at,
		Stopped: at == alert.Permanent, Consecutive: consecutive, Reason: fmt.Sprintf("reason %d", attempt),
		Summary: fmt.Sprintf("summary %d", attempt), Excerpt: []string{fmt.Sprintf("line %d", attempt)},
	}
	if at != alert.Permanent {
		f.NextRetry = began.Add(time.Duration(attempt) * time.Minute)
	}
	return event{fmt.Sprintf("failed %d", attempt), func(x *alert.Facts) { x.AddFailure(f, rate) }, nil}
}

func ended(cause alert.Cause, attempt int) event {
	e := alert.End{Point: alert.Through(attempt), Cause: cause, Time: began}
	return event{fmt.Sprintf("ended %d", attempt), func(x *alert.Facts) { x.AddEnd(e, rate) }, nil}
}

func stopped(attempt int, revision int64) event {
	s := alert.Stop{Point: alert.Point{Attempt: attempt, Revision: revision}, Reason: "stopped for good", Source: failure.Own}
	early := func(x alert.Facts) bool { return x.Early(s) }
	return event{fmt.Sprintf("stopped %d", attempt), func(x *alert.Facts) { x.AddStop(s, rate) }, early}
}

var histories = []struct {
	name   string
	events []event
	// want is state/severity/failures of each alert, in the order of episodes.
	want []string
	// split is true when a late end splits an episode: what was told of the
	// first part may then be more than it reached.
	split bool
}{
	{"before the cap, a page, then recovered", []event{
		failed(1, 3, failure.Permission, alert.Nobody, 1), failed(2, 6, failure.Permission, alert.BeforeCap, 2),
		failed(3, 9, failure.Permission, alert.BeforeCap, 3), ended(alert.Recovered, 4), ended(alert.Recovered, 4),
	}, []string{"resolved/page/3"}, false},
	{"a bug: permanent, mended by a human, recovered", []event{
		failed(1, 3, failure.CodeBug, alert.Permanent, 1), stopped(1, 3), failed(2, 7, failure.CodeBug, alert.Permanent, 1),
		stopped(2, 7), ended(alert.Recovered, 3),
	}, []string{"resolved/page/2"}, false},
	{"still failing", []event{
		failed(1, 3, failure.Unknown, alert.Nobody, 1), failed(2, 6, failure.Unknown, alert.BeforeCap, 2),
		failed(3, 9, failure.Unknown, alert.Permanent, 3), stopped(3, 9),
	}, []string{"firing/page/3"}, false},
	{"still failing, quietly", []event{
		failed(1, 3, failure.Throttling, alert.Nobody, 1), failed(2, 6, failure.Throttling, alert.Nobody, 2),
	}, []string{"firing/info/2"}, false},
	{"cancelled", []event{
		failed(1, 3, failure.Throttling, alert.Nobody, 1), failed(2, 6, failure.Throttling, alert.BeforeCap, 2),
		failed(3, 9, failure.Cancelled, alert.Nobody, 1), ended(alert.Cancelled, 3),
	}, []string{"resolved/warning/2"}, false},
	{"cancelled by class alone", []event{
		failed(1, 3, failure.Cancelled, alert.Nobody, 1), stopped(1, 3),
	}, nil, false},
	{"two episodes of a job of another scheduler", []event{
		failed(1, 3, failure.Unknown, alert.BeforeCap, 1), ended(alert.Recovered, 2),
		failed(3, 9, failure.Unknown, alert.Permanent, 3), failed(4, 12, failure.Unknown, alert.Nobody, 4),
	}, []string{"resolved/warning/1", "firing/page/2"}, true},
	{"stopped by its deadline between two attempts", []event{
		failed(1, 3, failure.Throttling, alert.Nobody, 1), stopped(1, 5), ended(alert.Recovered, 2),
	}, []string{"resolved/page/1"}, false},
	{"stopped before its first attempt, put back to work, cancelled", []event{
		stopped(0, 2), ended(alert.Cancelled, 0),
	}, []string{"resolved/page/0"}, false},
}

// TestOrderAndRepetitionLeaveNoTrace tells every history in every order, with
// repetitions at random places. The alerts come out the same each time, and so
// do the severities that each reached; nothing is told twice, nothing after the
// end, nothing that is less than what was told before.
func TestOrderAndRepetitionLeaveNoTrace(t *testing.T) {
	for _, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			var want map[alert.Point]alert.Alert
			permutations(h.events, func(order []event) {
				w := newWorld()
				names := w.tell(order, rnd)
				if want == nil {
					want = w.content(h.split)
					if got := summaries(w); !slices.Equal(got, h.want) {
						t.Fatalf("in order: alerts %v, want %v", got, h.want)
					}
				}
				if got := w.content(h.split); !reflect.DeepEqual(got, want) {
					t.Fatalf("order %v:\n got %+v\nwant %+v", names, got, want)
				}
				checkTold(t, w, names)
			})
		})
	}
}

func summaries(w *world) []string {
	var out []string
	for _, ep := range w.facts.Episodes(rate) {
		a := w.alerts[ep.After]
		out = append(out, fmt.Sprintf("%s/%s/%d", a.State, a.Severity, a.FailureCount))
	}
	return out
}

func checkTold(t *testing.T, w *world, order []string) {
	t.Helper()
	for after, a := range w.alerts {
		loudest, over := alert.None, false
		for _, n := range w.told[after] {
			switch {
			case over:
				t.Fatalf("order %v: %s %s was told after the end: %v", order, n.Action, n.Severity, w.told)
			case n.Action == alert.Resolve:
				over = true
			case n.Severity <= loudest:
				t.Fatalf("order %v: %s was told although %s was before: %v", order, n.Severity, loudest, w.told)
			default:
				loudest = n.Severity
			}
		}
		switch {
		case a.State == alert.Resolved && over != (loudest != alert.None):
			t.Fatalf("order %v: the end of %v was told: %v; its alert up to: %s", order, after, over, loudest)
		case a.State != alert.Resolved && (over || loudest != a.Severity):
			t.Fatalf("order %v: %v is at %s and was told up to %s", order, after, a.Severity, loudest)
		}
	}
}

// permutations calls visit with every order of all; the first is all itself.
func permutations[T any](all []T, visit func([]T)) {
	var walk func(done, rest []T)
	walk = func(done, rest []T) {
		if len(rest) == 0 {
			visit(done)
			return
		}
		for i := range rest {
			next := append(slices.Clone(rest[:i]), rest[i+1:]...)
			walk(append(slices.Clone(done), rest[i]), next)
		}
	}
	walk(nil, all)
}
