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
