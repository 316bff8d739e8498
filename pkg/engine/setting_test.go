package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

func TestApplyGivesMoreToWhatRanOutAlone(t *testing.T) {
	for _, tc := range []struct {
		name, engine string
		config       config
		class        failure.Class
		to           int64
		want         config // the members that change
		wantTotal    int64
	}{
		{
			"a process", engine.Process,
			config{"memory_mb": 512.0, "cores": 2.0},
			failure.MemoryContainer, 1024 * mib,
			config{"memory_mb": 1024.0},
			1024 * mib,
		},
		{
			"a heap without a limit of the tree", engine.JVM,
			config{"heap_mb": 1000.0},
			failure.MemoryDriver, 2000 * mib,
			config{"heap_mb": 2000.0},
			2384 * mib,
		},
		{
			"a heap raises the limit with it and keeps the overhead", engine.JVM,
			config{"heap_mb": 1000.0, "memory_mb": 1500.0},
			failure.MemoryDriver, 2000 * mib,
			config{"heap_mb": 2000.0, "memory_mb": 2500.0},
			2500 * mib,
		},
		{
			"an overhead is a tenth at least", engine.JVM,
			config{"heap_mb": 1000.0, "memory_mb": 1050.0},
			failure.MemoryExecutor, 2000 * mib,
			config{"heap_mb": 2000.0, "memory_mb": 2200.0},
			2200 * mib,
		},
		{
			"a heap that its limit could never hold", engine.JVM,
			config{"heap_mb": 1000.0, "memory_mb": 800.0},
			failure.MemoryExecutor, 2000 * mib,
			config{"heap_mb": 2000.0, "memory_mb": 2384.0},
			2384 * mib,
		},
		{
			"a kill at the limit of the tree leaves the heap alone", engine.JVM,
			config{"heap_mb": 1000.0, "memory_mb": 1100.0},
			failure.MemoryContainer, 1500 * mib,
			config{"memory_mb": 1500.0},
			1500 * mib,
		},
		{
			"the heap of executors", engine.Spark,
			config{"spark.executor.memory": "4g"},
			failure.MemoryExecutor, 8 * gib,
			config{"spark.executor.memory": "8g"},
			9011 * mib,
		},
		{
			"the overhead of executors, by default 384 MiB", engine.Spark,
			config{"spark.executor.memory": "2g"},
			failure.MemoryContainer, 1024 * mib,
			config{"spark.executor.memoryOverhead": "1g"},
			3 * gib,
		},
		{
			"the overhead when Python runs in it", engine.Spark,
			config{"spark.executor.memory": "2g", "spark.executor.memoryOverhead": "512m"},
			failure.MemoryPython, 1024 * mib,
			config{"spark.executor.memoryOverhead": "1g"},
			3 * gib,
		},
		{
			"Python's own memory", engine.Spark,
			config{"spark.executor.memory": "2g", "spark.executor.pyspark.memory": "512m"},
			failure.MemoryPython, 768 * mib,
			config{"spark.executor.pyspark.memory": "768m"},
			(2048 + 384 + 768) * mib,
		},
		{
			"the driver, and not the limit of its results", engine.Spark,
			config{"spark.driver.memory": "2g", "spark.driver.maxResultSize": "512m"},
			failure.MemoryDriver, 4 * gib,
			config{"spark.driver.memory": "4g"},
			4505 * mib,
		},
		{
			"a limit that the configuration does not have is added", engine.Process,
			config{},
			failure.MemoryContainer, 1024 * mib,
			config{"memory_mb": 1024.0},
			1024 * mib,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := lookup(t, tc.engine).Setting(tc.config, engine.Cause{Class: tc.class}, 512*mib)
			if err != nil {
				t.Fatal(err)
			}
			to := engine.Size{Memory: tc.to, Cores: s.Cores}
			want := maps.Clone(tc.config)
			maps.Copy(want, tc.want)
			if got := s.Apply(to); !reflect.DeepEqual(got, want) {
				t.Errorf("Apply = %v, want %v", got, want)
			}
			if got := s.Total(to) / mib; got != tc.wantTotal/mib {
				t.Errorf("Total = %d MiB, want %d", got, tc.wantTotal/mib)
			}
			if got := s.Apply(s.Size); !reflect.DeepEqual(got, tc.config) {
				t.Errorf("Apply of the present size = %v, want %v", got, tc.config)
			}
		})
	}
}

