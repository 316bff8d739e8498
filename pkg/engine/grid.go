package engine

import (
	"math/bits"
	"slices"
)

// Limits bound what may be recommended; 0 leaves the engine's own bound.
type Limits struct {
	Memory  int64   // bytes in all of the tree or container
	Part    int64   // bytes of the part
	Cores   float64 // cores of the part
	Step    int64   // the part's bytes are a multiple of it; the present ones need not be
	Allowed []int64 // the only bytes in all, ascending
	// Points are amounts of the part that are candidates too, ascending.
	Points []int64
	// First says that the job has not run: Points are all there is, and what is
	// set one candidate of them.
	First bool
}

// Grid is what is worth considering: each amount of memory in each way.
type Grid struct {
	Memory []int64 // bytes of the part, ascending
	Total  []int64 // bytes that are paid for with each of them, whatever the way
	Ways   []Way   // the present one first
}

// Len returns the number of candidates.
func (g *Grid) Len() int { return len(g.Memory) * len(g.Ways) }

// Size returns one candidate.
func (g *Grid) Size(memory, way int) Size {
	to := g.Ways[way].Size
	to.Memory = g.Memory[memory]
	return to
}

// perOctave is how many memory candidates lie between an amount and its double:
// neighbours differ by 0.4 to 0.8 %. What is predicted of a job that repeats
// itself is good to one per cent, and a coarser grid would give that away.
const perOctave = 128

// Grid returns the candidates after a failure with this setting: from the
// present amount upwards by less than 1 %, to the largest that the limits allow.
// It is empty when no memory is set or no key bears on it.
func (s *Setting) Grid(l Limits) Grid {
	if s.Part == NoPart || s.Memory <= 0 && !l.First {
		return Grid{}
	}
	room := len(l.Points) + 2
	if !l.First {
		room += 2 * perOctave
	}
	g := Grid{Ways: s.Ways(l.Cores), Memory: make([]int64, 0, room), Total: make([]int64, 0, room)}
	b := bounds{s, l, new(values)}
	switch {
	case len(l.Allowed) > 0:
		b.allowed(&g)
	case l.First:
		b.points(&g, l.Points)
		b.add(&g, s.Memory)
	default:
		g.put(s.Memory, s.Total(s.Size))
		b.steps(&g)
	}
	return g
}

// bounds are the limits of one setting.
type bounds struct {
	setting *Setting
	limits  Limits
	scratch *values
}

// total returns the bytes in all with an amount of the part, and whether that
// may be given.
func (b *bounds) total(memory int64) (total int64, fits bool) {
	to := b.setting.Size
	to.Memory = memory
	total = b.setting.total(to, b.scratch)
	return total, (b.limits.Memory <= 0 || total <= b.limits.Memory) && (b.limits.Part <= 0 || memory <= b.limits.Part) && memory <= maxMemory
}

func (g *Grid) put(memory, total int64) {
	g.Memory, g.Total = append(g.Memory, memory), append(g.Total, total)
}

// add puts an amount in its place, when it fits and is not there.
func (b *bounds) add(g *Grid, memory int64) {
	total, fits := b.total(memory)
	if i, found := slices.BinarySearch(g.Memory, memory); memory > 0 && fits && !found {
		g.Memory, g.Total = slices.Insert(g.Memory, i, memory), slices.Insert(g.Total, i, total)
	}
}

// steps puts all amounts above the present one: those of the grid and the
// points, as long as they fit, and then the largest that does.
func (b *bounds) steps(g *Grid) {
	last := g.Memory[0]
	points := b.limits.Points
	for last < maxMemory {
		next := b.round(roundUp(last + 1))
		for len(points) > 0 && b.round(points[0]) <= last {
			points = points[1:]
		}
		if len(points) > 0 {
			next = min(next, b.round(points[0]))
		}
		total, fits := b.total(next)
		if !fits {
			b.most(g, last, next)
			return
		}
		g.put(next, total)
		last = next
	}
}

