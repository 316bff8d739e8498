package search

import (
	"context"
	"math"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// batch scores all candidates of a grid. What does not depend on the candidate
// is worked out once: the points of the need are walked together with the
// amounts of memory, both of which ascend; candidates stay pairs of numbers, and
// only the best few are ever written out. Nothing is allocated for a candidate.
type batch struct {
	in     *Inputs
	grid   engine.Grid
	room   room
	second []float64 // what a second retry costs after each amount of memory, in US dollars

	best  [maxBest]scored // the kept ones, best first
	kept  int
	least float64 // of the probabilities of failing
	count int
	cut   bool
}

// scored is one candidate.
type scored struct {
	memory, way           int // in the grid
	fail, cost, objective float64
}

// over prepares the candidates of a grid.
func (in *Inputs) over(g engine.Grid, of room) *batch {
	b := &batch{in: in, grid: g, room: of, least: 1, second: make([]float64, len(g.Memory))}
	if g.Len() == 0 {
		return b
	}
	enough := in.Setting.Size
	enough.Memory = in.enough()
	total := in.Setting.Total(enough)
	r, hours := in.rate(in.Setting.Size), in.hours(in.Seconds)
	for i, t := range b.grid.Total {
		b.second[i] = hours * r.beyond(max(t, total))
	}
	return b
}

// score scores the first candidates, all for 0, way by way. When ctx ends it
// stops, as soon as there is one that may do.
func (b *batch) score(ctx context.Context, first int) {
	if all := b.grid.Len(); first <= 0 || first > all {
		first = all
	}
	for w := range b.grid.Ways {
		if n := min(first-b.count, len(b.grid.Memory)); n <= 0 || !b.scoreWay(ctx, w, n) {
			return
		}
	}
}

// scoreWay scores the first n amounts of memory in one way, and reports whether
// it came to the end.
func (b *batch) scoreWay(ctx context.Context, w, n int) bool {
	l := b.lane(w)
	best, at := scored{}, noStretch // of the stretch that is walked
	for m := range n {
		if (b.kept > 0 || at != noStretch) && b.count%checkEvery == 0 && ctx.Err() != nil {
			b.cut = true
			break
		}
		b.count++
		c, ok := l.score(m)
		if !ok {
			continue
		}
		b.least = min(b.least, c.fail)
		if b.kept == maxBest && c.objective > b.best[maxBest-1].objective {
			continue
		}
		switch s := stretchOf(b.grid.Memory[m]); {
		case s != at:
			if at != noStretch {
				b.keep(best)
			}
			best, at = c, s
		case c.before(best):
			best = c
		}
	}
	if at != noStretch {
		b.keep(best)
	}
	return !b.cut
}

// Whoever looks at the best few wants to see choices, not the same one a MiB
// apart: of a stretch of memory in one way only its best candidate is kept, and
// of those that are as near as that in two stretches the better one.
const (
	stretchBits = 3 // stretches an octave, as a power of 2: each 6 to 12 % wide
	alike       = 1.06
	noStretch   = -1
)

// stretchOf returns the stretch in which an amount of memory lies: its exponent
// and the first stretchBits of its fraction.
func stretchOf(bytes int64) int { return int(math.Float64bits(float64(bytes)) >> (52 - stretchBits)) }

// lane is one way on its walk up the amounts of memory.
type lane struct {
	*batch
	way          int
	need, proven float64
	most         int64   // bytes of the part
	run, failing float64 // hours of an attempt that succeeds and of one that fails
	rate         rate
	walk         walk
}

func (b *batch) lane(w int) lane {
	in, way := b.in, &b.grid.Ways[w]
	return lane{
		batch: b, way: w, most: b.room.of(way.Cores), need: way.Need, proven: float64(in.Proven) * way.Need, rate: in.rate(way.Size), walk: walk{need: in.Need},
		run: in.hours(in.Seconds * way.Time), failing: in.hours(in.Seconds * way.Time * in.FailedShare),
	}
}

// score predicts the candidate with the m-th amount of memory; m must ascend.
// One with no more than what is proven not to suffice, or with more than may be
// given in this way, is none.
func (l *lane) score(m int) (c scored, ok bool) {
	hour, memory := l.rate.hour(l.grid.Total[m]), l.grid.Memory[m]
	return l.predict(m, hour), float64(memory) > l.proven && memory <= l.most && !math.IsInf(hour, 1)
}

// predict is score for what costs so much an hour.
func (l *lane) predict(m int, hour float64) scored {
	short := l.walk.exceeds(float64(l.grid.Memory[m]) / l.need)
	c := scored{memory: m, way: l.way, fail: l.in.fails(short)}
	c.cost = (1-c.fail)*l.run*hour + c.fail*(l.failing*hour+l.second[m])
	c.objective = l.in.Settings.Weight*c.fail + c.cost
	return c
}

// fails returns the probability that a retry fails which has too little memory
// with probability short.
func (in *Inputs) fails(short float64) float64 { return 1 - (1-in.Permanent)*(1-short) }

// keep puts a candidate among the best, if it is one of them.
func (b *batch) keep(c scored) {
	best := b.best[:b.kept]
	i := slices.IndexFunc(best, func(d scored) bool { return c.before(d) })
	if i < 0 {
		i = b.kept
	}
	if i == maxBest || slices.ContainsFunc(best[:i], func(d scored) bool { return b.alike(c, d) }) {
		return
	}
	worse := slices.DeleteFunc(best[i:], func(d scored) bool { return b.alike(c, d) })
	b.kept = min(i+len(worse)+1, maxBest)
	copy(b.best[i+1:b.kept], worse)
	b.best[i] = c
}

// alike reports whether two candidates of one way differ by a few per cent of
// memory.
func (b *batch) alike(c, d scored) bool {
	less, more := b.grid.Memory[min(c.memory, d.memory)], b.grid.Memory[max(c.memory, d.memory)]
	return c.way == d.way && float64(more) < alike*float64(less)
}

// before orders by objective; of a tie the smaller change comes first: less
// memory, then the way that changes less.
func (c scored) before(d scored) bool {
	switch {
	case c.objective != d.objective:
		return c.objective < d.objective
	case c.memory != d.memory:
		return c.memory < d.memory
	}
	return c.way < d.way
}

// candidate writes one out.
func (b *batch) candidate(c scored) Candidate {
	return Candidate{
		Size: b.grid.Size(c.memory, c.way), Total: b.grid.Total[c.memory], Seconds: b.in.Seconds * b.grid.Ways[c.way].Time,
		FailProbability: c.fail, ExpectedCost: c.cost, Objective: c.objective,
	}
}

// walk reads a distribution at ascending amounts.
type walk struct {
	need need.Quantiles
	next int // the first point beyond the last amount
}

// exceeds is need.Quantiles.Exceeds, without a search for the place.
func (w *walk) exceeds(bytes float64) float64 {
	for w.next < len(w.need) && float64(w.need[w.next].Bytes) <= bytes {
		w.next++
	}
	p := 1.0
	switch {
	case len(w.need) == 0:
		p = 0.5
	case w.next == len(w.need):
		last := w.need[w.next-1]
		p = (1 - last.Probability) * float64(last.Bytes) / bytes
	case w.next > 0:
		p = 1 - w.need[w.next-1].Probability
	}
	return min(max(p, 1-need.Certain), need.Certain)
}

// along predicts ascending amounts of memory, all else being as in at, whether
// they may be given or not.
func (in *Inputs) along(at engine.Size, memory ...int64) []Candidate {
	g := engine.Grid{Memory: memory, Ways: []engine.Way{in.Setting.Way(at)}}
	for _, at.Memory = range memory {
		g.Total = append(g.Total, in.Setting.Total(at))
	}
	b := in.over(g, room{})
	l := b.lane(0)
	all := make([]Candidate, len(memory))
	for m := range memory {
		all[m] = b.candidate(l.predict(m, l.rate.beyond(g.Total[m])))
	}
	return all
}

// current predicts the same again. Where memory is not the question, nothing but
// what is permanent fails, and a second retry is the same once more.
func (in *Inputs) current() Candidate {
	if in.Question == MoreMemory {
		return in.along(in.Setting.Size, in.Setting.Memory)[0]
	}
	p, r := in.fails(0), in.rate(in.Setting.Size)
	c := Candidate{Size: in.Setting.Size, Total: in.Setting.Total(in.Setting.Size), Seconds: in.Seconds, FailProbability: p}
	run, failing := in.hours(in.Seconds), in.hours(in.Seconds*in.FailedShare)
	c.ExpectedCost = r.beyond(c.Total) * (run + p*failing)
	c.Objective = in.Settings.Weight*p + c.ExpectedCost
	return c
}
