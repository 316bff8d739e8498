package need

import (
	"math"
	"slices"
)

// expert is a predictor with the errors that it is expected to make: those of
// all runs, or of those alone whose input is near in size.
type expert struct {
	predictor predictor
	near      bool
}

// experts are the predictors, each with all its errors and with the near ones.
var experts = func() (all [2 * predictors]expert) {
	for i := range all {
		all[i] = expert{predictor(i % predictors), i >= predictors}
	}
	return all
}()

func (x expert) String() string {
	if x.near {
		return predictorNames[x.predictor] + ", errors at such inputs"
	}
	return predictorNames[x.predictor]
}

// question is what all experts are asked about one input.
type question struct {
	predicted [predictors]float64
	all, near selection
}

// selection is which runs have errors that count.
type selection struct {
	slots   [MaxRuns]uint8 // 1 of each that counts, 0 of the others
	n       int
	seconds float64 // of all of them
}

func (s *selection) add(slot int, r *run) {
	s.slots[slot] = 1
	s.n, s.seconds = s.n+1, s.seconds+r.seconds
}

// Errors of the first predictions count as long as there are no others: they
// were made from fewer runs than nearby, and a process measured in its first
// moment makes errors of a thousandfold.
const (
	earlyRuns = nearby + 1
	manyRuns  = 15
)

func (e *Estimator) ask(x, log float64) question {
	return e.about(e.predict(x, log), log)
}

func (e *Estimator) about(predicted [predictors]float64, log float64) question {
	q := question{predicted: predicted}
	first := 1 // run 0 was not predicted
	if e.learnt >= manyRuns {
		first = earlyRuns
	}
	for slot := range e.peaks {
		if e.number(slot) >= first {
			q.all.add(slot, &e.runs[slot])
		}
	}
	// The root of the number of runs is the usual rate for estimates from nearest
	// neighbours: their number grows, and their part of all shrinks. Twice that is
	// as many on either side.
	low, high := e.inputs.around(log, int(math.Ceil(2*math.Sqrt(float64(len(e.peaks))))))
	for low > 0 && low < high && e.inputs[low-1].log == e.inputs[low].log {
		low--
	}
	for high > low && high < len(e.inputs) && e.inputs[high].log == e.inputs[high-1].log {
		high++
	}
	for _, a := range e.inputs[low:high] {
		if q.all.slots[a.slot] == 1 {
			q.near.add(a.slot, &e.runs[a.slot])
		}
	}
	return q
}

// The tail stands for what has not been seen. The next of n exchangeable
// numbers exceeds all of them with probability 1/(n+1), so it counts as one
// more run; it is cut into equal parts, each at its middle.
const tailParts = 6

// tailAt are the middles of the parts of an exponential distribution of mean 1.
var tailAt = func() (at [tailParts]float64) {
	for i := range at {
		at[i] = -math.Log(1 - (float64(i)+0.5)/tailParts)
	}
	return at
}()

// opinion is the distribution of one expert: runs of weight 1, ascending, and
// after them the parts of the tail, which weigh 1 together.
type opinion struct {
	peaks   []float64
	seconds float64 // mean run time
}

func (o opinion) seen() int { return len(o.peaks) - tailParts }

func (o opinion) weight(i int) float64 {
	if i < o.seen() {
		return 1
	}
	return 1.0 / tailParts
}

// atMost returns the weight of the first peaks up to i.
func (o opinion) atMost(i int) float64 {
	if n := o.seen(); i >= n {
		return float64(n) + float64(i-n+1)/tailParts
	}
	return float64(i + 1)
}

// opinionSpace has room for the peaks of an opinion.
type opinionSpace [MaxRuns + tailParts + 1]float64

// opinion returns the distribution of an expert, in the memory of into.
func (e *Estimator) opinion(x expert, q *question, into []float64) opinion {
	predicted, s := q.predicted[x.predictor], &q.all
	if x.near {
		s = &q.near
	}
	o := opinion{peaks: e.errors[x.predictor].peaks(x.predictor, predicted, s, into)}
	if s.n > 0 {
		o.seconds = s.seconds / float64(s.n)
	} else {
		o.peaks, o.seconds = append(o.peaks, max(predicted, 1)), e.meanSeconds()
	}
	o.peaks = appendTail(o.peaks)
	return o
}

