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

// Calibration corrects predicted probabilities: ascending points. Without any it
// changes none.
type Calibration []Point

// Point says how often what was predicted with one probability came true.
type Point struct{ Predicted, Observed float64 }

// points returns the calibration that Content.Bins tell: in each bin what was
// predicted counts as one observation of itself, and neighbours that would be
// out of order are taken together (pool adjacent violators). A bin of which
// nothing is known is corrected by no more than that order takes, however far
// off others are: that memory mended what it was said to mend says nothing of
// what nobody can explain.
func (c Content) points() Calibration {
	var points Calibration
	next := BinOf(0) // the first bin that has no point yet
	fill := func(until int, below, above float64) {
		for ; next < until; next++ {
			p := logistic(float64(next) / binsPerUnit)
			points = append(points, Point{clamp(p), min(max(clamp(p), below), above)})
		}
	}
	below := 0.0
	for _, p := range pooled(c.Bins) {
		observed := clamp(p.observed / p.count)
		fill(p.first, below, observed)
		points = append(points, Point{clamp(p.predicted / p.count), observed})
		below, next = observed, p.last+1
	}
	if len(points) == 0 {
		return nil
	}
	fill(BinOf(1)+1, below, 1)
	return points.corners()
}

// pool is neighbouring bins that are corrected alike.
type pool struct {
	predicted, observed, count float64
	first, last                int // bins
}

func pooled(bins []Bin) []pool {
	var pools []pool
	for _, b := range bins {
		if b.Count <= 0 {
			continue
		}
		mean := b.Predicted / b.Count
		next := pool{b.Predicted + mean, b.Observed + mean, b.Count + 1, b.Index, b.Index}
		for n := len(pools); n > 0 && pools[n-1].observed/pools[n-1].count >= next.observed/next.count; n-- {
			last := pools[n-1]
			next = pool{last.predicted + next.predicted, last.observed + next.observed, last.count + next.count, last.first, next.last}
			pools = pools[:n-1]
		}
		pools = append(pools, next)
	}
	return pools
}

// corners returns the points without those between two others that, as they
// themselves, correct nothing.
func (c Calibration) corners() Calibration {
	same := func(i int) bool { return i < 0 || i >= len(c) || c[i].Observed == c[i].Predicted }
	var kept Calibration
	for i, p := range c {
		if !same(i-1) || !same(i) || !same(i+1) {
			kept = append(kept, p)
		}
	}
	return kept
}

// Calibration returns how the model corrects probabilities. It must not be
// changed.
func (m Model) Calibration() Calibration {
	if m.calibration == nil {
		return m.points()
	}
	return m.calibration
}

// Calibrated returns how often what is predicted with probability p comes true.
func (m Model) Calibrated(p float64) float64 { return m.Calibration().At(p) }

// At returns how often what is predicted with probability p comes true. It never
// falls with p, and is between 0.001 and 0.999. Between two points it is straight
// in log-odds; beyond the outermost the log-odds are moved by as much as there.
func (c Calibration) At(p float64) float64 {
	if len(c) == 0 {
		return clamp(p)
	}
	x := logit(clamp(p))
	first, last := c[0], c[len(c)-1]
	switch {
	case x <= logit(first.Predicted):
		return clamp(logistic(x + logit(first.Observed) - logit(first.Predicted)))
	case x >= logit(last.Predicted):
		return clamp(logistic(x + logit(last.Observed) - logit(last.Predicted)))
	}
	for i := 1; ; i++ {
		if low, high := logit(c[i-1].Predicted), logit(c[i].Predicted); x <= high {
			from, to := logit(c[i-1].Observed), logit(c[i].Observed)
			return clamp(logistic(from + (to-from)*(x-low)/(high-low)))
		}
	}
}
