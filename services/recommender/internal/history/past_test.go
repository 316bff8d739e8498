package history_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// measured are n attempts in the order of their ends; every fifth failed.
func measured(n int) []history.Attempt {
	r := rand.New(rand.NewPCG(9, 10))
	all := make([]history.Attempt, n)
	for i := range all {
		all[i] = history.Attempt{
			ID:      failure.Attempt{Source: "airflow", Job: fmt.Sprint("j", i), Number: 1}.FailureID(),
			Outcome: history.Succeeded, End: start.Add(time.Duration(i) * time.Minute), Seconds: 60 * r.Float64(),
			Input: r.Int64N(1 << 40), Peak: 4*mib + r.Int64N(1<<34), Sizes: map[engine.Part]int64{engine.Tree: 1 << 34},
		}
		if i%5 == 0 {
			all[i].Outcome = history.Failed
		}
	}
	return all
}

// jumbled returns the attempts in an order in which none comes after more than
// late others that ended later, each twice: again at once, or long after.
func jumbled(r *rand.Rand, all []history.Attempt, late float64) []history.Attempt {
	type delivery struct {
		at float64
		history.Attempt
	}
	var deliveries []delivery
	for i, a := range all {
		at := float64(i) + late*r.Float64()
		again := at
		if r.IntN(2) == 0 {
			again += r.Float64() * float64(len(all))
		}
		deliveries = append(deliveries, delivery{at, a}, delivery{again, a})
	}
	slices.SortStableFunc(deliveries, func(x, y delivery) int {
		if x.at < y.at {
			return -1
		}
		return 1
	})
	told := make([]history.Attempt, len(deliveries))
	for i, d := range deliveries {
		told[i] = d.Attempt
	}
	return told
}

// inBatches learns some at a time.
func inBatches(r *rand.Rand, all []history.Attempt) (h history.History) {
	for len(all) > 0 {
		n := min(1+r.IntN(20), len(all))
		h, all = h.Learn(all[:n]...), all[n:]
	}
	return h
}

func TestThePastDependsOnNeitherOrderNorRepetitionNorBatches(t *testing.T) {
	all := measured(1500)
	want := learn(all)
	if want.Past.Dropped == (history.Mark{}) {
		t.Fatal("nothing was dropped: the test shows little")
	}
	r := rand.New(rand.NewPCG(11, 12))
	for range 6 {
		if got := inBatches(r, jumbled(r, all, 300)); !reflect.DeepEqual(got, want) {
			t.Fatalf("jumbled: %d runs after %v, want %d after %v", len(got.Past.Runs), got.Past.Dropped, len(want.Past.Runs), want.Past.Dropped)
		}
	}
}

func TestWhatComesFarTooLateIsLeftOut(t *testing.T) {
	all := measured(1500)
	h := learn(all[1:])
	if got := h.Learn(all[0], all[1], all[2], all[10]); !got.Same(h) {
		t.Error("an attempt from before all that is kept changed the history")
	}
}

func TestThePastIsBoundedAndBeginsAnewSeldom(t *testing.T) {
	var h history.History
	begun := 0
	for _, a := range measured(2000) {
		before := h.Runs()
		h = h.Learn(a)
		now := h.Runs()
		if len(h.Past.Runs) > 592 || len(now) > 592+history.MaxAttempts {
			t.Fatalf("%d runs are kept, %d with those of the newest attempts", len(h.Past.Runs), len(now))
		}
		if h.Past.Dropped != (history.Mark{}) && len(h.Past.Runs) < 336 {
			t.Fatalf("only %d runs are kept", len(h.Past.Runs))
		}
		if !slices.IsSortedFunc(now, func(a, b history.Run) int { return int(a.Nanos - b.Nanos) }) {
			t.Fatal("runs are not in the order of their ends")
		}
		if len(now) < len(before) || !slices.Equal(now[:len(before)], before) {
			begun++
		}
	}
	if begun == 0 || begun > 2000/50 {
		t.Errorf("the runs began anew %d times in 2000 attempts", begun)
	}
}

func TestARunIsTheSameWhenItsAttemptIsNoLongerThere(t *testing.T) {
	all := measured(200)
	var want []history.Run
	for _, a := range all {
		if a.Outcome == history.Succeeded {
			want = append(want, learn([]history.Attempt{a}).Runs()...)
		}
	}
	if got := learn(all).Runs(); !reflect.DeepEqual(got, want) {
		t.Errorf("%d runs, want the %d of all successes", len(got), len(want))
	}
}

func TestRunsAreOfTheMeasuredPart(t *testing.T) {
	success := history.Attempt{
		ID: "a", Outcome: history.Succeeded, End: start, Peak: 100 * mib,
		Peaks: map[engine.Part]int64{engine.Python: 50 * mib, engine.ExecutorHeap: 70 * mib},
	}
	for name, want := range map[string]int64{engine.Process: 100 * mib, engine.JVM: 100 * mib, engine.Spark: 50 * mib} {
		h := history.History{Type: failure.Type{Engine: name}}.Learn(success)
		if runs := h.Runs(); len(runs) != 1 || runs[0].Peak != want {
			t.Errorf("%s: runs = %v, want one of %d bytes", name, runs, want)
		}
	}
}

func TestUse(t *testing.T) {
	tree := map[engine.Part]int64{engine.Tree: 100 * mib}
	h := learn([]history.Attempt{
		{ID: "a", Outcome: history.Succeeded, Peak: 25 * mib, Sizes: tree},
		{ID: "b", Outcome: history.Succeeded, Peak: 50 * mib, Sizes: tree},
		{ID: "c", Outcome: history.Failed, Peak: 99 * mib, Sizes: tree},
		{ID: "d", Outcome: history.Succeeded, Sizes: tree},
		{ID: "e", Outcome: history.Succeeded, Peak: 50 * mib},
	})
	if got := h.Use(); got != 0.5 {
		t.Errorf("Use = %v, want 0.5", got)
	}
	if got := (history.History{}).Use(); got != 0 {
		t.Errorf("Use of nothing = %v, want 0", got)
	}
}

func TestShort(t *testing.T) {
	p, err := engine.Lookup(engine.Process)
	if err != nil {
		t.Fatal(err)
	}
	tree := map[engine.Part]int64{engine.Tree: 100 * mib}
	killed := func(id, previous string, minutes int) history.Attempt {
		return history.Attempt{
			ID: id, Previous: previous, Outcome: history.Failed, Killed: true, Sizes: tree, Input: int64(minutes), End: start.Add(time.Duration(minutes) * time.Minute),
		}
	}
	h := learn([]history.Attempt{
		killed("a1", "", 1), killed("a2", "a1", 2),
		{ID: "a3", Previous: "a2", Outcome: history.Succeeded, End: start.Add(3 * time.Minute)},
		killed("b1", "", 4),
		{ID: "c1", Outcome: history.Failed, Class: failure.CodeBug, Sizes: tree, Peak: 50 * mib, End: start.Add(5 * time.Minute)},
	})
	if got, want := h.Short(p, engine.Tree), []need.Short{{Input: 4, Bytes: 100 * mib}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Short = %v, want the one that was not mended: %v", got, want)
	}
}
