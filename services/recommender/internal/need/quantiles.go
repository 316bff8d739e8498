package need

import (
	"math"
	"sort"
)

// Quantile is one point of a distribution: P(need ≤ Bytes) = Probability.
type Quantile struct {
	Probability float64
	Bytes       int64
}

// Quantiles are a distribution by its points, ascending in both. It is what is
// recorded, and all that a search may look at.
type Quantiles []Quantile

// levels are the probabilities that are recorded of a smooth distribution.
var levels = func() (all []float64) {
	for i := 1; i < 156; i++ {
		all = append(all, float64(i)/160)
	}
	return append(all, 0.975, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, Certain)
}()

// Above returns the distribution of a need that is known to be more than
// proven; of the need as such when proven is 0.
func (p Posterior) Above(proven int64) Quantiles {
	sums := cumulate(p.density)
	var q Quantiles
	missed := 0.0
	if proven > 0 {
		missed = sums.at(position(proven))
		q = append(q, Quantile{0, proven})
	}
	left := 1 - missed
	if left < 1e-12 { // all that is known lies below: only the prior's tail is left
		for _, level := range levels {
			q = append(q, Quantile{level, toBytes(float64(proven) / (1 - level))})
		}
		return q
	}
	for _, level := range levels {
		at := sums.inverse(missed + level*left)
		q = append(q, Quantile{level, max(toBytes(edge(at)), proven)})
	}
	return q
}

// cumulative is the probability below each edge of the axis.
type cumulative [bins + 1]float64

// at returns the probability below a position on the axis.
func (c *cumulative) at(x float64) float64 {
	i := min(int(x), bins-1)
	return c[i] + (c[i+1]-c[i])*(x-float64(i))
}

// inverse returns the position below which lies the probability p.
func (c *cumulative) inverse(p float64) float64 {
	i := sort.Search(bins, func(i int) bool { return c[i+1] >= p })
	if i == bins {
		return bins
	}
	if c[i+1] == c[i] {
		return float64(i)
	}
	return float64(i) + max(p-c[i], 0)/(c[i+1]-c[i])
}

func toBytes(b float64) int64 { return int64(min(b, math.MaxInt64/2)) }

// Certain is how near to 0 and 1 a probability may come: one failure in a
// thousand is always possible, and so is one success.
const Certain = 0.999

// Exceeds returns P(need > bytes). It never grows with bytes, and lies between
// 1 − Certain and Certain. It is a staircase: between two points it is that of
// the lower one. Beyond the last it halves with each doubling.
func (q Quantiles) Exceeds(bytes float64) float64 {
	return min(max(q.exceeds(bytes), 1-Certain), Certain)
}

func (q Quantiles) exceeds(bytes float64) float64 {
	if len(q) == 0 {
		return 0.5
	}
	i := sort.Search(len(q), func(i int) bool { return float64(q[i].Bytes) > bytes })
	if i == 0 {
		return 1
	}
	below := q[i-1]
	if i == len(q) {
		return (1 - below.Probability) * float64(below.Bytes) / bytes
	}
	return 1 - below.Probability
}
