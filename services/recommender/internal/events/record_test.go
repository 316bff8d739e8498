package events_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/events"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// recorded returns the records that events leave.
func recorded(t *testing.T, all []bus.Event) []record.Record {
	t.Helper()
	s := storetest.Open(t)
	h := events.New(store.New(s, 0))
	for _, e := range all {
		if err := h.Handle(t.Context(), e); err != nil {
			t.Fatalf("Handle %s: %v", e.Type, err)
		}
	}
	var records []record.Record
	for r, err := range store.NewRecords(s).ByType(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

func TestARecordHasWhatWasKnownAndDecided(t *testing.T) {
	a := failure.Attempt{Source: failure.Own, Job: "a", Number: 2}
	code := 137
	failed := failure.Evidence{Reason: failure.OutOfMemory, ExitCode: &code, LimitBytes: 200 * mib, End: start}
	got := recorded(t, []bus.Event{event(t, bus.FailureClassified, a, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
		Attempt: a.Proto(), Type: kind.Proto(), Config: config(t, 100), Evidence: failed.Proto(), Class: string(failure.MemoryDriver),
		Fingerprint: "f", Owner: "etl", Recommendation: &redrivev1.Recommendation{
			Outcome: redrivev1.Recommendation_OUTCOME_NOT_FEASIBLE, ModelVersion: "v", Features: &redrivev1.Features{ChosenBytes: 7, Propensity: 1},
		},
	}})})
	if len(got) != 1 {
		t.Fatalf("%d records, want 1", len(got))
	}
	r := got[0]
	if r.ID != a.FailureID() || r.Previous == "" || r.Number != 2 || r.Owner != "etl" || r.Exit == nil || *r.Exit != 137 || !r.RanOut() ||
		r.Outcome != history.Failed || !r.Told.Equal(start) || r.Recommended != record.NotFeasible || r.Model != "v" ||
		r.Features == nil || r.Features.Chosen != 7 || len(r.Sizes) == 0 {
		t.Errorf("record = %+v", r)
	}
}

func TestRecordsAreTheSameInAnyOrderAndOnce(t *testing.T) {
	all := append(story(t, "a"), story(t, "b")...)
	want := recorded(t, all)
	if len(want) != 4 {
		t.Fatalf("%d records, want 4", len(want))
	}
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		twice := append(append([]bus.Event{}, all...), all...)
		random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		if got := recorded(t, twice); !reflect.DeepEqual(got, want) {
			t.Fatalf("records in another order:\n%+v\nwant\n%+v", got, want)
		}
	}
}

func TestARecordIsNeverChanged(t *testing.T) {
	first := story(t, "a")[:1]
	later := story(t, "a")[:1]
	later[0].Time = start.Add(time.Hour)
	if got, want := recorded(t, append(first, later...)), recorded(t, first); !reflect.DeepEqual(got, want) {
		t.Errorf("the same attempt told again changed its record:\n%+v\nwant\n%+v", got, want)
	}
}

// stream is a stream that has these events.
type stream []bus.Event

func (s stream) Replay(ctx context.Context, _ []bus.Type, do func(context.Context, bus.Event) error) (int64, error) {
	for i, e := range s {
		if err := do(ctx, e); err != nil {
			return int64(i + 1), err
		}
	}
	return int64(len(s)), nil
}

func TestRecordsAreRebuiltAsTheyWere(t *testing.T) {
	var all []bus.Event
	for i := range 300 {
		all = append(all, story(t, fmt.Sprint("job", i))...)
	}
	want := recorded(t, all)
	malformed := all[0]
	malformed.Data = []byte{0xff}
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := storetest.Open(t)
		records := store.NewRecords(s)
		if _, err := records.Add(t.Context(), want[:100]...); err != nil {
			t.Fatal(err)
		}
		told := append(stream{malformed, event(t, bus.JobFinished, failure.Attempt{Source: failure.Own, Job: "x", Number: 1}, &redrivev1.JobFinished{})}, all...)
		random.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		events, added, err := events.Rebuild(t.Context(), told, records)
		if err != nil || events != int64(len(told)) || added != int64(len(want)-100) {
			t.Fatalf("rebuilt %d records of %d events, %v; want %d of %d", added, events, err, len(want)-100, len(told))
		}
		var got []record.Record
		for r, err := range records.ByType(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d records, not the %d that were there", len(got), len(want))
		}
	}
}
