package engine

import (
	"math"
	"math/bits"
)

// gridStep is the ratio of two neighbouring memory candidates: 5 %, as the
// buckets of the Kubernetes vertical pod autoscaler. A finer grid would save
// less than the noise of any measured peak.
const gridStep = 1.05

// MaxCandidates bounds a grid: memory from 4 MiB to 32 TiB by steps of 5 % is
// 330 values, executor cores halve at most 10 times.
const MaxCandidates = 4096

// Grid returns the sizes worth considering after a failure with setting s, the
// one that s has first: never less memory than it has, by steps of about 5 % up
// to the limit, and the limit itself. For an executor each also with fewer
// cores, by halves: tasks that run at the same time share its memory, so fewer
// of them need less. Nothing is returned when no memory is set, or no key bears
// on it.
func (p Profile) Grid(s Setting, l Limits) []Size {
	if s.Role == NoRole || s.Memory <= 0 {
		return nil
	}
	ceiling := int64(maxMemory)
	if l.Memory > 0 {
		ceiling = min(ceiling, l.Memory/mib*mib)
	}
	memory := []int64{s.Memory}
	for at := float64(s.Memory) * gridStep; len(memory) < MaxCandidates/16; at *= gridStep {
		m := roundUp(int64(math.Ceil(at)))
		if m >= ceiling {
			break
		}
		if m > memory[len(memory)-1] {
			memory = append(memory, m)
		}
	}
	if ceiling > memory[len(memory)-1] {
		memory = append(memory, ceiling)
	}
	var grid []Size
	for n := s.Cores; ; n = math.Floor(n / 2) {
		for _, m := range memory {
			grid = append(grid, Size{m, n})
		}
		if s.Role != Executor || n < 2 {
			return grid
		}
	}
}

// roundUp rounds to a number that reads well: to a 32nd of its highest power of
// two, at least 1 MiB.
func roundUp(bytes int64) int64 {
	step := max(int64(mib), int64(1)<<(bits.Len64(uint64(bytes))-1)/32)
	return (bytes + step - 1) / step * step
}

// sharedNeed is the part of an executor's need that does not depend on how many
// tasks run in it at once; the rest is theirs. Spark's unified memory is one
// pool of which each of n tasks may take from 1/2n to 1/n, beside user objects
// and broadcasts that are shared: without a measurement, half and half.
const sharedNeed = 0.5

// NeedFactor returns the need at the size to, relative to the need with the
// setting s, when it depends on the cores alone.
func (p Profile) NeedFactor(s Setting, to Size) float64 {
	if s.Role != Executor || s.Cores <= 0 || to.Cores <= 0 {
		return 1
	}
	return sharedNeed + (1-sharedNeed)*to.Cores/s.Cores
}

// TimeFactor returns the run time at the size to, relative to the one with the
// setting s: an executor with half the cores takes twice as long.
func (p Profile) TimeFactor(s Setting, to Size) float64 {
	if s.Role != Executor || s.Cores <= 0 || to.Cores <= 0 {
		return 1
	}
	return s.Cores / to.Cores
}