// peaks returns what the selected errors make of a prediction, in the memory of
// into.
func (r residuals) peaks(p predictor, predicted float64, s *selection, into []float64) []float64 {
	into = slices.Grow(into[:0], len(r)+tailParts+1)[:len(r)]
	factor, sum := p.inverse(predicted)
	n := 0
	for _, a := range r { // whether one is selected is no branch: it could not be foretold
		into[n] = max(factor*a.err+sum, 1)
		n += int(s.slots[a.slot])
	}
	return into[:n]
}

// number returns which run lies in a slot, counted from the first ever learnt.
func (e *Estimator) number(slot int) int {
	last := e.learnt - 1
	return last - (last-slot)%MaxRuns
}

func (e *Estimator) meanSeconds() float64 {
	sum := 0.0
	for i := range e.peaks {
		sum += e.runs[i].seconds
	}
	return sum / float64(len(e.peaks))
}

// widestTail is the mean excess, in logarithms, of the scale-free distribution,
// in which P(need > m × largest) = 1/m: the widest that the prior knows.
const widestTail = 1

// appendTail appends the parts of the tail to ascending peaks. The excess over
// the largest, in logarithms, is exponential; its mean is how far the largest
// lies above the middle, for each run that took to get there, with looseWidth
// as one more observation.
func appendTail(peaks []float64) []float64 {
	n := float64(len(peaks))
	largest, middle := peaks[len(peaks)-1], peaks[len(peaks)/2]
	mean := min((n*math.Log(largest/middle)+looseWidth*math.Ln2)/(n+1), widestTail)
	for _, at := range tailAt {
		peaks = append(peaks, largest*math.Exp(mean*at))
	}
	return peaks
}

// choose returns the amount of least expected cost of a first attempt, when
// what failed is done again with the most that is thought possible. Only what
// is allocated beyond the need, what failed attempts held, and the failures
// themselves differ between amounts.
func (o opinion) choose(p Prices) float64 {
	n := o.seen()
	most, total := o.peaks[len(o.peaks)-1], float64(n+1)
	memory := p.PerGiBHour / (1 << 30) / 3600 * o.seconds
	failed := memory*most + p.Weight
	cost := func(m, below float64) float64 {
		above := total - below
		return memory*m*(below+above*p.FailedShare) + failed*above
	}
	// The failures alone cost more than the largest run would, wherever so many
	// lie above: those amounts are passed over.
	first := 0
	if failed > 0 {
		first = max(int(total-1-cost(o.peaks[n-1], float64(n))/failed), 0)
	}
	best, least := most, math.Inf(1)
	for i := first; i < n; i++ {
		if c := cost(o.peaks[i], float64(i+1)); c < least {
			best, least = o.peaks[i], c
		}
	}
	for i := n; i < len(o.peaks); i++ {
		if c := cost(o.peaks[i], o.atMost(i)); c < least {
			best, least = o.peaks[i], c
		}
	}
	return best
}

// costs are what the choices of each expert have cost so far, in US dollars.
type costs struct{ all, late [len(experts)]float64 }

// fading is how much of a cost the next run leaves: half of it is left after
// 700 runs.
const fading = 0.999

// charge adds what each expert would have cost at a run that is yet to be learnt.
func (e *Estimator) charge(predicted [predictors]float64, now run) {
	q := e.about(predicted, now.log)
	var space opinionSpace
	most := e.peaks[len(e.peaks)-1]
	memory := e.prices.PerGiBHour / (1 << 30) / 3600 * now.seconds
	for i, x := range experts {
		a := e.opinion(x, &q, space[:]).choose(e.prices)
		cost := memory * (a - now.peak)
		if a < now.peak {
			cost = memory*(e.prices.FailedShare*a+max(2*a-now.peak, most-now.peak, 0)) + e.prices.Weight
		}
		e.costs.all[i] = fading*e.costs.all[i] + cost
		e.costs.late[i] = fading*e.costs.late[i] + cost
	}
	switch e.learnt + 1 {
	case earlyRuns:
		e.costs.late = [len(experts)]float64{}
	case manyRuns:
		e.costs.all = e.costs.late
	}
}

// cheapest returns the expert that has cost least.
func (c *costs) cheapest() int {
	return slices.Index(c.all[:], slices.Min(c.all[:]))
}
