package need

import (
	"math"
	"slices"
)

// Run is a success whose peak was measured.
type Run struct {
	Input   int64   // bytes that it read; 0 when not known
	Peak    int64   // bytes
	Seconds float64 // run time
}

// Prices say what it costs to be wrong.
type Prices struct {
	Weight      float64 // of a failure besides its resources, in US dollars
	PerGiBHour  float64 // of memory, in US dollars
	FailedShare float64 // of the time of a whole run, what an attempt takes that fails
}

// MaxRuns is how many runs an Estimator looks back to. What a job type needed
// longer ago says less of the next run than it costs to look at.
const MaxRuns = 400

// Estimator predicts the memory that a part of one job type needs, from the
// runs that it learnt: several cheap predictors, each with the distribution of
// its own past errors, in its order of learning. It is a pure function of what
// it learnt and of the order of it. All but Learn may be called at the same
// time.
type Estimator struct {
	prices Prices
	learnt int // runs ever

	runs   [MaxRuns]run // the newest: that of number n lies at n % MaxRuns
	inputs inputs
	peaks  []float64 // of the newest, ascending
	fits   fits
	errors [predictors]residuals
	costs  costs
}

// run is a Run in the units of the estimator.
type run struct{ input, log, peak, seconds float64 }

// NewEstimator returns an estimator that has learnt nothing.
func NewEstimator(p Prices) *Estimator { return &Estimator{prices: p} }

// Clone returns a copy that learns by itself.
func (e *Estimator) Clone() *Estimator {
	c := *e
	c.inputs, c.peaks = slices.Clone(e.inputs), slices.Clone(e.peaks)
	for i := range c.errors {
		c.errors[i] = slices.Clone(e.errors[i])
	}
	return &c
}

// Runs returns how many runs it has learnt.
func (e *Estimator) Runs() int { return e.learnt }

// leastSeconds keeps runs that took no time from weighing nothing.
const leastSeconds = 1e-3

// Learn takes in a run. One without a peak says nothing and is passed over.
func (e *Estimator) Learn(r Run) {
	if r.Peak <= 0 {
		return
	}
	x, log := size(r.Input)
	now := run{input: x, log: log, peak: float64(r.Peak), seconds: max(r.Seconds, leastSeconds)}
	if math.IsNaN(now.seconds) || math.IsInf(now.seconds, 0) {
		now.seconds = leastSeconds
	}
	slot := e.learnt % MaxRuns
	predicted := e.predict(now.input, now.log)
	if e.learnt > 1 {
		e.charge(predicted, now)
	}
	if e.learnt >= MaxRuns {
		e.forget(slot)
	}
	if e.learnt > 0 {
		for p := range e.errors {
			e.errors[p].insert(residual{predictor(p).errorOf(predicted[p], now.peak), slot})
		}
	}
	e.runs[slot] = now
	e.inputs.insert(input{now.log, now.peak, slot})
	i, _ := slices.BinarySearch(e.peaks, now.peak)
	e.peaks = slices.Insert(e.peaks, i, now.peak)
	e.fits.add(now)
	e.learnt++
}

// forget drops the run that lies where the next one goes.
func (e *Estimator) forget(slot int) {
	old := e.runs[slot]
	e.inputs.remove(old.log, slot)
	i, _ := slices.BinarySearch(e.peaks, old.peak)
	e.peaks = slices.Delete(e.peaks, i, i+1)
	for p := range e.errors {
		e.errors[p].remove(slot)
	}
}
