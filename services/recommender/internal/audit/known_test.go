package audit

import (
	"math"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

const gib = int64(1 << 30)

// limits make a GiB·h a dollar, and cores free but for one hundredth.
var limits = search.Settings{Weight: 0.5, PerGiBHour: 1, PerCoreHour: 0.01, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 64 * gib}

func everywhere(failure.Type, string, failure.Class) search.Settings { return limits }

// killed is a process with one core that was killed at 4 GiB after half an hour.
func killed(t *testing.T, known ...history.Attempt) situation {
	t.Helper()
	kind := failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}
	r := record.Record{
		Attempt: history.Attempt{
			ID: "a", Outcome: history.Failed, Sizes: map[engine.Part]int64{engine.Tree: 4 * gib}, Limit: 4 * gib, Peak: 4 * gib, Killed: true,
			Class: failure.MemoryContainer, Seconds: 1800, Fingerprint: "f",
		},
		Type: kind, Number: 1, Cores: 1,
	}
	s, ok := see(r, 1, history.History{Type: kind}.Learn(known...), everywhere)
	if !ok || s.setting.Memory != 4*gib {
		t.Fatalf("situation = %+v, %v", s.setting, ok)
	}
	return s
}

func gigabytes(all ...float64) (l ladder) {
	for _, n := range all {
		l = append(l, engine.Size{Memory: int64(n * float64(gib)), Cores: 1})
	}
	return l
}

// The need is 10 GiB and was measured; the whole run takes an hour. The least
// that would have done costs 10.01.
func TestRegretOfAMeasuredNeed(t *testing.T) {
	s := killed(t)
	truth := truth{above: 10 * gib, most: 10 * gib, failing: 1800, whole: 3600}
	for _, tc := range []struct {
		name string
		ladder
		want result
	}{
		{"exactly enough", gigabytes(10), result{fixedFirst: true, dollars: 10.01}},
		{"too much", gigabytes(16), result{fixedFirst: true, dollars: 16.01, regret: 6}},
		{"half an hour with 8 first", gigabytes(8, 16), result{dollars: 4.005 + 16.01, regret: 4.005 + 6}},
		{"given up at once", nil, result{never: true, regret: 100.1}},
		{"given up after 8", gigabytes(8), result{never: true, dollars: 4.005, regret: 104.105}},
	} {
		got, known := truth.climb(s, tc.ladder)
		if !known || got.fixedFirst != tc.want.fixedFirst || got.never != tc.want.never ||
			math.Abs(got.dollars-tc.want.dollars) > 1e-9 || math.Abs(got.regret-tc.want.regret) > 1e-9 {
			t.Errorf("%s: %+v, %v, want %+v", tc.name, got, known, tc.want)
		}
	}
}

// The need is more than 4 and not more than 16 GiB.
func TestRegretOfABoundedNeed(t *testing.T) {
	s := killed(t)
	truth := truth{above: 4 * gib, most: 16 * gib, failing: 1800, whole: 3600}
	for _, tc := range []struct {
		ladder
		known  bool
		regret float64
	}{
		{gigabytes(16), true, 0},
		{gigabytes(20), true, 4},
		{gigabytes(4, 16), true, 2.005},
		{gigabytes(8, 16), false, 0},
		{nil, true, 160.1},
	} {
		if got, known := truth.climb(s, tc.ladder); known != tc.known || math.Abs(got.regret-tc.regret) > 1e-9 {
			t.Errorf("%v: %+v, %v, want %v, %v", tc.ladder, got, known, tc.regret, tc.known)
		}
	}
}

