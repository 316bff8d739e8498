package rightsize

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

type config = map[string]any

func TestChange(t *testing.T) {
	for _, tc := range []struct {
		name            string
		engine          string
		config, present config
		without         config // nil: the jobs' own
		part            engine.Part
		bytes           int64
		want            []engine.Operation
		lowered         map[engine.Part]int64
	}{
		{
			"a process", engine.Process,
			config{"memory_mb": 1024.0},
			config{"memory_mb": 1024.0},
			nil,
			engine.Tree, 768 * mib,
			[]engine.Operation{{Op: "test", Path: "/memory_mb", Value: 1024.0}, {Op: "replace", Path: "/memory_mb", Value: 768.0}},
			map[engine.Part]int64{engine.Tree: 768 * mib},
		},
		{
			"on top of what applies, against the jobs' own", engine.Process,
			config{"memory_mb": 1024.0},
			config{"memory_mb": 768.0},
			nil,
			engine.Tree, 576 * mib,
			[]engine.Operation{{Op: "test", Path: "/memory_mb", Value: 1024.0}, {Op: "replace", Path: "/memory_mb", Value: 576.0}},
			map[engine.Part]int64{engine.Tree: 576 * mib},
		},
		{
			"less than the step before, more than their own", engine.Process,
			config{"memory_mb": 512.0},
			config{"memory_mb": 2048.0},
			nil,
			engine.Tree, 1536 * mib,
			[]engine.Operation{{Op: "test", Path: "/memory_mb", Value: 512.0}, {Op: "replace", Path: "/memory_mb", Value: 1536.0}},
			map[engine.Part]int64{},
		},
		{
			"an executor's heap: the overhead that follows from it stays", engine.Spark,
			config{"spark.executor.memory": "8g"},
			config{"spark.executor.memory": "8g"},
			nil,
			engine.ExecutorHeap, 6 * gib,
			[]engine.Operation{
				{Op: "test", Path: "/spark.executor.memory", Value: "8g"},
				{Op: "replace", Path: "/spark.executor.memory", Value: "6g"},
				{Op: "add", Path: "/spark.executor.memoryOverhead", Value: "819m"},
			},
			map[engine.Part]int64{engine.ExecutorHeap: 6 * gib},
		},
		{
			"less than was promoted, more than their own", engine.Process,
			config{"memory_mb": 512.0},
			config{"memory_mb": 2048.0},
			config{"memory_mb": 2048.0},
			engine.Tree, 1536 * mib,
			[]engine.Operation{{Op: "test", Path: "/memory_mb", Value: 512.0}, {Op: "replace", Path: "/memory_mb", Value: 1536.0}},
			map[engine.Part]int64{engine.Tree: 1536 * mib},
		},
		{
			"less than was promoted, as much as their own", engine.Process,
			config{"memory_mb": 1536.0},
			config{"memory_mb": 2048.0},
			config{"memory_mb": 2048.0},
			engine.Tree, 1536 * mib,
			[]engine.Operation{{Op: "test", Path: "/memory_mb", Value: 1536.0}, {Op: "replace", Path: "/memory_mb", Value: 1536.0}},
			map[engine.Part]int64{engine.Tree: 1536 * mib},
		},
	} {
		p, err := engine.Lookup(tc.engine)
		if err != nil {
			t.Fatal(err)
		}
		from := tc.without
		if from == nil {
			from = tc.config
		}
		without, err := Memory(p, from)
		if err != nil {
			t.Fatal(err)
		}
		ops, lowered, err := Change(p, tc.config, tc.present, without, tc.part, tc.bytes)
		if err != nil || !reflect.DeepEqual(ops, tc.want) || !maps.Equal(lowered, tc.lowered) {
			t.Errorf("%s: %v, lowered %v, %v\nwant %v, %v", tc.name, ops, lowered, err, tc.want, tc.lowered)
		}
	}
}

