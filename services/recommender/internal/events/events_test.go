package events_test

import (
	"context"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/events"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	kind  = failure.Type{Workflow: "w", Step: "s", Engine: engine.JVM}
)

const mib = 1 << 20

func config(t testing.TB, heap float64) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(map[string]any{"heap_mb": heap, "memory_mb": 2 * heap})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event(t testing.TB, of bus.Type, a failure.Attempt, m proto.Message) bus.Event {
	t.Helper()
	e, err := bus.NewEvent(of, a.FailureID(), "redrive/test", a.JobName(), start, m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// story is a job that fails of a full heap and then succeeds with more.
func story(t testing.TB, job string) []bus.Event {
	first := failure.Attempt{Source: failure.Own, Job: job, Number: 1}
	second := first
	second.Number = 2
	code, peak := 1, int64(150*mib)
	failed := failure.Evidence{Reason: failure.Exited, ExitCode: &code, LimitBytes: 200 * mib, PeakBytes: &peak, Start: start, End: start.Add(time.Minute), Duration: time.Minute}
	done := failed
	done.End = start.Add(3 * time.Minute)
	return []bus.Event{
		event(t, bus.FailureClassified, first, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
			Attempt: first.Proto(), Type: kind.Proto(), Config: config(t, 100), Evidence: failed.Proto(), Class: string(failure.MemoryDriver), Fingerprint: "f", Setting: "heap_mb",
		}}),
		event(t, bus.AttemptSucceeded, second, &redrivev1.AttemptSucceeded{
			Attempt: second.Proto(), Type: kind.Proto(), Config: config(t, 100), AttemptConfig: config(t, 200), Evidence: done.Proto(),
		}),
	}
}

func learn(t *testing.T, all []bus.Event) history.History {
	t.Helper()
	histories := store.New(storetest.Open(t), 0)
	h := events.New(histories)
	for _, e := range all {
		if err := h.Handle(t.Context(), e); err != nil {
			t.Fatalf("Handle %s: %v", e.Type, err)
		}
	}
	got, err := histories.Get(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	got.Updated = time.Time{}
	return got
}

func TestAStoryIsLearntInAnyOrderAndOnce(t *testing.T) {
	all := append(story(t, "a"), story(t, "b")...)
	want := learn(t, all)
	if len(want.Attempts) != 4 {
		t.Fatalf("attempts = %+v, want 4", want.Attempts)
	}
	if failed, succeeded := want.Retries("f"); failed != 0 || succeeded != 2 {
		t.Errorf("retries = %d, %d, want 0, 2", failed, succeeded)
	}
	first := failure.Attempt{Source: failure.Own, Job: "a", Number: 1}
	for _, a := range want.Attempts {
		if a.ID != first.FailureID() {
			continue
		}
		expected := history.Attempt{
			ID: first.FailureID(), Outcome: history.Failed, End: start.Add(time.Minute), Seconds: 60, Limit: 200 * mib, Peak: 150 * mib,
			Sizes: map[engine.Part]int64{engine.Tree: 200 * mib, engine.Heap: 100 * mib}, Class: failure.MemoryDriver, Fingerprint: "f", Setting: "heap_mb",
		}
		if !reflect.DeepEqual(a, expected) {
			t.Errorf("attempt = %+v, want %+v", a, expected)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		twice := append(append([]bus.Event(nil), all...), all...)
		r.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		if got := learn(t, twice); !reflect.DeepEqual(got, want) {
			t.Fatalf("told in another order and twice: %+v\nwant %+v", got, want)
		}
	}
}

// none fails a test when anything is learnt.
type none struct{ t *testing.T }

func (n none) Learn(context.Context, record.Record, time.Time) error {
	n.t.Error("something was learnt")
	return nil
}

func TestWhatCannotBeLearntFrom(t *testing.T) {
	a := failure.Attempt{Source: failure.Own, Job: "a", Number: 1}
	good := &redrivev1.Failure{Attempt: a.Proto(), Type: kind.Proto()}
	change := func(f func(*redrivev1.Failure)) proto.Message {
		m := proto.CloneOf(good)
		f(m)
		return &redrivev1.FailureClassified{Failure: m}
	}
	broken := event(t, bus.FailureClassified, a, &redrivev1.FailureClassified{Failure: good})
	broken.Data = []byte{0xff}
	for _, tc := range []struct {
		name  string
		event bus.Event
		want  errs.Kind
	}{
		{"not a payload", broken, errs.Invalid},
		{"no attempt", event(t, bus.FailureClassified, a, change(func(m *redrivev1.Failure) { m.Attempt = nil })), errs.Invalid},
		{"no job type", event(t, bus.FailureClassified, a, change(func(m *redrivev1.Failure) { m.Type = nil })), errs.Invalid},
		{"an engine without a profile", event(t, bus.FailureClassified, a, change(func(m *redrivev1.Failure) { m.Type.Engine = "ray" })), errs.None},
		{"another type of event", event(t, bus.JobFinished, a, &redrivev1.JobFinished{}), errs.Invalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := events.New(none{t}).Handle(t.Context(), tc.event); errs.KindOf(err) != tc.want {
				t.Errorf("Handle = %v, want kind %v", err, tc.want)
			}
		})
	}
}

// An attempt teaches even when its configuration or its times are odd.
func TestOddEventsTeachWhatTheyCan(t *testing.T) {
	a := failure.Attempt{Source: "airflow", Job: "dag/1", Number: 3}
	peak := int64(-5)
	odd, err := structpb.NewStruct(map[string]any{"heap_mb": "lots"})
	if err != nil {
		t.Fatal(err)
	}
	got := learn(t, []bus.Event{event(t, bus.FailureClassified, a, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
		Attempt: a.Proto(), Type: kind.Proto(), Config: odd,
		Evidence: failure.Evidence{Reason: failure.OutOfMemory, LimitBytes: -1, PeakBytes: &peak, Start: start.Add(-time.Minute)}.Proto(),
	}})}).Attempts[0]
	before := a
	before.Number = 2
	want := history.Attempt{ID: a.FailureID(), Previous: before.FailureID(), Outcome: history.Failed, End: start, Seconds: 60, Killed: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("attempt = %+v, want %+v", got, want)
	}
}

