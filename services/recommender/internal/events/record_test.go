package events_test

import (
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