func TestAPatchThatAddsIsFoundOfJobsThatSetNothing(t *testing.T) {
	z := Sizing{Type: failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}}
	found, err := z.Found(Found{
		Patch: "patches/p", Approved: now, Saving: Saving{Before: gib, After: 768 * mib},
		Operations: []engine.Operation{{Op: "add", Path: "/memory_mb", Value: 768.0}},
		Below:      []engine.Operation{{Op: "add", Path: "/memory_mb", Value: 1024.0}},
	}, history.History{}, now)
	if err != nil || found.Working == nil || found.Working.Part != engine.Tree || found.Working.Lowered[engine.Tree] != 768*mib {
		t.Errorf("Found = %+v, %v", found.Working, err)
	}
}

// past is a history of n successes of an engine, an hour apart, changed.
func past(engineName string, n int, change func(i int, a *history.Attempt)) history.History {
	h := history.History{Type: failure.Type{Workflow: "w", Step: "s", Engine: engineName}}
	for i := range n {
		a := history.Attempt{
			ID: string(rune('a'+i%26)) + time.Duration(i).String(), End: now.Add(time.Duration(i-n) * time.Hour), Seconds: 600,
			Outcome: history.Succeeded, Sizes: map[engine.Part]int64{engine.Tree: gib},
		}
		change(i, &a)
		h = h.Learn(a)
	}
	return h
}

func TestGather(t *testing.T) {
	tree := func(i int, a *history.Attempt) { a.Peak = int64(200+i%5) * mib }
	z := Sizing{Config: config{"memory_mb": 1024.0}}
	f, err := Gather(past(engine.Process, 24, tree), z, z.Config, settings, now)
	if err != nil || len(f.Parts) != 1 || f.Fresh != 24 || !f.Alike() {
		t.Fatalf("facts %+v, %v", f, err)
	}
	if e := f.Parts[0]; e.Runs != 24 || e.Present != gib || e.Total != gib || e.Peak != 204*mib || e.Seconds != 600 || e.RunsPerDay < 23 || e.RunsPerDay > 25 || len(e.Needs) != 1 || e.Bounded {
		t.Errorf("evidence %+v", e)
	}
	// Those that had something else do not count; what was too little is known.
	mixed := past(engine.Process, 24, func(i int, a *history.Attempt) {
		if tree(i, a); i%2 == 0 {
			a.Sizes = map[engine.Part]int64{engine.Tree: 2 * gib}
		}
		if i == 3 {
			a.Outcome, a.Killed = history.Failed, true
		}
	})
	if f, err = Gather(mixed, z, z.Config, settings, now); err != nil || f.Fresh != 11 || f.Parts[0].Alike != 0.5 || f.Parts[0].Short != gib {
		t.Errorf("mixed: fresh %d, %+v, %v", f.Fresh, f.Parts[0], err)
	}
	// A JVM without a heap of its own is not sized; with one, down to it.
	if f, err = Gather(past(engine.JVM, 24, tree), z, z.Config, settings, now); err != nil || len(f.Parts) != 0 || f.Note == "" {
		t.Errorf("JVM: %+v, %v", f, err)
	}
	z.Config = config{"memory_mb": 1024.0, "heap_mb": 500.0}
	if f, err = Gather(past(engine.JVM, 24, tree), z, z.Config, settings, now); err != nil || len(f.Parts) != 1 || f.Parts[0].Least != 550*mib {
		t.Errorf("JVM with a heap: %+v, %v", f, err)
	}
	// Of Spark the parts that were measured; of a heap the need is known at most.
	z.Config = config{"spark.executor.memory": "8g", "spark.executor.pyspark.memory": "2g", "spark.executor.instances": 4.0, "spark.executor.cores": 2.0}
	spark := past(engine.Spark, 24, func(_ int, a *history.Attempt) {
		a.Sizes = map[engine.Part]int64{engine.ExecutorHeap: 8 * gib, engine.Python: 2 * gib}
		a.Peaks = map[engine.Part]int64{engine.ExecutorHeap: 3 * gib, engine.Python: gib}
	})
	if f, err = Gather(spark, z, z.Config, settings, now); err != nil || len(f.Parts) != 2 || f.Fresh != 24 {
		t.Fatalf("spark: %+v, %v", f, err)
	}
	if heap, python := f.Parts[0], f.Parts[1]; !heap.Bounded || python.Bounded || heap.Copies != 4 || heap.Cores != 2 || heap.Total <= 10*gib || python.Present != 2*gib {
		t.Errorf("heap %+v\npython %+v", heap, python)
	}
}
