package need

import (
	"math"
	"sync"
)

// mixture adds up distributions above a bound, in bins of a 256th part of an
// octave at most.
type mixture struct {
	bins    [mixtureOctaves << binBits]step
	used    int // bins that may hold something
	base    int
	proven  float64
	ceiling float64

	sums
}

// sums are the weights of a mixture.
type sums struct {
	total, beyond    float64 // of all, and of what lies beyond the ceiling
	runs, runsBeyond float64 // the same of the runs alone
	experts          float64
	known, seconds   float64 // without the prior; weighted run time of it
}

const (
	binBits        = 8
	mixtureOctaves = 16
)

var mixtures = sync.Pool{New: func() any { return new(mixture) }}

func (m *mixture) reset(proven, ceiling float64) {
	clear(m.bins[:m.used])
	m.used, m.base, m.proven, m.ceiling = 0, binOf(proven), proven, ceiling
	m.sums = sums{}
}

// binOf returns the leading bits of a positive number: its exponent and the
// first binBits of its fraction. They ascend with the number.
func binOf(x float64) int { return int(math.Float64bits(x) >> (52 - binBits)) }

func (m *mixture) put(bytes, weight float64) {
	i := min(binOf(bytes)-m.base, len(m.bins)-1)
	m.used = max(m.used, i+1)
	m.bins[i].bytes = max(m.bins[i].bytes, bytes)
	m.bins[i].weight += weight
	m.total += weight
	if bytes > m.ceiling {
		m.beyond += weight
	}
}

func (m *mixture) add(o opinion, weight float64) {
	m.experts += weight
	for i := len(o.peaks) - 1; i >= 0 && o.peaks[i] > m.proven; i-- {
		w := weight * o.weight(i)
		m.put(o.peaks[i], w)
		m.known, m.seconds = m.known+w, m.seconds+w*o.seconds
		if i < o.seen() {
			m.runs += w
			if o.peaks[i] > m.ceiling {
				m.runsBeyond += w
			}
		}
	}
}

// addPrior adds P(need > m × proven) = 1/m, in parts at their middles.
func (m *mixture) addPrior(weight float64) {
	for i := range tailParts {
		left := 1 - (float64(i)+0.5)/tailParts
		m.put(m.proven/left, weight/tailParts)
	}
}

// counted returns the probability of a need beyond the ceiling by the runs that
// needed more than proven alone.
func (m *mixture) counted() float64 {
	runs, beyond := m.runs/m.experts, m.runsBeyond/m.experts
	return (beyond + unsure) / (runs + 2*unsure)
}

func (m *mixture) staircase() Quantiles {
	steps := make([]step, 0, m.used)
	for _, s := range m.bins[:m.used] {
		if s.weight > 0 {
			steps = append(steps, step{s.bytes, s.weight / m.total})
		}
	}
	return staircase(steps)
}