func TestALimitThatIsNoneIsNotLearnt(t *testing.T) {
	a := failure.Attempt{Source: "airflow", Job: "dag/1", Number: 1}
	got := learn(t, []bus.Event{event(t, bus.FailureClassified, a, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
		Attempt: a.Proto(), Type: kind.Proto(), Evidence: failure.Evidence{Reason: failure.OutOfMemory, LimitBytes: math.MaxInt64 - 4095}.Proto(),
	}})}).Attempts[0]
	if got.Limit != 0 {
		t.Errorf("limit = %d, want none", got.Limit)
	}
}

func TestTheInputTheMachinesAndThePeaksOfPartsAreLearnt(t *testing.T) {
	a := failure.Attempt{Source: "airflow", Job: "a", Number: 1}
	shape := failure.Shape{Name: "m5.xlarge x 8", InstanceType: "m5.xlarge", Nodes: 8, CoresPerNode: 4, MemoryPerNode: 16 << 30, DollarsPerHour: 1.5}
	told := failure.Evidence{
		Reason: failure.TimedOut, End: start, InputBytes: 5 << 30, Shape: shape, PartPeaks: map[string]int64{string(engine.Heap): 60 * mib},
	}
	h := learn(t, []bus.Event{event(t, bus.FailureClassified, a, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
		Attempt: a.Proto(), Type: kind.Proto(), Config: config(t, 100), Evidence: told.Proto(), Class: string(failure.Unknown), Fingerprint: "f",
	}})})
	want := history.Attempt{
		ID: a.FailureID(), Outcome: history.Failed, End: start, Input: 5 << 30, Shape: shape, TimedOut: true, Class: failure.Unknown, Fingerprint: "f",
		Sizes: map[engine.Part]int64{engine.Tree: 200 * mib, engine.Heap: 100 * mib}, Peaks: map[engine.Part]int64{engine.Heap: 60 * mib},
	}
	if len(h.Attempts) != 1 || !reflect.DeepEqual(h.Attempts[0], want) {
		t.Errorf("attempts = %+v, want %+v", h.Attempts, want)
	}
}
