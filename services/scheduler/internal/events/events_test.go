package events_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/events"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

const classifier = "redrive/classifier"

var jobType = &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "spark"}

func event(t testing.TB, kind bus.Type, id, source string, m proto.Message) bus.Event {
	t.Helper()
	e, err := bus.NewEvent(kind, id, source, "", time.Now(), m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func ref(dag string, n int) *redrivev1.AttemptRef {
	return &redrivev1.AttemptRef{Source: "airflow", Job: dag, Attempt: int32(n)}
}

func failed(t testing.TB, dag string, n int) bus.Event {
	return event(t, bus.AttemptFailed, fmt.Sprintf("%s/%d", dag, n), "airflow", &redrivev1.AttemptFailed{Attempt: ref(dag, n), Type: jobType})
}

func succeeded(t testing.TB, dag string, n int) bus.Event {
	return event(t, bus.AttemptSucceeded, fmt.Sprintf("%s/%d", dag, n), "airflow", &redrivev1.AttemptSucceeded{Attempt: ref(dag, n), Type: jobType})
}

func classified(t testing.TB, dag string, n int, c failure.Class) bus.Event {
	at := failure.AttemptFromProto(ref(dag, n))
	m, _ := failure.MeaningOf(c)
	return event(t, bus.FailureClassified, at.FailureID(), classifier, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
		Name: "failures/" + at.FailureID(), Attempt: ref(dag, n), Type: jobType, Class: string(c),
		Category: redrivev1.Category(m.Category), Verdict: redrivev1.Verdict(m.Verdict),
	}})
}

// histories are lives of jobs of another scheduler, as events, and how they end.
var histories = []struct {
	name   string
	events func(t testing.TB, dag string) []bus.Event
	state  job.State
	// decisions by attempt: action, attention
	decisions map[int][2]int
}{
	{"fails once, then succeeds", func(t testing.TB, dag string) []bus.Event {
		return []bus.Event{failed(t, dag, 1), classified(t, dag, 1, failure.NetworkTransient), succeeded(t, dag, 2)}
	}, job.Succeeded, map[int][2]int{1: {int(policy.Retry), int(policy.Nobody)}}},
	{"fails twice, the second time for good", func(t testing.TB, dag string) []bus.Event {
		return []bus.Event{
			failed(t, dag, 1), classified(t, dag, 1, failure.NetworkTransient), failed(t, dag, 2), classified(t, dag, 2, failure.CodeBug),
		}
	}, job.Failed, map[int][2]int{1: {int(policy.Retry), int(policy.Nobody)}, 2: {int(policy.Stop), int(policy.Permanent)}}},
	{"fails once and waits", func(t testing.TB, dag string) []bus.Event {
		return []bus.Event{failed(t, dag, 1), classified(t, dag, 1, failure.Throttling)}
	}, job.Waiting, map[int][2]int{1: {int(policy.Retry), int(policy.Nobody)}}},
	{"succeeds", func(t testing.TB, dag string) []bus.Event {
		return []bus.Event{succeeded(t, dag, 1)}
	}, job.Succeeded, nil},
}

// said collects what the scheduler tells, beside the commits.
type said struct {
	docstore.Store
	mu  sync.Mutex
	all map[string]int // by type and id
}

func (s *said) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if err := s.Store.Commit(ctx, writes...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.all[string(e.Type)+" "+e.ID]++
	}
	return nil
}

type world struct {
	docs    *store.Store
	runner  *runner.Runner
	handler *events.Handler
	said    *said
}

func newWorld(t testing.TB) *world {
	db := storetest.Open(t)
	w := &world{said: &said{Store: db, all: map[string]int{}}}
	w.on(db, w.said)
	return w
}

func (w *world) on(db docstore.Store, out store.Outbox) {
	w.docs = store.New(db, out)
	w.runner = runner.New(w.docs, nil, nil, policy.Defaults(), runner.Options{}, slog.New(slog.DiscardHandler), nil)
	w.handler = events.New(w.runner)
}

func (w *world) handle(ctx context.Context, e bus.Event) error {
	if e.Type == bus.FailureClassified {
		return w.handler.Verdict(ctx, e)
	}
	return w.handler.Report(ctx, e)
}

