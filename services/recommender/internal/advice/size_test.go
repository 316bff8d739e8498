package advice_test

import (
	"slices"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// What other steps leave of their requests, or smaller inputs of the same, says
// nothing of a heap that may grow to its limit.
func TestAFirstAttemptsLimitHoldsItsHeap(t *testing.T) {
	little := advice.Knowledge{Uses: slices.Repeat([]float64{0.1}, 40)}
	for _, tc := range []struct {
		name   string
		config config
		known  advice.Knowledge
		want   int64 // MiB
	}{
		{"a process", config{"memory_mb": 6144.0}, little, 615},
		{"a heap, and other steps", config{"heap_mb": 4096.0, "memory_mb": 6144.0}, little, 4506},
		{"a heap, and runs", config{"heap_mb": 14096.0, "memory_mb": 26144.0}, measured(40), 15506},
		{"a heap as large as the limit", config{"heap_mb": 4096.0, "memory_mb": 4096.0}, little, 4096},
		{"no heap", config{"memory_mb": 6144.0}, little, 6144},
	} {
		r := unexplained(0)
		r.Evidence, r.Config, r.Type.Engine = failure.Evidence{}, tc.config, engine.JVM
		if tc.name == "a process" {
			r.Type.Engine = engine.Process
		}
		tc.known.History.Type = r.Type
		rec, err := advice.Size(r, tc.known, settings)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advice.Search(t.Context(), r, rec)
		if err != nil || a.Chosen == nil || a.Chosen.Memory != tc.want*mib {
			t.Errorf("%s: answer = %+v, %v, want %d MiB", tc.name, a.Chosen, err, tc.want)
		}
	}
}

func TestWhatOthersUseOfOnePartSaysNothingOfAnother(t *testing.T) {
	r := unexplained(0)
	r.Evidence, r.Type.Engine, r.Config = failure.Evidence{}, engine.Spark, config{"spark.executor.memory": "8g"}
	k := advice.Knowledge{Uses: slices.Repeat([]float64{0.1}, 40)}
	k.History.Type = r.Type
	rec, err := advice.Size(r, k, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advice.Search(t.Context(), r, rec)
	if err != nil || a.Outcome != search.Keep {
		t.Errorf("answer = %v %+v, %v, want that the executors' heap is kept", a.Outcome, a.Chosen, err)
	}
}
