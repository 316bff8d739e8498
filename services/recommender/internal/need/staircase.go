package need

import (
	"cmp"
	"math"
	"slices"
)

// maxPoints bounds the points of a distribution.
const maxPoints = 200

// step is one step of a distribution: so much probability at this need.
type step struct{ bytes, weight float64 }

// staircase returns the distribution of steps that ascend and weigh 1 together.
// Where there are too many, a step is moved up to the next one where that moves
// least probability least far; the last one stays what it is. The largest
// probability is Certain.
func staircase(steps []step) Quantiles {
	finest := 0.0
	for len(steps) > maxPoints {
		finest = max(2*finest, 1.0/maxPoints/maxPoints/16)
		steps = coarser(steps, finest)
	}
	q := make(Quantiles, 0, len(steps))
	sum := 0.0
	for i, s := range steps {
		sum += s.weight
		last := i == len(steps)-1
		if bytes := toBytes(math.Ceil(s.bytes)); last || sum < Certain {
			q = q.with(Quantile{min(sum, Certain), bytes})
		}
	}
	return q
}

// with appends a point, in place of the last one where that has the same bytes
// or no smaller probability.
func (q Quantiles) with(p Quantile) Quantiles {
	if n := len(q); n > 0 && (q[n-1].Bytes >= p.Bytes || q[n-1].Probability >= p.Probability) {
		q[n-1] = Quantile{max(q[n-1].Probability, p.Probability), max(q[n-1].Bytes, p.Bytes)}
		return q
	}
	return append(q, p)
}

// coarser moves steps up to the next one, in place, where the probability times
// the relative distance is at most atMost.
func coarser(steps []step, atMost float64) []step {
	kept := steps[:0]
	carried := 0.0
	for i, s := range steps {
		s.weight += carried
		if i+1 < len(steps) && s.weight*(steps[i+1].bytes/s.bytes-1) <= atMost {
			carried = s.weight
			continue
		}
		carried = 0
		kept = append(kept, s)
	}
	return kept
}

// FirstRun returns the need of a job type that never ran, when its author asked
// for request: uses are the shares of their requests that other types of the
// same workflow came to, and one more that used all of it. It is never above
// the request.
func FirstRun(uses []float64, request int64) Quantiles {
	if request <= 0 {
		return nil
	}
	var steps []step
	for _, u := range uses {
		if u > 0 {
			steps = append(steps, step{max(min(u, 1)*float64(request), 1), 0})
		}
	}
	steps = append(steps, step{float64(request), 0})
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.bytes, b.bytes) })
	for i := range steps {
		steps[i].weight = 1 / float64(len(steps))
	}
	return staircase(steps)
}
