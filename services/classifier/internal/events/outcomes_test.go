package events_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/events"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

func at(job string, number int) failure.Attempt {
	return failure.Attempt{Source: "acme", Job: job, Number: number}
}

func event(t testing.TB, kind bus.Type, m proto.Message) bus.Event {
	t.Helper()
	e, err := bus.NewEvent(kind, "id", "redrive/scheduler", "", time.Now(), m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// stories are what is told of three jobs: one that was given up and put back to
// work by hand, one that was cancelled, one that succeeded at once.
func stories(t testing.TB) []bus.Event {
	config, err := structpb.NewStruct(map[string]any{"memory_mb": 512})
	if err != nil {
		t.Fatal(err)
	}
	return []bus.Event{
		event(t, bus.JobFinished, &redrivev1.JobFinished{Attempt: at("a", 2).Proto(), State: redrivev1.Job_STATE_FAILED}),
		event(t, bus.AttemptSucceeded, &redrivev1.AttemptSucceeded{Attempt: at("a", 3).Proto(), Config: config}),
		event(t, bus.JobFinished, &redrivev1.JobFinished{Attempt: at("a", 3).Proto(), State: redrivev1.Job_STATE_SUCCEEDED}),
		event(t, bus.JobFinished, &redrivev1.JobFinished{Attempt: at("b", 1).Proto(), State: redrivev1.Job_STATE_CANCELLED}),
		event(t, bus.AttemptSucceeded, &redrivev1.AttemptSucceeded{Attempt: at("c", 1).Proto(), LogTail: "all is done\n"}),
	}
}

func told(t *testing.T, all []bus.Event) map[string]outcome.Result {
	t.Helper()
	docs := storetest.Open(t)
	failures := store.NewFailures(docs, nil)
	kept := store.NewClusters(docs, failures)
	h := events.NewOutcomes(failures, kept)
	for _, e := range all {
		if err := h.Handle(t.Context(), e); err != nil {
			t.Fatalf("Handle %s: %v", e.Type, err)
		}
	}
	if logs, err := kept.Successes(t.Context()); err != nil || len(logs) != 1 || logs[0].Job != at("c", 1).JobName() || logs[0].Text != "all is done\n" {
		t.Errorf("%d logs of successes are kept (%v), want the one that was told", len(logs), err)
	}
	var ids []string
	for _, job := range []string{"a", "b", "c"} {
		for n := range 4 {
			ids = append(ids, at(job, n).FailureID())
		}
	}
	got, err := failures.Outcomes(t.Context(), ids...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOutcomesAreTheSameInAnyOrderAndTwice(t *testing.T) {
	all := stories(t)
	want := map[string]outcome.Result{
		at("a", 2).FailureID(): {Note: outcome.Note{Outcome: outcome.Succeeded, Config: outcome.ConfigName(map[string]any{"memory_mb": 512.0})}},
		at("b", 1).FailureID(): {Note: outcome.Note{Outcome: outcome.Stopped}},
	}
	if got := told(t, all); !reflect.DeepEqual(got, want) {
		t.Fatalf("outcomes = %+v, want %+v", got, want)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		twice := append(append([]bus.Event(nil), all...), all...)
		r.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		if got := told(t, twice); !reflect.DeepEqual(got, want) {
			t.Fatalf("told in another order and twice: %+v, want %+v", got, want)
		}
	}
}

func TestWhatSaysNothingOfARetry(t *testing.T) {
	h := events.NewOutcomes(store.NewFailures(storetest.Open(t), nil), nil)
	broken := event(t, bus.JobFinished, &redrivev1.JobFinished{})
	broken.Data = []byte{0xff}
	for name, e := range map[string]bus.Event{
		"not a payload":         broken,
		"no source":             event(t, bus.JobFinished, &redrivev1.JobFinished{Attempt: &redrivev1.AttemptRef{Job: "x", Attempt: 2}, State: redrivev1.Job_STATE_FAILED}),
		"another type of event": event(t, bus.PatchChanged, &redrivev1.PatchChanged{}),
	} {
		if err := h.Handle(t.Context(), e); !errs.Is(err, errs.Invalid) {
			t.Errorf("Handle of %s = %v, want Invalid", name, err)
		}
	}
}