// check compares a job and its decisions with what its history must lead to.
func (w *world) check(t *testing.T, dag string, state job.State, decisions map[int][2]int) {
	t.Helper()
	id := failure.AttemptFromProto(ref(dag, 1)).JobID()
	j, err := w.docs.Job(t.Context(), id)
	if err != nil || j.State != state {
		t.Errorf("%s: state %v (%v), want %v", dag, j.State, err, state)
		return
	}
	if _, pending := j.Undecided(); pending {
		t.Errorf("%s: a failure has no decision", dag)
	}
	page, _ := docstore.NewPaging(0, "")
	all, _, err := w.docs.Decisions(t.Context(), id, page)
	if err != nil || len(all) != len(decisions) {
		t.Errorf("%s: %d decisions (%v), want %d", dag, len(all), err, len(decisions))
	}
	total := 0
	for _, n := range j.FailuresByClass {
		total += n
	}
	if total != len(decisions) {
		t.Errorf("%s: %d failures counted, want %d", dag, total, len(decisions))
	}
	for _, d := range all {
		if got := [2]int{int(d.Action), int(d.Attention)}; got != decisions[d.Attempt] {
			t.Errorf("%s: decision on attempt %d is %v (%s), want %v", dag, d.Attempt, got, d.Reason, decisions[d.Attempt])
		}
	}
}

func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, o := range orders(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(o), i, n-1))
		}
	}
	return all
}

// TestAnyOrderOfTheEventsGivesTheSameJobAndDecisions hands over every history in
// every order, each event twice. Each order is a job of its own.
func TestAnyOrderOfTheEventsGivesTheSameJobAndDecisions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for h, history := range histories {
		t.Run(history.name, func(t *testing.T) {
			w := newWorld(t)
			for o, order := range orders(len(history.events(t, ""))) {
				dag := fmt.Sprintf("dag/%d/%d", h, o)
				all := history.events(t, dag)
				var queue []bus.Event
				for i, at := range order {
					queue = append(queue, all[at], all[order[rnd.IntN(i+1)]])
				}
				for _, e := range append(queue, all...) {
					if err := w.handle(t.Context(), e); err != nil {
						t.Fatalf("%s, order %v: %s %s: %v", dag, order, e.Type, e.ID, err)
					}
				}
				w.check(t, dag, history.state, history.decisions)
			}
			for what, times := range w.said.all {
				if times > 1 {
					t.Errorf("%s was told %d times", what, times)
				}
			}
		})
	}
}

// TestReplicasHandleTheSameEventsAtOnce races all events of all histories, each
// twice, on one store.
func TestReplicasHandleTheSameEventsAtOnce(t *testing.T) {
	w := newWorld(t)
	other := &world{}
	other.on(w.said.Store, w.said)
	var group sync.WaitGroup
	for h, history := range histories {
		for _, e := range history.events(t, fmt.Sprintf("dag/%d", h)) {
			for _, replica := range []*world{w, other} {
				group.Go(func() {
					err := errs.New(errs.Conflict, "not tried yet")
					for errs.Is(err, errs.Conflict) { // as the bus does
						err = replica.handle(t.Context(), e)
					}
					if err != nil {
						t.Errorf("%s %s: %v", e.Type, e.ID, err)
					}
				})
			}
		}
	}
	group.Wait()
	for h, history := range histories {
		w.check(t, fmt.Sprintf("dag/%d", h), history.state, history.decisions)
	}
}

func TestJSONOfAnotherScheduler(t *testing.T) {
	w := newWorld(t)
	e := failed(t, "dag/1", 1)
	var m redrivev1.AttemptFailed
	if err := e.Decode(&m); err != nil {
		t.Fatal(err)
	}
	m.Labels, m.Owner = map[string]string{"team": "etl"}, "ops"
	var err error
	if e.Data, err = protojson.Marshal(&m); err != nil {
		t.Fatal(err)
	}
	e.ContentType = bus.ContentJSON
	if err := w.handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	j, err := w.docs.Job(t.Context(), failure.AttemptFromProto(ref("dag/1", 1)).JobID())
	if err != nil || j.State != job.Classifying || j.Owner != "ops" || j.Labels["team"] != "etl" || j.SourceJob != "dag/1" {
		t.Errorf("job %+v (%v)", j, err)
	}
}

