package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

func learn(t *testing.T, s *store.Histories, k failure.Type, a history.Attempt, now time.Time) {
	t.Helper()
	if err := s.Learn(t.Context(), row(k, a), now); err != nil {
		t.Fatal(err)
	}
}

func TestUsesAreOfTheOtherTypesOfTheWorkflow(t *testing.T) {
	s := store.New(storetest.Open(t), 0)
	const gib = 1 << 30
	used := func(share float64) history.Attempt {
		return history.Attempt{
			ID: "a", Outcome: history.Succeeded, End: start, Peak: int64(share * 8 * gib), Sizes: map[engine.Part]int64{engine.Tree: 8 * gib},
		}
	}
	for i, share := range []float64{0.5, 0.25, 0.75} {
		learn(t, s, failure.Type{Workflow: "w", Step: fmt.Sprint(i), Engine: engine.Process}, used(share), start)
	}
	learn(t, s, failure.Type{Workflow: "w", Step: "unmeasured", Engine: engine.Process}, history.Attempt{ID: "a", Outcome: history.Succeeded, End: start}, start)
	learn(t, s, failure.Type{Workflow: "w2", Step: "0", Engine: engine.Process}, used(0.1), start)
	learn(t, s, failure.Type{Workflow: "v", Step: "0", Engine: engine.Process}, used(0.1), start)
	learn(t, s, failure.Type{Workflow: "w", Step: "0", Engine: engine.JVM}, used(0.1), start) // a heap grows to what it may have
	for step, want := range map[string][]float64{"new": {0.25, 0.5, 0.75}, "1": {0.5, 0.75}} {
		got, err := s.Uses(t.Context(), failure.Type{Workflow: "w", Step: step, Engine: engine.Process})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Uses for step %q = %v, %v, want %v", step, got, err, want)
		}
	}
	if got, err := s.Uses(t.Context(), failure.Type{Workflow: "unheard of", Step: "0", Engine: engine.Process}); got != nil || err != nil {
		t.Errorf("Uses of a workflow that nobody heard of = %v, %v, want nothing", got, err)
	}
}

func TestShapedAreTheTypesOfTheEngineThatRanOnClusters(t *testing.T) {
	s := store.New(storetest.Open(t), 0)
	shaped := attempt(1)
	shaped.Shape = failure.Shape{Name: "m5.xlarge x 8", Nodes: 8, CoresPerNode: 4, MemoryPerNode: 16 << 30}
	of := func(step, engine string) failure.Type { return failure.Type{Workflow: "w", Step: step, Engine: engine} }
	for hours, step := range []string{"old", "new"} {
		learn(t, s, of(step, engine.Spark), shaped, start.Add(time.Duration(hours)*time.Hour))
	}
	learn(t, s, of("none", engine.Spark), attempt(1), start)
	learn(t, s, of("other", engine.JVM), shaped, start)
	all, err := s.Shaped(t.Context(), engine.Spark)
	if err != nil || len(all) != 2 || all[0].Type.Step != "new" || all[1].Type.Step != "old" || all[0].Attempts[0].Shape != shaped.Shape {
		t.Errorf("Shaped = %+v, %v, want new and old", all, err)
	}
}

// What two replicas learn of more attempts than are kept, in a jumbled order and
// twice, is what one learns in order: the newest attempts and the runs before
// them, through the store.
func TestTheOrderOfLessonsIsOfNoAccountBeyondTheNewestAttempts(t *testing.T) {
	const n, late = 400, 40
	measured := func(i int) history.Attempt {
		return history.Attempt{
			ID: failure.Attempt{Source: failure.Own, Job: fmt.Sprint(i), Number: 1}.FailureID(), Outcome: history.Succeeded,
			End: start.Add(time.Duration(i) * time.Second), Seconds: 60, Input: int64(i), Peak: 1 << 30, Sizes: map[engine.Part]int64{engine.Tree: 2 << 30},
		}
	}
	want := history.History{Type: kind, Updated: start}
	order := make([]int, n)
	for i := range n {
		want = want.Learn(measured(i))
		order[i] = i
	}
	r := rand.New(rand.NewPCG(31, 32))
	for from := 0; from < n; from += late {
		r.Shuffle(late, func(i, j int) { order[from+i], order[from+j] = order[from+j], order[from+i] })
	}
	shared := storetest.Open(t)
	replicas := []*store.Histories{store.New(shared, 0), store.New(shared, 0)}
	for from := 0; from < n; from += late {
		var wg sync.WaitGroup
		for again := range 2 {
			for _, i := range order[from : from+late] {
				wg.Go(func() {
					for {
						err := replicas[(i+again)%2].Learn(t.Context(), row(kind, measured(i)), start)
						if err == nil {
							return
						}
						if !errs.Is(err, errs.Conflict) { // the bus delivers again what lost its races
							t.Error(err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
	}
	for _, s := range replicas {
		got, err := s.Get(t.Context(), kind)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d attempts and %d runs, %v; want %d and %d", len(got.Attempts), len(got.Past.Runs), err, len(want.Attempts), len(want.Past.Runs))
		}
	}
}
