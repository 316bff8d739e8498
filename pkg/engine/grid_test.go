package engine_test

import (
	"math"
	"slices"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

// unlimited is what cgroups say where nothing is limited.
const unlimited = math.MaxInt64 - 4095

func TestALimitOfMoreThanAnyMachineHasIsNone(t *testing.T) {
	p, err := engine.Lookup(engine.Process)
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]int64{0: 0, -1: 0, gib: gib, 32 << 40: 32 << 40, 32<<40 + 1: 0, unlimited: 0, math.MaxInt64: 0} {
		s, err := p.Setting(config{}, engine.Cause{Class: failure.MemoryContainer}, limit)
		if err != nil || s.Memory != want {
			t.Errorf("a limit of %d is %d, %v, want %d", limit, s.Memory, err, want)
		}
	}
}

func TestGridsEndWhateverTheLimits(t *testing.T) {
	p, err := engine.Lookup(engine.Process)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Setting(config{"memory_mb": 1024.0}, engine.Cause{Class: failure.MemoryContainer}, 0)
	if err != nil {
		t.Fatal(err)
	}
	huge := int64(math.MaxInt64 / mib * mib)
	for _, memory := range []int64{1, gib, 32 << 40, unlimited, math.MaxInt64} {
		s.Memory = memory
		for name, l := range map[string]engine.Limits{
			"none":    {},
			"a step":  {Step: huge},
			"points":  {Points: []int64{1, huge, math.MaxInt64}},
			"a first": {Points: []int64{1, huge, math.MaxInt64}, First: true},
			"allowed": {Allowed: []int64{gib, 2 * gib, huge, math.MaxInt64}},
		} {
			g := s.Grid(l)
			if n := len(g.Memory); n > 5000 || len(g.Total) != n || !slices.IsSorted(g.Memory) || n > 0 && g.Memory[0] <= 0 {
				t.Errorf("from %d with %s: %d amounts", memory, name, n)
			}
		}
	}
}

// What Most returns is looked up among all amounts, for configurations whose
// total grows by more than the part, by as much, or not at all.
func TestTheMostIsTheLargestThatFits(t *testing.T) {
	for name, tc := range map[string]struct {
		engine string
		c      config
		class  failure.Class
	}{
		"a process":                 {engine.Process, config{"memory_mb": 300.0}, failure.MemoryContainer},
		"a heap":                    {engine.JVM, config{"heap_mb": 300.0}, failure.MemoryExecutor},
		"a heap within a limit":     {engine.JVM, config{"heap_mb": 300.0, "memory_mb": 320.0}, failure.MemoryExecutor},
		"a heap as large as it":     {engine.JVM, config{"heap_mb": 300.0, "memory_mb": 300.0}, failure.MemoryExecutor},
		"a heap of an executor":     {engine.Spark, config{"spark.executor.memory": "300m"}, failure.MemoryExecutor},
		"a large one":               {engine.Spark, config{"spark.executor.memory": "6000m", "spark.executor.memoryOverheadFactor": "0.5"}, failure.MemoryExecutor},
		"an overhead":               {engine.Spark, config{"spark.executor.memory": "600m"}, failure.MemoryContainer},
		"Python's part":             {engine.Spark, config{"spark.executor.memory": "600m", "spark.executor.pyspark.memory": "100m"}, failure.MemoryPython},
		"a driver":                  {engine.Spark, config{"spark.driver.memory": "500m"}, failure.MemoryDriver},
		"a part that is no setting": {engine.Spark, config{}, failure.MemoryGPU},
	} {
		s, err := lookup(t, tc.engine).Setting(tc.c, engine.Cause{Class: tc.class}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, total := range []int64{0, mib, 300 * mib, 320*mib + 1, 700 * mib, 1000*mib - 1, 2222 * mib} {
			for _, step := range []int64{0, mib, 7 * mib, 256 * mib, 4 * gib} {
				want := int64(0)
				unit := max(step, mib)
				for at, m := s.Size, unit; m <= total && s.Part != engine.NoPart; m += unit {
					if at.Memory = m; s.Total(at) <= total {
						want = m
					}
				}
				if got := s.Most(total, step); got != want {
					t.Errorf("%s of %d bytes in all by steps of %d: %d, want %d", name, total, step, got, want)
				}
			}
		}
	}
}