func TestGrid(t *testing.T) {
	for _, tc := range []struct {
		name, engine string
		config       config
		class        failure.Class
		limits       engine.Limits
		want         string // first, last, number
	}{
		{
			"from the present size to the limit", engine.Process,
			config{"memory_mb": 512.0},
			failure.MemoryContainer,
			engine.Limits{Memory: 1000 * mib},
			"512 0, 1000 0, 123",
		},
		{
			"a job that has not run gets what it may need, or what it asks for", engine.Process,
			config{"memory_mb": 1001.0},
			failure.MemoryContainer,
			engine.Limits{Memory: 2000 * mib, First: true, Points: []int64{900*mib + 1, 1400 * mib, 9000 * mib}},
			"901 0, 2000 0, 4",
		},
		{
			"what may be needed is a candidate too", engine.Process,
			config{"memory_mb": 1024.0},
			failure.MemoryContainer,
			engine.Limits{Memory: 1060 * mib, Points: []int64{700 * mib, 1033*mib - 1, 1041 * mib, 4096 * mib}},
			"1024 0, 1060 0, 8",
		},
		{
			"steps", engine.Process,
			config{"memory_mb": 1000.0},
			failure.MemoryContainer,
			engine.Limits{Memory: 3000 * mib, Step: 512 * mib},
			"1000 0, 2560 0, 5",
		},
		{
			"only some totals are allowed", engine.Spark,
			config{"spark.executor.memory": "4g"},
			failure.MemoryExecutor,
			engine.Limits{Memory: 40 * gib, Allowed: []int64{2 * gib, 8 * gib, 16 * gib, 64 * gib}},
			"4096 0, 14895 0, 3",
		},
		{
			"nothing more fits", engine.Process,
			config{"memory_mb": 512.0},
			failure.MemoryContainer,
			engine.Limits{Memory: 512 * mib},
			"512 0, 512 0, 1",
		},
		{
			"no limit is set", engine.Process,
			config{},
			failure.MemoryContainer,
			engine.Limits{Memory: 1 * gib},
			"none",
		},
		{
			"the limit holds for heap and overhead", engine.JVM,
			config{"heap_mb": 512.0, "memory_mb": 1024.0},
			failure.MemoryDriver,
			engine.Limits{Memory: 2 * gib},
			"512 0, 1536 0, 193",
		},
		{
			"the part has a limit of its own", engine.Process,
			config{"memory_mb": 512.0},
			failure.MemoryContainer,
			engine.Limits{Memory: 64 * gib, Part: 2 * gib},
			"512 0, 2048 0, 257",
		},
		{
			"an executor also with fewer cores", engine.Spark,
			config{"spark.executor.memory": "4g", "spark.executor.cores": "5"},
			failure.MemoryExecutor,
			engine.Limits{Memory: 4600 * mib},
			"4096 5, 4182 5, 20",
		},
		{
			"a GPU's memory is no setting", engine.Spark,
			config{},
			failure.MemoryGPU,
			engine.Limits{},
			"none",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := lookup(t, tc.engine).Setting(tc.config, engine.Cause{Class: tc.class}, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := "none"
			if grid := s.Grid(tc.limits); grid.Len() > 0 {
				first, last := grid.Size(0, 0), grid.Size(len(grid.Memory)-1, len(grid.Ways)-1)
				got = fmt.Sprintf("%d %g, %d %g, %d", first.Memory/mib, first.Cores, last.Memory/mib, last.Cores, grid.Len())
			}
			if got != tc.want {
				t.Errorf("Grid = %s, want %s", got, tc.want)
			}
		})
	}
}