func TestRegretOfAnUnexplainedFailure(t *testing.T) {
	for _, tc := range []struct {
		name  string
		costs []float64
		saved bool
		stop  int
		want  result
	}{
		{"retried and saved", []float64{2}, true, 1, result{fixedFirst: true, dollars: 2}},
		{"saved by the third", []float64{2, 3, 4}, true, 3, result{dollars: 9}},
		{"given up before the third", []float64{2, 3, 4}, true, 2, result{never: true, dollars: 5, regret: 45}},
		{"given up at once", []float64{2}, true, 0, result{never: true, regret: 20}},
		{"retried in vain", []float64{2, 3}, false, 2, result{dollars: 5, regret: 5}},
		{"given up in time", []float64{2, 3}, false, 1, result{dollars: 2, regret: 2}},
		{"given up at once, rightly", []float64{2, 3}, false, 0, result{}},
	} {
		got := walk(limits, tc.costs, tc.saved, tc.stop)
		if got.fixedFirst != tc.want.fixedFirst || got.never != tc.want.never || math.Abs(got.dollars-tc.want.dollars) > 1e-9 || math.Abs(got.regret-tc.want.regret) > 1e-9 {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestDoublingEndsAtTheCeiling(t *testing.T) {
	s := killed(t)
	s.limits.MaxMemory = 10 * gib
	want := gigabytes(8, 10)
	if got := double(s); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("ladder = %v, want %v", got, want)
	}
	s.limits.MaxMemory = 4 * gib
	if got := double(s); len(got) != 0 {
		t.Errorf("ladder at the ceiling = %v, want none", got)
	}
	s.limits.MaxMemory, s.limits.Nodes = 64*gib, []search.Node{{Memory: 32 * gib, Cores: 0.5}, {Memory: 10 * gib, Cores: 4}}
	if got := double(s); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("ladder up to the node that has the cores = %v, want %v", got, want)
	}
}

// A fifth more than what failed; but with nine tenths of the others at 20 GiB, a
// margin of 15 % more than these.
func TestTheRuleOfTheVPA(t *testing.T) {
	if got := vpa(killed(t)); len(got) != retries || got[0].Memory != int64(1.15*float64(bump(4*gib))) {
		t.Errorf("alone: %v", got)
	}
	var others []history.Attempt
	for i := range 20 {
		others = append(others, history.Attempt{ID: string(rune('b' + i)), Outcome: history.Succeeded, Peak: 20 * gib})
	}
	if got := vpa(killed(t, others...)); got[0].Memory != int64(1.15*float64(20*gib)) {
		t.Errorf("with others: %v, want %v", got, int64(1.15*float64(20*gib)))
	}
	if bump(100<<20) != 200<<20 || bump(10*gib) != 12*gib {
		t.Errorf("bump = %d, %d", bump(100<<20), bump(10*gib))
	}
}

func TestWhatASuccessSaysOfTheNeed(t *testing.T) {
	success := func(peak, had int64) record.Record {
		return record.Record{
			Attempt: history.Attempt{ID: "z", Outcome: history.Succeeded, Peak: peak, Sizes: map[engine.Part]int64{engine.Tree: had}, Seconds: 3600},
			Type:    failure.Type{Workflow: "w", Step: "s", Engine: engine.Process},
		}
	}
	for _, tc := range []struct {
		name        string
		record      record.Record
		above, most int64
		ok          bool
	}{
		{"measured", success(6*gib, 8*gib), 6 * gib, 6 * gib, true},
		{"not measured", success(0, 8*gib), 4 * gib, 8 * gib, true},
		{"measured below what failed", success(3*gib, 8*gib), 4 * gib, 8 * gib, true},
		{"with as much as failed", success(0, 4*gib), 4 * gib, 4 * gib, false},
	} {
		s := killed(t)
		e := &episode{first: s, tried: []engine.Size{s.setting.Size}}
		got, ok := e.truth(tc.record)
		if ok != tc.ok || got.above != tc.above || got.most != tc.most {
			t.Errorf("%s: %+v, %v, want %d to %d, %v", tc.name, got, ok, tc.above, tc.most, tc.ok)
		}
	}
}

func TestSlope(t *testing.T) {
	var s slope
	for _, step := range [][2]float64{{0.5, 0.4}, {0.4, 0.4}, {0.4, 0.41}, {0.4, math.NaN()}, {math.NaN(), 0.3}, {0.2, 0}, {1, 1}} {
		s.compare(step[0], step[1])
	}
	if s.compared != 7 || s.rose != 5 {
		t.Errorf("%d of %d rise, want 5 of 7", s.rose, s.compared)
	}
}
