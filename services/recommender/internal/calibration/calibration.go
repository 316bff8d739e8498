// Package calibration says how far predicted probabilities are from what came
// true.
package calibration

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Bin is what came of predictions of nearly the same probability.
type Bin struct {
	Predicted float64 // their mean
	Observed  float64 // how often it came true
	Count     float64
}

// The bins have one unit of log-odds each: 0.5, 0.73, 0.88, 0.95, 0.98 and so on
// to 0.999, and the same towards 0. Most retries succeed, so that bins of equal
// width in the probability itself would put nearly all of them into one.
const (
	bins     = 14
	furthest = bins / 2
)

// Tally collects predictions in bounded memory. The zero value has none.
type Tally struct {
	count, predicted, happened [bins]float64
	squares                    float64
}

// Add adds a prediction and whether it came true. What is not a probability is
// left out.
func (t *Tally) Add(p float64, happened bool) {
	if !(p >= 0 && p <= 1) {
		return
	}
	outcome := 0.0
	if happened {
		outcome = 1
	}
	i := binOf(p)
	t.count[i]++
	t.predicted[i] += p
	t.happened[i] += outcome
	t.squares += (p - outcome) * (p - outcome)
}

func binOf(p float64) int {
	odds := math.Log(p / (1 - p)) // infinite at 0 and 1
	return int(min(max(math.Floor(odds)+furthest, 0), bins-1))
}

// Count returns how many predictions there are.
func (t *Tally) Count() int64 {
	sum := 0.0
	for _, n := range t.count {
		sum += n
	}
	return int64(sum)
}

// Table returns the bins that have predictions, by what was predicted: the
// reliability table.
func (t *Tally) Table() []Bin {
	var all []Bin
	for i, n := range t.count {
		if n > 0 {
			all = append(all, Bin{Predicted: t.predicted[i] / n, Observed: t.happened[i] / n, Count: n})
		}
	}
	return all
}

// Brier returns the mean squared difference between what was predicted and what
// came (Brier, 1950); 0 for none. It rewards being right as well as being sure.
func (t *Tally) Brier() float64 {
	n := t.Count()
	if n == 0 {
		return 0
	}
	return t.squares / float64(n)
}

// Error returns the expected calibration error: the mean difference between what
// was predicted and how often it came, over the bins (Naeini, Cooper and
// Hauskrecht, 2015).
func (t *Tally) Error() float64 { return calibrationError(t.Table()) }

func calibrationError(table []Bin) float64 {
	sum, n := 0.0, 0.0
	for _, b := range table {
		sum += b.Count * math.Abs(b.Predicted-b.Observed)
		n += b.Count
	}
	if n == 0 {
		return 0
	}
	return sum / n
}

// draws is how often Chance plays: enough for a 95 % quantile within a few
// hundredths of itself. Where more than exactly are to be expected in a bin,
// their number is drawn from a normal distribution.
const (
	draws   = 400
	exactly = 30
)

// Chance returns the error that predictions which are exactly right stay below
// in 95 of 100 cases, only because they are few: the outcomes are drawn anew by
// what was predicted (consistency resampling, Bröcker and Smith, 2007). The
// same tally always gives the same.
func (t *Tally) Chance() float64 {
	table := t.Table()
	if len(table) == 0 {
		return 1
	}
	random := rand.New(rand.NewPCG(1950, 2007)) // the same dice for all
	played := make([]float64, draws)
	again := slices.Clone(table)
	for i := range played {
		for j, b := range table {
			again[j].Observed = draw(random, b)
		}
		played[i] = calibrationError(again)
	}
	slices.Sort(played)
	return played[draws*95/100]
}

// draw returns how often something of this probability came true.
func draw(random *rand.Rand, b Bin) float64 {
	rare := min(b.Predicted, 1-b.Predicted)
	came := 0.0
	switch {
	case rare <= 0:
	case b.Count*rare > exactly:
		came = b.Count*rare + random.NormFloat64()*math.Sqrt(b.Count*rare*(1-rare))
	default: // from one that came true to the next is a geometric distribution
		for at := gap(random, rare); at <= b.Count; at += gap(random, rare) {
			came++
		}
	}
	share := min(max(came/b.Count, 0), 1)
	if b.Predicted > 0.5 {
		return 1 - share
	}
	return share
}

// gap returns how many tries it takes until something of probability p, at most
// a half, comes true.
func gap(random *rand.Rand, p float64) float64 {
	return math.Floor(math.Log1p(-random.Float64())/math.Log1p(-p)) + 1
}
