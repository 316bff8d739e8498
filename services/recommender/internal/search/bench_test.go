package search

import (
	"math"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

func BenchmarkSearchOf10000(b *testing.B) {
	p, err := engine.Lookup(engine.Spark)
	if err != nil {
		b.Fatal(err)
	}
	setting, err := p.Setting(map[string]any{"spark.executor.memory": "1g", "spark.executor.cores": 100.0}, engine.Cause{Class: failure.MemoryExecutor}, 0)
	if err != nil {
		b.Fatal(err)
	}
	var grid []engine.Size
	for cores := 100; cores > 0; cores-- {
		for i := range 100 {
			grid = append(grid, engine.Size{Memory: int64(1024*math.Pow(1.05, float64(i))) << 20, Cores: float64(cores)})
		}
	}
	in := Inputs{
		Question: MoreMemory, Setting: setting, Need: need.After(nil, 1<<30).Above(1 << 30), Proven: 1 << 30,
		Permanent: 0.05, Seconds: 600, Settings: Settings{Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9},
	}
	for b.Loop() {
		in.moreMemory(b.Context(), Answer{}, grid)
	}
}