// points puts some amounts; of those that do not fit the largest that does.
func (b *bounds) points(g *Grid, points []int64) {
	last := int64(0)
	for _, p := range points {
		next := b.round(max(p, minMemory))
		if next == last {
			continue
		}
		total, fits := b.total(next)
		if !fits {
			b.most(g, max(last, minMemory), next)
			return
		}
		g.put(next, total)
		last = next
	}
}

// allowed puts, of every total that is allowed, the largest amount within it: as
// far as the part may go, and the next one in any case.
func (b *bounds) allowed(g *Grid) {
	last := int64(minMemory - 1)
	if !b.limits.First {
		last = b.setting.Memory
		g.put(last, b.setting.Total(b.setting.Size))
	}
	within, most := *b, b.limits.Part
	within.limits.Part = 0
	for _, total := range b.limits.Allowed {
		if b.limits.Memory > 0 && total > b.limits.Memory || most > 0 && last > most {
			return
		}
		within.limits.Memory = total
		n := len(g.Memory)
		within.most(g, last, total+mib)
		if len(g.Memory) == n {
			continue
		}
		if last = g.Memory[n]; most > 0 && last > most && n > 1 {
			g.Memory, g.Total = g.Memory[:n], g.Total[:n]
			return
		}
	}
}

// most puts the largest amount above low and below high that fits, if any.
func (b *bounds) most(g *Grid, low, high int64) {
	if largest := b.largest(low, high); largest > low {
		total, _ := b.total(largest)
		g.put(largest, total)
	}
}

// largest returns the largest multiple of the unit above low and below high that
// fits; the last one that is not above low when none does.
func (b *bounds) largest(low, high int64) int64 {
	unit := b.unit()
	fit, beyond := low/unit, (high+unit-1)/unit
	for fit+1 < beyond {
		mid := (fit + beyond) / 2
		if _, fits := b.total(mid * unit); fits {
			fit = mid
		} else {
			beyond = mid
		}
	}
	return fit * unit
}

// Most returns the largest amount of the part, in bytes, that is a multiple of
// step, whole MiB at least, and leaves the tree or container total bytes at most,
// all else being as it is: the largest that a Grid with these limits would add.
// It is 0 where there is none.
func (s *Setting) Most(total, step int64) int64 {
	if s.Part == NoPart || total <= 0 {
		return 0
	}
	b := bounds{s, Limits{Memory: total, Step: step}, new(values)}
	unit, beyond, least := b.unit(), min(total, maxMemory)+b.unit(), int64(0)
	present, fits := b.total(s.Memory)
	if fits && s.Memory%unit == 0 {
		least = s.Memory // which may fit although less, with what belongs beside it, does not
	}
	// Where what lies beside the part does not grow with it, this is the answer.
	likely := (min(total, maxMemory) - max(present-s.Memory, 0)) / unit * unit
	if likely <= least {
		return b.largest(least, beyond)
	}
	if _, fits := b.total(likely); !fits {
		return b.largest(least, likely)
	}
	if _, more := b.total(likely + unit); !more {
		return likely
	}
	return b.largest(likely, beyond)
}

// round rounds up to the step that is asked for, whole MiB at least. What is
// more than any amount may be stays so.
func (b *bounds) round(bytes int64) int64 {
	unit := b.unit()
	return (min(bytes, tooMuch) + unit - 1) / unit * unit
}

// tooMuch is more than any amount may be, and far from where sums overflow.
const tooMuch = 2 * maxMemory

// unit returns what amounts are multiples of.
func (b *bounds) unit() int64 { return min(max(b.limits.Step, mib), tooMuch) }

// roundUp rounds to a number that reads well: to a 128th of its highest power of
// two, at least 1 MiB.
func roundUp(bytes int64) int64 {
	step := max(int64(mib), int64(1)<<(bits.Len64(uint64(bytes))-1)/perOctave)
	return (bytes + step - 1) / step * step
}
