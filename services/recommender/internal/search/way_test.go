package search_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

func TestOneWayIsSearchedAlone(t *testing.T) {
	p, err := engine.Lookup(engine.Spark)
	if err != nil {
		t.Fatal(err)
	}
	setting, err := p.Setting(map[string]any{"spark.executor.memory": "4g", "spark.executor.cores": 4.0}, engine.Cause{Class: failure.MemoryExecutor}, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := search.Inputs{
		Question: search.MoreMemory, Setting: setting, Need: need.After(nil, 4096*mib).Above(4096 * mib), Proven: 4096 * mib,
		Permanent: 0.05, Seconds: 600, FailedShare: 1,
		Settings: search.Settings{Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MaxMemory: 64 << 30},
	}
	all := search.Find(t.Context(), in)
	for _, cores := range []float64{4, 2, 1} {
		in.Way = &engine.Size{Memory: 1, Cores: cores}
		got := search.Find(t.Context(), in)
		if got.Count >= all.Count || got.Chosen == nil {
			t.Fatalf("%g cores: %d of %d candidates, chosen %v", cores, got.Count, all.Count, got.Chosen)
		}
		for _, c := range got.Best {
			if c.Cores != cores {
				t.Errorf("%g cores: %+v is among the best", cores, c)
			}
		}
		if got.Chosen.Objective < all.Chosen.Objective {
			t.Errorf("%g cores: %v is less than %v, the least of all", cores, got.Chosen.Objective, all.Chosen.Objective)
		}
	}
	in.Way = &engine.Size{Cores: 3}
	if got := search.Find(t.Context(), in); got.Count != all.Count {
		t.Errorf("of a way that is not to be had %d candidates are considered, want all %d", got.Count, all.Count)
	}
}
