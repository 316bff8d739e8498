package recommender

import (
	"errors"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

func TestTheWeightThatAsksMostWins(t *testing.T) {
	r := Options{Weight: 1, Weights: []Weight{
		{Workflow: "etl", Dollars: 2},
		{Owner: "ann", Dollars: 3},
		{Class: failure.MemoryExecutor, Dollars: 4},
		{Workflow: "etl", Class: failure.MemoryExecutor, Dollars: 5},
		{Workflow: "etl", Owner: "ann", Class: failure.MemoryExecutor, Dollars: 0},
	}}.withDefaults(10 << 30)
	for _, tc := range []struct {
		workflow, owner string
		class           failure.Class
		want            float64
	}{
		{"other", "bob", failure.MemoryDriver, 1},
		{"etl", "bob", failure.MemoryDriver, 2},
		{"other", "ann", failure.MemoryDriver, 3},
		{"etl", "ann", failure.MemoryDriver, 2}, // the first of those that ask as much
		{"other", "bob", failure.MemoryExecutor, 4},
		{"etl", "bob", failure.MemoryExecutor, 5},
		{"etl", "ann", failure.MemoryExecutor, 0},
		{"etl", "", "", 2}, // a first attempt
	} {
		got := r.settings(failure.Type{Workflow: tc.workflow, Step: "s", Engine: engine.Spark}, tc.owner, tc.class).Weight
		if got != tc.want {
			t.Errorf("weight of %+v = %v, want %v", tc, got, tc.want)
		}
	}
}

func TestBadOptionsAreNamedInFull(t *testing.T) {
	for field, o := range map[string]Options{
		"weights[0]":           {Weights: []Weight{{Dollars: 1}}},
		"weights[0].class":     {Weights: []Weight{{Class: "no.such", Dollars: 1}}},
		"weights[0].weight":    {Weights: []Weight{{Owner: "ann", Dollars: -1}}},
		"weights[1]":           {Weights: []Weight{{Owner: "ann", Dollars: 1}, {Owner: "ann", Dollars: 2}}},
		"weights":              {Weights: make([]Weight, maxWeights+1)},
		"memory_step_bytes":    {MemoryStep: 1000},
		"allowed_memory_bytes": {AllowedMemory: []int64{2 << 30, 1 << 30}},
		"nodes[0]":             {Nodes: []Node{{Name: "n", Memory: 1 << 30}}},
		"exploration":          {Exploration: 0.2},
	} {
		e, ok := errors.AsType[*errs.Error](o.Validate())
		if !ok || !errs.Is(e, errs.Invalid) || len(e.Violations) != 1 || e.Violations[0].Field != field {
			t.Errorf("%s: %v", field, o.Validate())
		}
	}
}

func TestALeastTimeThatIsPaidForCanBeSwitchedOff(t *testing.T) {
	for given, want := range map[float64]float64{0: 60, 30: 30, -1: 0} {
		if got := (Options{MinBilledSeconds: given}).withDefaults(1 << 30).MinSeconds; got != want {
			t.Errorf("MinBilledSeconds %v = %v, want %v", given, got, want)
		}
	}
}
