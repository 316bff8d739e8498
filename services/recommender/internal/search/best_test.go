package search_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// What is shown are choices: the best of all first, and of each way to share the
// memory no two that differ by less than 6 %.
func TestTheBestAreChoicesAndNotNeighbours(t *testing.T) {
	spark := func(in *search.Inputs) {
		in.Setting = setting(t, engine.Spark, map[string]any{"spark.executor.memory": "4g", "spark.executor.cores": 4.0}, failure.MemoryExecutor)
		in.Proven, in.Need = 4*gib, need.After(nil, 4*gib).Above(4*gib)
	}
	first := func(in *search.Inputs) {
		in.First, in.Reach, in.Proven = true, 2*gib, 0
		in.Need = nil
		for i := range int64(100) {
			in.Need = append(in.Need, need.Quantile{Probability: float64(i+1) / 101, Bytes: gib + i*8*mib})
		}
	}
	for name, change := range map[string]func(*search.Inputs){"a process": nil, "an executor": spark, "a first attempt": first} {
		t.Run(name, func(t *testing.T) {
			in := killed(t, change)
			a := search.Find(t.Context(), in)
			if len(a.Best) < 3 || a.Count < 4*len(a.Best) {
				t.Fatalf("%d are shown of %d", len(a.Best), a.Count)
			}
			for i, c := range a.Best {
				for _, d := range a.Best[:i] {
					less, more, way := min(c.Memory, d.Memory), max(c.Memory, d.Memory), d.Size
					if way.Memory = c.Memory; way == c.Size && float64(more) < 1.06*float64(less) {
						t.Errorf("%+v and %+v are hardly two", c, d)
					}
				}
			}
			// Each amount alone, with what it would be shared by: none is better.
			for m := in.Setting.Memory; m <= 4*in.Setting.Memory; m += 16 * mib {
				at := a.Best[0].Size
				if at.Memory = m; m > in.Proven && in.Score(at).Objective < a.Best[0].Objective*(1-1e-3) {
					t.Errorf("%d MiB costs %v, the best %v", m/mib, in.Score(at).Objective, a.Best[0].Objective)
				}
			}
			if !slices.IsSortedFunc(a.Best, func(c, d search.Candidate) int { return cmp.Compare(c.Objective, d.Objective) }) {
				t.Errorf("not best first: %+v", a.Best)
			}
		})
	}
}
