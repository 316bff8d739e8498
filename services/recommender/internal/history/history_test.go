package history_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

const mib = 1 << 20

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// told is what the events say of attempts of many jobs: a failure is told
// twice, with and without its class.
func told(attempts int) []history.Attempt {
	var all []history.Attempt
	for i := range attempts {
		a := history.Attempt{
			ID: fmt.Sprintf("id-%03d", i), Outcome: history.Succeeded, End: start.Add(time.Duration(i) * time.Minute),
			Seconds: float64(i), Sizes: map[engine.Part]int64{engine.Tree: int64(i) * mib}, Peak: int64(i) * mib,
		}
		if i > 0 {
			a.Previous = fmt.Sprintf("id-%03d", i-1)
		}
		if i%3 == 0 {
			a.Outcome = history.Failed
			classified := a
			classified.Class, classified.Fingerprint = failure.MemoryContainer, "f"
			all = append(all, classified)
		}
		all = append(all, a)
	}
	return all
}

func learn(all []history.Attempt) (h history.History) {
	for _, a := range all {
		h = h.Learn(a)
	}
	return h
}

func TestOrderAndRepetitionAreOfNoAccount(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := told(2 * history.MaxAttempts)
	want := learn(all)
	if len(want.Attempts) != history.MaxAttempts {
		t.Fatalf("%d attempts are kept, want %d", len(want.Attempts), history.MaxAttempts)
	}
	for range 50 {
		twice := append(append([]history.Attempt(nil), all...), all...)
		r.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		if got := learn(twice); !reflect.DeepEqual(got, want) {
			t.Fatalf("told in another order and twice: %+v\nwant %+v", got, want)
		}
	}
}

func TestTheNewestAttemptsAreKept(t *testing.T) {
	h := learn(told(history.MaxAttempts + 10))
	if got, want := h.Attempts[0].ID, "id-010"; got != want {
		t.Errorf("oldest attempt = %s, want %s", got, want)
	}
}

func TestLearningLeavesTheOldHistoryAlone(t *testing.T) {
	before := learn(told(5))
	want := learn(told(5))
	before.Learn(history.Attempt{ID: "id-001", End: start.Add(time.Hour), Sizes: map[engine.Part]int64{engine.Tree: 1 << 40}})
	before.Without("id-002")
	if !reflect.DeepEqual(before, want) {
		t.Errorf("history = %+v, want %+v", before, want)
	}
}

func TestTheSettingSaysOfWhichPartAFailureSpeaks(t *testing.T) {
	spark, err := engine.Lookup(engine.Spark)
	if err != nil {
		t.Fatal(err)
	}
	h := learn([]history.Attempt{{
		ID: "a", Outcome: history.Failed, Class: failure.MemoryDriver, Setting: "spark.driver.maxResultSize",
		Sizes: map[engine.Part]int64{engine.DriverHeap: 1024 * mib, engine.DriverResult: 8 * mib},
	}})
	if got, want := h.Needs(spark, engine.DriverResult), []need.Observation{need.MoreThan(8 * mib)}; !reflect.DeepEqual(got, want) {
		t.Errorf("needs of the results = %v, want %v", got, want)
	}
	if got := h.Needs(spark, engine.DriverHeap); got != nil {
		t.Errorf("needs of the heap = %v, want nothing", got)
	}
}

