// Package need estimates how much memory an attempt of a job type needs, from
// what earlier attempts said of it: some measured it, some only bounded it from
// above or below. docs/recommender.md has the mathematics.
package need

import (
	"cmp"
	"math"
	"slices"
)

// Observation is what one attempt says: its need lies above Low and not above
// High, in bytes. High 0 is no bound.
type Observation struct {
	Low, High int64
}

// Exactly is the observation of a measured peak.
func Exactly(peak int64) Observation { return Observation{peak, peak} }

// MoreThan is the observation of an attempt that failed for want of memory, or
// had used this much when it failed of something else.
func MoreThan(bytes int64) Observation { return Observation{Low: bytes} }

// AtMost is the observation of a success whose peak is not known.
func AtMost(bytes int64) Observation { return Observation{High: bytes} }

func (o Observation) exact() bool { return o.Low == o.High }

// The axis is the logarithm of memory: bins of a 16th of an octave (4.4 %) from
// 1 MiB to 64 TiB.
const (
	perOctave   = 16
	firstOctave = 20
	lastOctave  = 46
	bins        = (lastOctave - firstOctave) * perOctave
)

// octaves returns the base-2 logarithm of an amount of memory.
func octaves(bytes int64) float64 { return math.Log2(float64(max(bytes, 1))) }

// position returns where on the axis an amount lies, in bins.
func position(bytes int64) float64 {
	return min(max((octaves(bytes)-firstOctave)*perOctave, 0), bins)
}

// edge returns the lower edge of a bin, in bytes.
func edge(bin float64) float64 { return math.Exp2(firstOctave + bin/perOctave) }

// edges are the edges of all bins, in bytes.
var edges = func() (all [bins + 1]float64) {
	for i := range all {
		all[i] = edge(float64(i))
	}
	return all
}()

// density is the probability of each bin.
type density [bins]float64

// priorWeight is how many observations the prior counts for.
const priorWeight = 1

// prior is the distribution of the need around a reference, before anything is
// known of the shape: half of it below, spread evenly; half above, where each
// doubling is survived by half: P(need > m) = reference / 2m. So a need that is
// known only to be more than L is more than twice L with probability 1/2, more
// than four times with 1/4.
func prior(reference float64) *density {
	below := func(m float64) float64 { // P(need ≤ m)
		if m <= reference {
			return m / reference / 2
		}
		return 1 - reference/m/2
	}
	var d density
	last := 0.0
	for i := range d {
		p := below(edges[i+1])
		if i == bins-1 {
			p = 1
		}
		d[i], last = p-last, p
	}
	return &d
}

// Posterior is what is believed of the need after some observations.
type Posterior struct{ density *density }

// After returns the posterior after all observations; their order is of no
// account. proven is what the attempt in question is known not to suffice with,
// 0 when nothing is; without observations it is all there is to go by.
func After(all []Observation, proven int64) Posterior {
	all = slices.SortedFunc(slices.Values(all), func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High))
	})
	all = slices.DeleteFunc(all, func(o Observation) bool { return o.Low <= 0 && o.High <= 0 }) // says nothing
	base := prior(float64(reference(all, proven)))
	known := *base
	for i := range known {
		known[i] *= priorWeight
	}
	var bounded []Observation
	width := kernelWidth(all)
	for _, o := range all {
		if o.exact() {
			spread(&known, position(o.Low), width)
		} else {
			bounded = append(bounded, o)
		}
	}
	return Posterior{consistent(base, &known, bounded, float64(len(all)+priorWeight))}
}

// reference returns the middle of what was measured or found too small; of the
// amounts that were enough the smallest, when these are all there is.
func reference(sorted []Observation, proven int64) int64 {
	var middle []int64
	enough := int64(math.MaxInt64)
	for _, o := range sorted {
		if o.Low > 0 {
			middle = append(middle, o.Low)
		} else if o.High > 0 {
			enough = min(enough, o.High)
		}
	}
	switch {
	case len(middle) > 0:
		return max(middle[len(middle)/2], 1)
	case enough < math.MaxInt64:
		return max(enough, 1)
	}
	return max(proven, 1)
}

// looseWidth is how far, in octaves, the next run's need may lie from a single
// measured one (one standard deviation): a quarter of an octave is the margin
// of 15 to 20 % that the vertical pod autoscaler and its like add to a peak.
const looseWidth = 0.25

// kernelWidth returns the standard deviation in bins by which measured peaks
// are smoothed: Silverman's rule on their scatter, into which looseWidth enters
// as one more observation, and never more than it.
func kernelWidth(all []Observation) float64 {
	var n, sum, squares float64
	for _, o := range all {
		if o.exact() {
			x := octaves(o.Low)
			n, sum, squares = n+1, sum+x, squares+x*x
		}
	}
	if n == 0 {
		return looseWidth * perOctave
	}
	scatter := max(squares-sum*sum/n, 0)
	sigma := math.Sqrt((looseWidth*looseWidth + scatter) / n)
	return min(1.06*sigma*math.Pow(n, -0.2), looseWidth) * perOctave
}

// spread adds one observation to d, as a normal distribution around at.
func spread(d *density, at, width float64) {
	below := func(x float64) float64 { return (1 + math.Erf((x-at)/width/math.Sqrt2)) / 2 }
	first := int(max(math.Floor(at-6*width), 0))
	last := int(min(math.Ceil(at+6*width), bins-1))
	rest := 1.0
	for i := first; i < last; i++ {
		p := below(float64(i+1)) - below(float64(i))
		if i == first {
			p = below(float64(i + 1))
		}
		d[i] += p
		rest -= p
	}
	d[last] += max(rest, 0)
}

// Rounds and precision of consistent.
const (
	mostRounds = 200
	precision  = 1e-9
)

// consistent returns the distribution that reproduces itself when each bounded
// observation is spread over its interval in the distribution's own
// proportions. total is the number of observations, the prior's included.
func consistent(start, known *density, bounded []Observation, total float64) *density {
	now := *start
	for range mostRounds {
		sums := cumulate(&now)
		// Each bounded observation raises the bins of its interval by one factor:
		// the factors are added up where intervals begin and end.
		var factor [bins + 1]float64
		next := *known
		for _, o := range bounded {
			from, to := o.interval()
			share := 1 / max(sums[to]-sums[from], 1e-300)
			factor[from] += share
			factor[to] -= share
		}
		change, f := 0.0, 0.0
		for i := range next {
			f += factor[i]
			next[i] = (next[i] + max(f, 0)*now[i]) / total
			change = max(change, math.Abs(next[i]-now[i]))
		}
		now = next
		if change < precision {
			break
		}
	}
	return normalised(&now)
}

// interval returns the bins [from, to) of a bounded observation, at least one.
func (o Observation) interval() (from, to int) {
	to = bins
	if o.High > 0 {
		to = min(max(int(math.Ceil(position(o.High))), 1), bins)
	}
	if o.Low > 0 {
		from = min(int(math.Floor(position(o.Low))), to-1)
	}
	return from, to
}

// cumulate returns the probability below each edge.
func cumulate(d *density) *cumulative {
	var c cumulative
	for i, p := range d {
		c[i+1] = c[i] + p
	}
	return &c
}

func normalised(d *density) *density {
	sums := cumulate(d)
	for i := range d {
		d[i] /= sums[bins]
	}
	return d
}
