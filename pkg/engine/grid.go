package engine

import (
	"math"
	"math/bits"
)

// Limits bound what may be recommended; 0 leaves the engine's own bound.
type Limits struct {
	Memory int64   // bytes in all of the tree or container
	Part   int64   // bytes of the part
	Cores  float64 // cores of the part
}

// gridStep is the ratio of two neighbouring memory candidates: 5 %, as the
// buckets of the Kubernetes vertical pod autoscaler. A finer grid would save
// less than the noise of a measured peak.
const gridStep = 1.05

// Grid returns the sizes worth considering after a failure with this setting,
// the present one first: never less memory, by steps of about 5 % up to the
// limit, and the largest that the limit allows. For an executor each also with
// fewer cores, by halves. It has at most 4,000 sizes, and none when no memory is
// set or no key bears on it.
func (s Setting) Grid(l Limits) []Size {
	if s.Part == NoPart || s.Memory <= 0 {
		return nil
	}
	memory := s.memories(l)
	var grid []Size
	for n := s.Cores; ; n = math.Floor(n / 2) {
		if n == s.Cores || l.Cores <= 0 || n <= l.Cores {
			for _, m := range memory {
				grid = append(grid, Size{m, n})
			}
		}
		if !s.sharedByTasks() || n < 2 {
			return grid
		}
	}
}

// memories returns the amounts of the part, ascending, the present one first.
func (s Setting) memories(l Limits) []int64 {
	fits := func(m int64) bool {
		return (l.Memory <= 0 || s.Total(Size{m, s.Cores}) <= l.Memory) && (l.Part <= 0 || m <= l.Part) && m <= maxMemory
	}
	memory := []int64{s.Memory}
	last := s.Memory
	for {
		next := max(roundUp(int64(math.Ceil(float64(last)*gridStep))), last+mib)
		if !fits(next) {
			break
		}
		memory, last = append(memory, next), next
	}
	// The largest that fits lies less than one step above the last.
	fit, tooMuch := last/mib, roundUp(int64(math.Ceil(float64(last)*gridStep)))/mib+1
	for fit+1 < tooMuch {
		if mid := (fit + tooMuch) / 2; fits(mid * mib) {
			fit = mid
		} else {
			tooMuch = mid
		}
	}
	if fit*mib > last {
		memory = append(memory, fit*mib)
	}
	return memory
}

// roundUp rounds to a number that reads well: to a 32nd of its highest power of
// two, at least 1 MiB.
func roundUp(bytes int64) int64 {
	step := max(int64(mib), int64(1)<<(bits.Len64(uint64(bytes))-1)/32)
	return (bytes + step - 1) / step * step
}