func TestNeeds(t *testing.T) {
	tree := func(bytes int64) map[engine.Part]int64 { return map[engine.Part]int64{engine.Tree: bytes} }
	heap := map[engine.Part]int64{engine.Heap: 100 * mib, engine.Tree: 500 * mib}
	for _, tc := range []struct {
		name    string
		attempt history.Attempt
		part    engine.Part
		want    []need.Observation
	}{
		{"a measured success", history.Attempt{Outcome: history.Succeeded, Sizes: tree(512 * mib), Peak: 300 * mib}, engine.Tree, []need.Observation{need.Exactly(300 * mib)}},
		{"a success without a peak", history.Attempt{Outcome: history.Succeeded, Sizes: tree(512 * mib)}, engine.Tree, []need.Observation{need.AtMost(512 * mib)}},
		{"a peak that is none", history.Attempt{Outcome: history.Succeeded, Sizes: tree(512 * mib), Peak: mib}, engine.Tree, []need.Observation{need.AtMost(512 * mib)}},
		{"a success without a limit or a peak", history.Attempt{Outcome: history.Succeeded}, engine.Tree, nil},
		{"a kill", history.Attempt{Outcome: history.Failed, Killed: true, Sizes: tree(512 * mib), Peak: 500 * mib}, engine.Tree, []need.Observation{need.MoreThan(512 * mib)}},
		{"a kill far beyond the limit", history.Attempt{Outcome: history.Failed, Killed: true, Sizes: tree(512 * mib), Peak: 900 * mib}, engine.Tree, []need.Observation{need.MoreThan(900 * mib)}},
		{"a kill at a limit that the configuration does not have", history.Attempt{Outcome: history.Failed, Killed: true, Limit: 256 * mib}, engine.Tree, []need.Observation{need.MoreThan(256 * mib)}},
		{"a memory class without proof", history.Attempt{Outcome: history.Failed, Class: failure.MemoryPython, Sizes: tree(512 * mib)}, engine.Tree, []need.Observation{need.MoreThan(512 * mib)}},
		{"another failure with a peak", history.Attempt{Outcome: history.Failed, Class: failure.CodeBug, Sizes: tree(512 * mib), Peak: 300 * mib}, engine.Tree, []need.Observation{need.MoreThan(300 * mib)}},
		{"another failure without a peak", history.Attempt{Outcome: history.Failed, Class: failure.CodeBug, Sizes: tree(512 * mib)}, engine.Tree, nil},
		{"a full heap", history.Attempt{Outcome: history.Failed, Class: failure.MemoryDriver, Sizes: heap}, engine.Heap, []need.Observation{need.MoreThan(100 * mib)}},
		{"a full heap says at least of the tree", history.Attempt{Outcome: history.Failed, Class: failure.MemoryDriver, Sizes: heap, Peak: 200 * mib}, engine.Tree, []need.Observation{need.MoreThan(200 * mib)}},
		{"a heap that sufficed lies within the tree", history.Attempt{Outcome: history.Succeeded, Sizes: heap, Peak: 80 * mib}, engine.Heap, []need.Observation{need.AtMost(80 * mib)}},
		{
			"the use of a heap, garbage included, bounds its need",
			history.Attempt{Outcome: history.Succeeded, Sizes: heap, Peak: 200 * mib, Peaks: map[engine.Part]int64{engine.Heap: 60 * mib}},
			engine.Heap,
			[]need.Observation{need.AtMost(60 * mib)},
		},
		{
			"the use of a heap says nothing of a failure of another kind",
			history.Attempt{Outcome: history.Failed, Class: failure.CodeBug, Sizes: heap, Peaks: map[engine.Part]int64{engine.Heap: 60 * mib}},
			engine.Heap, nil,
		},
		{"what has not ended says nothing", history.Attempt{Class: failure.MemoryContainer, Sizes: tree(512 * mib)}, engine.Tree, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.attempt.ID = "a"
			jvm, err := engine.Lookup(engine.JVM)
			if err != nil {
				t.Fatal(err)
			}
			got := learn([]history.Attempt{tc.attempt}).Needs(jvm, tc.part)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("Needs = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestNeedsOfSparksExecutors(t *testing.T) {
	spark, err := engine.Lookup(engine.Spark)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[engine.Part]int64{engine.ExecutorHeap: 4096 * mib, engine.Python: 1024 * mib}
	peaks := map[engine.Part]int64{engine.ExecutorHeap: 3000 * mib, engine.Python: 600 * mib}
	for _, tc := range []struct {
		name    string
		attempt history.Attempt
		part    engine.Part
		want    []need.Observation
	}{
		{"Python is measured", history.Attempt{Outcome: history.Succeeded, Sizes: sizes, Peaks: peaks}, engine.Python, []need.Observation{need.Exactly(600 * mib)}},
		{"a heap with garbage is bounded", history.Attempt{Outcome: history.Succeeded, Sizes: sizes, Peaks: peaks}, engine.ExecutorHeap, []need.Observation{need.AtMost(3000 * mib)}},
		{"without a measurement it is bounded by what was given", history.Attempt{Outcome: history.Succeeded, Sizes: sizes}, engine.Python, []need.Observation{need.AtMost(1024 * mib)}},
		{"Python needed more than this before something else failed", history.Attempt{Outcome: history.Failed, Class: failure.CodeBug, Sizes: sizes, Peaks: peaks}, engine.Python, []need.Observation{need.MoreThan(600 * mib)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := learn([]history.Attempt{tc.attempt}).Needs(spark, tc.part); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("Needs = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	failed := func(id, previous, print string) history.Attempt {
		return history.Attempt{ID: id, Previous: previous, Outcome: history.Failed, Fingerprint: print}
	}
	h := learn([]history.Attempt{
		failed("a1", "a0", "x"), failed("a2", "a1", "x"),
		{ID: "a3", Previous: "a2", Outcome: history.Succeeded},
		failed("b1", "b0", "x"), failed("b2", "b1", "y"),
		failed("c1", "c0", "y"),
		{ID: "c2", Previous: "c1", Outcome: history.Succeeded},
		failed("d1", "d0", "z"),
	})
	for print, want := range map[string][2]int{"x": {1, 1}, "y": {0, 1}, "z": {0, 0}, "": {0, 0}, "other": {0, 0}} {
		if failed, succeeded := h.Retries(print); failed != want[0] || succeeded != want[1] {
			t.Errorf("Retries(%q) = %d, %d, want %v", print, failed, succeeded, want)
		}
	}
}

func TestCountAndSeconds(t *testing.T) {
	h := learn([]history.Attempt{
		{ID: "a", Outcome: history.Succeeded, Seconds: 10},
		{ID: "b", Outcome: history.Succeeded, Seconds: 20},
		{ID: "c", Outcome: history.Failed, Seconds: 1000, Killed: true},
		{ID: "d", Outcome: history.Failed, Class: failure.CodeBug},
		{ID: "e"},
	})
	if ended, succeeded, memory := h.Count(); ended != 4 || succeeded != 2 || memory != 1 {
		t.Errorf("Count = %d, %d, %d, want 4, 2, 1", ended, succeeded, memory)
	}
	if got := h.Seconds(); got != 15 {
		t.Errorf("Seconds = %v, want 15", got)
	}
	if got := (history.History{}).Seconds(); got != 0 {
		t.Errorf("Seconds of nothing = %v, want 0", got)
	}
}
