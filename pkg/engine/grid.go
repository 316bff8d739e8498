package engine

import (
	"math"
	"math/bits"
	"slices"
)

// Limits bound what may be recommended; 0 leaves the engine's own bound.
type Limits struct {
	Memory int64   // bytes in all of the tree or container
	Part   int64   // bytes of the part
	Least  int64   // bytes of the part at which candidates begin; 0 is what is set
	Cores  float64 // cores of the part
}

// perOctave is how many memory candidates lie between an amount and its double:
// neighbours differ by 0.4 to 0.8 %. What is predicted of a job that repeats
// itself is good to one per cent, and a coarser grid would give that away.
const perOctave = 128

// Grid returns the sizes worth considering after a failure with this setting,
// the present one first: never less memory, by steps of less than 1 % up to the
// limit, and the largest that the limit allows. For an executor each also with
// fewer cores, by halves. With l.Least the memory begins there, and what is set
// is one candidate of all. It has none when no memory is set or no key bears on
// it.
func (s Setting) Grid(l Limits) []Size {
	if s.Part == NoPart || s.Memory <= 0 && l.Least <= 0 {
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

// memories returns the amounts of the part, ascending.
func (s Setting) memories(l Limits) []int64 {
	fits := func(m int64) bool {
		return (l.Memory <= 0 || s.Total(Size{m, s.Cores}) <= l.Memory) && (l.Part <= 0 || m <= l.Part) && m <= maxMemory
	}
	first := s.Memory
	if l.Least > 0 {
		if first = roundUp(max(l.Least, minMemory)); !fits(first) {
			return []int64{largest(minMemory, first, fits)}
		}
	}
	memory := []int64{first}
	for next := roundUp(first + 1); fits(next); next = roundUp(next + 1) {
		memory = append(memory, next)
	}
	last := memory[len(memory)-1]
	if most := largest(last, roundUp(last+1), fits); most > last {
		memory = append(memory, most)
	}
	if i, found := slices.BinarySearch(memory, s.Memory); l.Least > 0 && !found && s.Memory >= first && fits(s.Memory) {
		memory = slices.Insert(memory, i, s.Memory)
	}
	return memory
}

// largest returns the largest amount in whole MiB from low, below high, that
// fits; low when none does.
func largest(low, high int64, fits func(int64) bool) int64 {
	fit, tooMuch := low/mib, high/mib
	for fit+1 < tooMuch {
		if mid := (fit + tooMuch) / 2; fits(mid * mib) {
			fit = mid
		} else {
			tooMuch = mid
		}
	}
	return max(fit*mib, low)
}

// roundUp rounds to a number that reads well: to a 128th of its highest power of
// two, at least 1 MiB.
func roundUp(bytes int64) int64 {
	step := max(int64(mib), int64(1)<<(bits.Len64(uint64(bytes))-1)/perOctave)
	return (bytes + step - 1) / step * step
}
