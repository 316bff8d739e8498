package model

import "math"

// Probabilities are never nearer to 0 or 1 than this: nothing is certain.
const leastProbability = 0.001

// binsPerUnit bins are one unit of log-odds wide.
const binsPerUnit = 2

// BinOf returns the bin of a predicted probability: half a unit of log-odds each,
// between that of 0.001 and that of 0.999.
func BinOf(p float64) int {
	return int(math.Round(binsPerUnit * logit(clamp(p))))
}

func clamp(p float64) float64 { return min(max(p, leastProbability), 1-leastProbability) }

// point says that what was predicted with log-odds x came with log-odds y.
type point struct{ x, y float64 }

// points returns the calibration as ascending points: in each bin what was
// predicted counts as one observation of itself, and neighbours that would be
// out of order are taken together (pool adjacent violators). None is the
// identity.
func (c Content) points() []point {
	type pool struct{ predicted, observed, count float64 }
	var pools []pool
	for _, b := range c.Bins {
		if b.Count <= 0 {
			continue
		}
		mean := b.Predicted / b.Count
		next := pool{b.Predicted + mean, b.Observed + mean, b.Count + 1}
		for n := len(pools); n > 0 && pools[n-1].observed/pools[n-1].count >= next.observed/next.count; n-- {
			last := pools[n-1]
			next = pool{last.predicted + next.predicted, last.observed + next.observed, last.count + next.count}
			pools = pools[:n-1]
		}
		pools = append(pools, next)
	}
	points := make([]point, 0, len(pools))
	for _, p := range pools {
		points = append(points, point{logit(clamp(p.predicted / p.count)), logit(clamp(p.observed / p.count))})
	}
	return points
}

// Calibrated returns how often what is predicted with probability p came true.
// It never falls with p, and is between 0.001 and 0.999. Between two points it
// is straight in log-odds; beyond the outermost the log-odds are moved by as
// much as there.
func (m Model) Calibrated(p float64) float64 {
	points := m.calibration
	if points == nil {
		points = m.points()
	}
	if len(points) == 0 {
		return clamp(p)
	}
	x := logit(clamp(p))
	first, last := points[0], points[len(points)-1]
	switch {
	case x <= first.x:
		return clamp(logistic(x + first.y - first.x))
	case x >= last.x:
		return clamp(logistic(x + last.y - last.x))
	}
	for i := 1; ; i++ {
		if a, b := points[i-1], points[i]; x <= b.x {
			return clamp(logistic(a.y + (b.y-a.y)*(x-a.x)/(b.x-a.x)))
		}
	}
}
