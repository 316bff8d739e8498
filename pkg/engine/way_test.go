package engine_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

// ways returns the ways to run by their sizes.
func ways(t *testing.T, c config, class failure.Class, l engine.Limits) map[engine.Size]engine.Way {
	t.Helper()
	s, err := lookup(t, engine.Spark).Setting(c, engine.Cause{Class: class}, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[engine.Size]engine.Way{}
	for _, w := range s.Grid(l).Ways {
		if _, twice := all[w.Size]; twice {
			t.Errorf("%v: %v is a way twice", c, w.Size)
		}
		all[w.Size] = w
	}
	return all
}

func TestFewerTasksAtOnceNeedLessAndTakeLonger(t *testing.T) {
	for _, tc := range []struct {
		name  string
		class failure.Class
		c     config
		to    engine.Size
		need  float64
		time  float64
	}{
		{"half the cores", failure.MemoryExecutor, config{"spark.executor.cores": 4.0}, engine.Size{Cores: 2}, 0.75, 2},
		{"two cores for each task", failure.MemoryExecutor, config{"spark.executor.cores": 4.0}, engine.Size{Cores: 4, TaskCPUs: 2}, 0.75, 2},
		{
			"half the cores of tasks with two", failure.MemoryPython,
			config{"spark.executor.cores": "8", "spark.task.cpus": "2"},
			engine.Size{Cores: 4, TaskCPUs: 2},
			0.75, 2,
		},
		{
			"half the cores in twice the executors", failure.MemoryExecutor,
			config{"spark.executor.cores": 4.0, "spark.executor.instances": 3.0},
			engine.Size{Cores: 2, Instances: 6},
			0.75, 1,
		},
		{
			"twice the partitions", failure.MemoryExecutor,
			config{"spark.sql.shuffle.partitions": 200.0},
			engine.Size{Partitions: 400},
			0.875, 1.02,
		},
		{
			"half the cores and four times the partitions", failure.MemoryExecutor,
			config{"spark.executor.cores": 2.0, "spark.sql.shuffle.partitions": 200.0},
			engine.Size{Cores: 1, Partitions: 800},
			0.5 + 0.25*0.625, 2.08,
		},
	} {
		got, ok := ways(t, tc.c, tc.class, engine.Limits{})[tc.to]
		if !ok || got.Need != tc.need || got.Time != tc.time {
			t.Errorf("%s: need %v, time %v, there %v; want %v, %v", tc.name, got.Need, got.Time, ok, tc.need, tc.time)
		}
	}
}

func TestWhatTheConfigurationDoesNotSayIsNotChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		c     config
		class failure.Class
		l     engine.Limits
		want  int
	}{
		"a driver":                         {config{"spark.driver.cores": 4.0, "spark.sql.shuffle.partitions": 10.0}, failure.MemoryDriver, engine.Limits{}, 1},
		"no cores":                         {config{"spark.executor.instances": 4.0}, failure.MemoryExecutor, engine.Limits{}, 1},
		"one core":                         {config{"spark.executor.cores": 1.0}, failure.MemoryExecutor, engine.Limits{}, 1},
		"partitions that are no number":    {config{"spark.sql.shuffle.partitions": "auto"}, failure.MemoryExecutor, engine.Limits{}, 1},
		"executors that come and go":       {config{"spark.executor.cores": 2.0, "spark.executor.instances": 4.0, "spark.dynamicAllocation.enabled": "true"}, failure.MemoryExecutor, engine.Limits{}, 3},
		"at most two cores, or as many":    {config{"spark.executor.cores": 8.0}, failure.MemoryExecutor, engine.Limits{Cores: 2}, 3},
		"executors, cores, tasks of cores": {config{"spark.executor.cores": 4.0, "spark.executor.instances": 4.0}, failure.MemoryExecutor, engine.Limits{}, 7},
	} {
		if got := ways(t, tc.c, tc.class, tc.l); len(got) != tc.want {
			t.Errorf("%s: %d ways, want %d: %v", name, len(got), tc.want, got)
		}
	}
}