func TestEventsThatCanNeverBeHandledAreInvalid(t *testing.T) {
	w := newWorld(t)
	change := func(e bus.Event, m proto.Message, do func()) bus.Event {
		t.Helper()
		if err := e.Decode(m); err != nil {
			t.Fatal(err)
		}
		do()
		changed := event(t, e.Type, e.ID, e.Source, m)
		return changed
	}
	var a redrivev1.AttemptFailed
	var c redrivev1.FailureClassified
	report := func(do func()) bus.Event { return change(failed(t, "dag/1", 1), &a, do) }
	verdict := func(do func()) bus.Event { return change(classified(t, "dag/1", 1, failure.Timeout), &c, do) }
	garbage := func(e bus.Event) bus.Event { e.Data = []byte{0xff}; return e }
	from := func(source string, e bus.Event) bus.Event { e.Source = source; return e }
	for name, e := range map[string]bus.Event{
		"a report that is no protobuf":           garbage(failed(t, "dag/1", 1)),
		"a success that is no protobuf":          garbage(succeeded(t, "dag/1", 1)),
		"a verdict that is no protobuf":          garbage(classified(t, "dag/1", 1, failure.Timeout)),
		"a report in another scheduler's name":   from("dagster", failed(t, "dag/1", 1)),
		"a success in another scheduler's name":  from("dagster", succeeded(t, "dag/1", 1)),
		"a report of Redrive's own attempt":      from("redrive", report(func() { a.Attempt.Source = "redrive" })),
		"a report without an attempt":            report(func() { a.Attempt.Attempt = 0 }),
		"a report without a type":                report(func() { a.Type = nil }),
		"a report with a bad label":              report(func() { a.Labels = map[string]string{"": "x"} }),
		"a report with a bad policy":             report(func() { a.RetryPolicy = &redrivev1.RetryPolicy{UserRetries: proto.Int32(-1)} }),
		"a report with an unknown end":           report(func() { a.Evidence = &redrivev1.Evidence{TerminationReason: 99} }),
		"a verdict without a failure":            verdict(func() { c.Failure = nil }),
		"a verdict without a class":              verdict(func() { c.Failure.Class = "" }),
		"a verdict that says nothing":            verdict(func() { c.Failure.Verdict = 0 }),
		"a verdict that is not known":            verdict(func() { c.Failure.Verdict = 99 }),
		"a verdict without a category":           verdict(func() { c.Failure.Category = 0 }),
		"a verdict on an attempt that cannot be": verdict(func() { c.Failure.Attempt.Attempt = 1 << 20 }),
		"a verdict with a bad policy":            verdict(func() { c.Failure.RetryPolicy = &redrivev1.RetryPolicy{AlertAfter: proto.Int32(1000)} }),
	} {
		if err := w.handle(t.Context(), e); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	page, _ := docstore.NewPaging(0, "")
	if left, _, err := w.docs.List(t.Context(), store.Filter{}, page); err != nil || len(left) > 0 {
		t.Errorf("%d jobs (%v), want none", len(left), err)
	}
}

func TestAClassOfTheFutureIsTreatedLikeAnUnknownFailure(t *testing.T) {
	w := newWorld(t)
	e := classified(t, "dag/1", 1, failure.Unknown)
	var c redrivev1.FailureClassified
	if err := e.Decode(&c); err != nil {
		t.Fatal(err)
	}
	c.Failure.Class = "quantum.decoherence"
	if err := w.handle(t.Context(), event(t, e.Type, e.ID, e.Source, &c)); err != nil {
		t.Fatal(err)
	}
	d, err := w.docs.Decision(t.Context(), failure.AttemptFromProto(ref("dag/1", 1)).JobID(), 1)
	if err != nil || d.Action != policy.Retry || d.RetryLimit != 2 || !strings.Contains(d.Reason, "quantum.decoherence") {
		t.Errorf("decision %+v (%v)", d, err)
	}
}

func TestAVerdictOnAnOwnAttemptThatIsNotThereComesAgain(t *testing.T) {
	w := newWorld(t)
	e := classified(t, "etl", 1, failure.Unknown)
	var c redrivev1.FailureClassified
	if err := e.Decode(&c); err != nil {
		t.Fatal(err)
	}
	c.Failure.Attempt.Source = failure.Own
	if err := w.handle(t.Context(), event(t, e.Type, e.ID, e.Source, &c)); !errs.Is(err, errs.NotFound) {
		t.Errorf("verdict = %v, want NotFound", err)
	}
}

// FuzzEvents: whatever is published, the handler returns, and its error is one
// of those that do not stop the consumer.
func FuzzEvents(f *testing.F) {
	for _, e := range []bus.Event{failed(f, "dag/1", 1), succeeded(f, "dag/1", 1), classified(f, "dag/1", 1, failure.MemoryContainer)} {
		f.Add(string(e.Type), e.Source, e.Data)
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, kind, source string, data []byte) {
		e := bus.Event{ID: "x", Source: source, Type: bus.Type(kind), ContentType: bus.ContentProto, Data: data}
		switch err := w.handle(t.Context(), e); errs.KindOf(err) {
		case errs.None, errs.Invalid, errs.NotFound, errs.FailedPrecondition:
		default:
			t.Errorf("kind %v: %v", errs.KindOf(err), err)
		}
	})
}
