package need

import "math"

// Forecast is what an Estimator says of one run.
type Forecast struct {
	Need      Quantiles
	Predictor string // that has cost least so far
	// Reach is the most memory in bytes that one step may go to: the largest peak,
	// or twice what the predictor says.
	Reach   int64
	Seconds float64 // mean run time of the runs that it rests on
	// Beyond is the probability that the run needs more than the ceiling. It is no
	// larger than what runs that were counted say, or what the prior alone says
	// where the ceiling is hardly above what failed: nothing is called hopeless
	// for a tail that nobody has seen.
	Beyond float64
}

// First returns the need of a run that has not been tried yet, by the expert
// that has cost least so far. It is empty when nothing was learnt.
func (e *Estimator) First(input int64) Forecast {
	if e.learnt == 0 {
		return Forecast{}
	}
	q := e.ask(size(input))
	best := e.costs.cheapest()
	var space opinionSpace
	o := e.opinion(experts[best], &q, space[:])
	f := e.forecast(best, &q)
	f.Seconds = o.seconds
	total := float64(o.seen() + 1)
	var steps [len(space)]step
	for i, m := range o.peaks {
		steps[i] = step{m, o.weight(i) / total}
	}
	f.Need = staircase(steps[:len(o.peaks)])
	return f
}

// size returns an input size, and its logarithm.
func size(input int64) (x, log float64) {
	x = float64(max(input, 0))
	return x, math.Log(x + 1)
}

// forecast returns what does not depend on the distribution.
func (e *Estimator) forecast(best int, q *question) Forecast {
	x := experts[best]
	reach := max(e.peaks[len(e.peaks)-1], 2*q.predicted[x.predictor])
	return Forecast{Predictor: x.String(), Reach: toBytes(reach)}
}

// sharpness is the power of their cost by which experts weigh less after a
// failure: one that cost twice as much counts for a 64th. It matters little
// from 4 on, where the weights of the good ones are nearly equal and the others
// are hardly heard.
const sharpness = 6

// leastWeight is the weight below which an expert is not heard.
const leastWeight = 1e-2

// weights returns what each expert counts for, at most 1.
func (c *costs) weights() (w [len(experts)]float64) {
	least := c.all[c.cheapest()]
	for i, cost := range c.all {
		w[i] = 1
		if cost > least {
			w[i] = math.Pow(least/cost, sharpness)
		}
		if w[i] < leastWeight {
			w[i] = 0
		}
	}
	return w
}

// Short is a run that failed for want of memory with this many bytes, and of
// which no more is known.
type Short struct{ Input, Bytes int64 }

// After returns the need of a run that is known to need more than proven: the
// distributions of all experts above proven, weighted by their cost and by how
// likely each took such a need to be, and one observation of the scale-free
// prior. ceiling is the most that it could be given; others are the runs that
// failed and were not mended, without the run that is asked about.
func (e *Estimator) After(input, proven, ceiling int64, others []Short) Forecast {
	if e.learnt == 0 {
		f := Forecast{Need: After(nil, proven).Above(proven)}
		f.Beyond = e.failedAtCeiling(input, ceiling, others)
		return f
	}
	q := e.ask(size(input))
	weights := e.costs.weights()
	f := e.forecast(e.costs.cheapest(), &q)
	m := mixtures.Get().(*mixture)
	defer mixtures.Put(m)
	m.reset(max(float64(proven), 1), float64(ceiling))
	var space opinionSpace
	for i, x := range experts {
		if weights[i] > 0 {
			m.add(e.opinion(x, &q, space[:]), weights[i])
		}
	}
	f.Seconds = e.meanSeconds()
	if m.known > 0 {
		f.Seconds = m.seconds / m.known
	}
	m.addPrior(min(1, median(e.peaks)/float64(max(proven, 1))/2))
	f.Beyond = max(min(m.beyond/m.total, max(m.counted(), m.proven/max(m.ceiling, m.proven))), e.failedAtCeiling(input, ceiling, others))
	f.Need = m.staircase()
	return f
}

// unsure is what counts on either side before anything is counted: a need that
// nobody can explain lies either always beyond the ceiling or never.
const unsure = 0.2

// failedAtCeiling returns the probability that an input is too large for the
// ceiling, when others that were no larger failed at it; those at least as
// large that it sufficed for speak against. It is 0 when none failed.
func (e *Estimator) failedAtCeiling(input, ceiling int64, others []Short) float64 {
	failed, smallest := 0.0, input
	for _, s := range others {
		if s.Bytes >= ceiling && s.Input <= input {
			failed, smallest = failed+1, min(smallest, s.Input)
		}
	}
	if failed == 0 {
		return 0
	}
	_, log := size(smallest)
	enough := 0.0
	for _, r := range e.inputs[e.inputs.from(log):] {
		if r.peak <= float64(ceiling) {
			enough++
		}
	}
	return 1 - (enough+unsure)/(failed+enough+2*unsure)
}
