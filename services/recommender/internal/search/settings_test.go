package search_test

import (
	"math"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

func TestOnlyWhatAnOperatorAllowsIsChosen(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*search.Settings)
		want   func(total int64) bool
	}{
		"steps":  {func(s *search.Settings) { s.Step = 700 * mib }, func(n int64) bool { return n%(700*mib) == 0 }},
		"totals": {func(s *search.Settings) { s.Allowed = []int64{gib, 3 * gib, 9 * gib} }, func(n int64) bool { return n == 3*gib }},
		"nodes": {
			func(s *search.Settings) {
				s.Nodes = []search.Node{{Memory: 16 * gib, Cores: 0.5}, {Memory: 1500 * mib, Cores: 4}}
			},
			func(n int64) bool { return n > gib && n <= 1500*mib },
		},
	} {
		in := killed(t, nil)
		tc.change(&in.Settings)
		got := search.Find(t.Context(), in)
		if got.Outcome != search.Change {
			t.Errorf("%s: %v %s", name, got.Outcome, got.Reason)
			continue
		}
		for _, c := range got.Best {
			if !tc.want(c.Total) {
				t.Errorf("%s: %d MiB is a candidate", name, c.Total/mib)
			}
		}
	}
}

func TestWhatANodeLeavesIsPaidFor(t *testing.T) {
	in := killed(t, func(in *search.Inputs) {
		in.Settings.Nodes = []search.Node{{Memory: 8 * gib, Cores: 2}}
		in.Need, in.Permanent = need.Quantiles{{Probability: 0.999, Bytes: 2 * gib}}, 0.001
	})
	got := search.Find(t.Context(), in)
	// One of two cores is half of the node, and 4 GiB of it are free.
	if want := 600.0 / 3600 * (8*0.005 + 2*0.04) / 2; math.Abs(got.Best[0].ExpectedCost-want) > 0.01*want {
		t.Errorf("cost = %v, want %v", got.Best[0].ExpectedCost, want)
	}
}

func TestFirstAttemptsAreNotExplored(t *testing.T) {
	in := killed(t, func(in *search.Inputs) { in.First, in.Reach, in.Settings.Exploration = true, 8*gib, 0.1 })
	if a := search.Find(t.Context(), in); a.Explored || a.Propensity != 1 || a.Chosen == nil || *a.Chosen != a.Best[0] {
		t.Errorf("chosen = %+v, explored %v with %v", a.Chosen, a.Explored, a.Propensity)
	}
}

func TestExplorationIsRareAndKnown(t *testing.T) {
	in := killed(t, func(in *search.Inputs) { in.Settings.Exploration = 0.1 })
	sum, explored := 0.0, map[int64]float64{}
	const dice = 10_000
	for i := range dice {
		in.Dice = float64(i) / dice
		a := search.Find(t.Context(), in)
		if !a.Explored {
			if a.Chosen.Memory != a.Best[0].Memory || math.Abs(a.Propensity-0.9) > 1e-9 {
				t.Fatalf("chosen = %+v with propensity %v, want the best with 0.9", a.Chosen, a.Propensity)
			}
			continue
		}
		if a.Chosen.Objective > 1.1*a.Best[0].Objective || a.Chosen.Memory == a.Best[0].Memory {
			t.Fatalf("explored = %+v, best %+v", a.Chosen, a.Best[0])
		}
		explored[a.Chosen.Memory] = a.Propensity
		sum++
	}
	total := 0.0
	for _, p := range explored {
		total += p
	}
	if math.Abs(sum/dice-0.1) > 0.001 || len(explored) < 2 || math.Abs(total-0.1) > 1e-9 {
		t.Errorf("explored %v of %d with propensities %v", sum, dice, explored)
	}
	in.Settings.Exploration, in.Dice = 0, 0
	if a := search.Find(t.Context(), in); a.Explored || a.Propensity != 1 {
		t.Errorf("switched off: explored %v with %v", a.Explored, a.Propensity)
	}
}

func TestAnAttemptMayBeBounded(t *testing.T) {
	for _, tc := range []struct{ least, most, low, high int64 }{
		{0, 1500 * mib, 1024, 1500},
		{6 * gib, 6 * gib, 6144, 6144},
		{3 * gib, 0, 3072, 4096},
		{0, 512 * mib, 0, 0},
	} {
		got := search.Find(t.Context(), killed(t, func(in *search.Inputs) { in.Least, in.Most = tc.least, tc.most }))
		if tc.high == 0 {
			if got.Outcome != search.NotFeasible {
				t.Errorf("at most %d: %v, want NotFeasible", tc.most, got.Outcome)
			}
			continue
		}
		if got.Outcome != search.Change || got.Chosen.Memory < tc.low*mib || got.Chosen.Memory > tc.high*mib {
			t.Errorf("from %d to %d: %v %+v", tc.least, tc.most, got.Outcome, got.Chosen)
		}
	}
}

func TestTheCeilingIsTheLeastOfAll(t *testing.T) {
	nodes := []search.Node{{Memory: 16 * gib, Cores: 8}, {Memory: 48 * gib, Cores: 2}}
	allowed := []int64{gib, 12 * gib, 24 * gib}
	for _, tc := range []struct {
		cores float64
		s     search.Settings
		want  int64
	}{
		{0, search.Settings{}, search.Unbounded},
		{0, search.Settings{Nodes: nodes}, 48 * gib},
		{2, search.Settings{Nodes: nodes}, 48 * gib},
		{2.5, search.Settings{Nodes: nodes}, 16 * gib},
		{9, search.Settings{Nodes: nodes}, 0},
		{1, search.Settings{Allowed: allowed}, 24 * gib},
		{1, search.Settings{Allowed: allowed, MaxMemory: 64 * gib, Nodes: nodes}, 24 * gib},
		{1, search.Settings{Allowed: allowed, MaxMemory: 12 * gib, Nodes: nodes}, 12 * gib},
		{1, search.Settings{Allowed: allowed, MaxMemory: 8 * gib, Nodes: nodes}, gib},
		{4, search.Settings{Allowed: allowed, MaxMemory: 64 * gib, Nodes: nodes}, 12 * gib},
		{1, search.Settings{Allowed: allowed, MaxMemory: gib - 1}, 0},
	} {
		if got := tc.s.Ceiling(tc.cores); got != tc.want {
			t.Errorf("Ceiling of %+v with %g cores = %d, want %d", tc.s, tc.cores, got, tc.want)
		}
	}
	got := search.Find(t.Context(), killed(t, func(in *search.Inputs) {
		in.Settings.Nodes = []search.Node{{Memory: gib, Cores: 8}}
	}))
	if want := "at most 1 GiB in all may be given"; got.Outcome != search.NotFeasible || !strings.Contains(got.Reason, want) {
		t.Errorf("killed with the whole of the largest node: %v %q, want %q", got.Outcome, got.Reason, want)
	}
}