// Whatever the configuration: the grid starts with the present size, grows, is
// bounded, stays below the limit, and what Apply writes is a valid
// configuration that has the size and the total that were asked for.
func TestGridAndApplyAgree(t *testing.T) {
	classes := []failure.Class{
		failure.MemoryDriver, failure.MemoryExecutor, failure.MemoryContainer, failure.MemoryPython, failure.Unknown,
	}
	r := rand.New(rand.NewPCG(1, 2))
	amount := func() float64 { return float64(int(16 * pow2(r.Float64()*12))) }
	for range 300 {
		c := config{
			"memory_mb": amount(), "heap_mb": amount(),
			"spark.executor.memory": fmt.Sprintf("%dm", int(amount())), "spark.driver.memory": amount(),
			"spark.executor.cores": float64(1 + r.IntN(16)), "spark.executor.pyspark.memory": "300m",
			"spark.executor.instances": float64(1 + r.IntN(9)), "spark.sql.shuffle.partitions": "200",
			"spark.dynamicAllocation.enabled": r.IntN(2) == 0,
		}
		if r.IntN(2) == 0 {
			delete(c, "memory_mb")
			c["spark.executor.memoryOverhead"] = amount()
		}
		for _, name := range engine.Names() {
			p, class := lookup(t, name), classes[r.IntN(len(classes))]
			s, err := p.Setting(c, engine.Cause{Class: class}, 0)
			if err != nil {
				t.Fatal(err)
			}
			ceiling := int64(float64(s.Total(s.Size)) * (0.5 + 8*r.Float64()))
			grid := s.Grid(engine.Limits{Memory: ceiling})
			if len(grid.Memory) > 3000 || len(grid.Ways) > 100 || len(grid.Total) != len(grid.Memory) || s.Memory > 0 && grid.Size(0, 0) != s.Size {
				t.Fatalf("%s %s %v: grid of %d starts with %v, want %v", name, class, c, grid.Len(), grid.Size(0, 0), s.Size)
			}
			for m := range grid.Memory {
				if m > 0 && (grid.Memory[m] <= grid.Memory[m-1] || grid.Total[m] > ceiling) {
					t.Fatalf("%s %s %v: grid does not grow, or beyond %d: %v", name, class, c, ceiling, grid)
				}
				way := r.IntN(len(grid.Ways))
				to := grid.Size(m, way)
				again, err := p.Setting(s.Apply(to), engine.Cause{Class: class}, 0)
				if err != nil {
					t.Fatalf("%s %s %v: Apply to %v: %v", name, class, c, to, err)
				}
				if again.Part != s.Part || again.Size != to || again.Total(to) != grid.Total[m] {
					t.Fatalf("%s %s %v: Apply to %v gives %v, total %d, want %d", name, class, c, to, again.Size, again.Total(to), grid.Total[m])
				}
			}
		}
	}
}

func pow2(x float64) float64 {
	n := 1.0
	for ; x >= 1; x-- {
		n *= 2
	}
	return n * (1 + x)
}

func TestTheLimitOfResultsIsRaisedWithTheHeapThatHoldsThem(t *testing.T) {
	cause := engine.Cause{Class: failure.MemoryDriver, Setting: "spark.driver.maxResultSize"}
	for name, tc := range map[string]struct {
		config, want config
		to           int64
	}{
		"both are set": {
			config{"spark.driver.memory": "8g", "spark.driver.maxResultSize": "1g"},
			config{"spark.driver.memory": "9g", "spark.driver.maxResultSize": "2g"},
			2 * gib,
		},
		"both are by default": {config{}, config{"spark.driver.memory": "3g", "spark.driver.maxResultSize": "3g"}, 3 * gib},
		"a small one": {
			config{"spark.driver.maxResultSize": "1m"},
			config{"spark.driver.memory": "1028m", "spark.driver.maxResultSize": "5m"},
			5 * mib,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := lookup(t, engine.Spark).Setting(tc.config, cause, 0)
			if err != nil || s.Part != engine.DriverResult {
				t.Fatalf("part = %q, %v, want %q", s.Part, err, engine.DriverResult)
			}
			if got := s.Apply(engine.Size{Memory: tc.to, Cores: s.Cores}); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("Apply = %v, want %v", got, tc.want)
			}
			for _, total := range s.Grid(engine.Limits{Memory: 16 * gib}).Total {
				if total > 16*gib {
					t.Errorf("a candidate takes %d bytes, more than the limit", total)
				}
			}
		})
	}
}

func TestSizes(t *testing.T) {
	got, err := lookup(t, engine.Spark).Sizes(config{"spark.executor.memory": "2g", "spark.executor.cores": 2.0})
	want := map[engine.Part]engine.Size{
		engine.DriverHeap: {Memory: gib}, engine.DriverResult: {Memory: gib}, engine.ExecutorHeap: {Memory: 2 * gib, Cores: 2},
		engine.Overhead: {Memory: 384 * mib, Cores: 2},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Sizes = %v, %v, want %v", got, err, want)
	}
}
