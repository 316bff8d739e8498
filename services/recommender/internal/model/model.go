// Package model is what is learnt of all job types together: how often failures
// come back whatever is changed, how long failing takes, how run times depend on
// cores and memory, and how far predictions were off. Everything in it is sums,
// so that a training can go on where the last one ended; what is asked of it is
// worked out from them. Where there are no sums yet it answers with priors.
package model

import (
	"cmp"
	"slices"
	"time"
)

// BuiltinName names the model without any sums.
const BuiltinName = "builtin"

// Model is a model by its name: BuiltinName, or the digits that its content
// gives it. It is not changed once it is made, and may be shared.
type Model struct {
	Name string
	Content
	calibration Calibration // of New; without it Calibrated works it out at each call
}

// Builtin returns the model of a new installation: priors alone.
func Builtin() Model { return New(BuiltinName, Content{Version: Version}) }

// New returns the model of a content, whose slices are in the order that their
// comments say.
func New(name string, c Content) Model {
	return Model{Name: name, Content: c, calibration: c.points()}
}

// Version counts the changes of what the members of Content mean.
const Version = 1

// MaxKeys is how many exit codes and owners are kept of one class, those with
// the most retries: a content is one document.
const MaxKeys = 500

// Content is what a model knows.
type Content struct {
	Version int
	// Until: the records that were told of before then are in it; zero: none is.
	Until   time.Time
	Records int64
	Retries []Retries // by Class, then Key
	// Failing sums, over attempts that lacked memory, how long they ran in parts
	// of the run time of the success that followed.
	Failing Sum
	Curves  []Curve       // by Engine
	Bins    []Bin         // by Bin.Index
	Spot    Interruptions // of spot machines
	// Features is by Name.
	Features []Histogram
}

// Sum is a sum and of how many.
type Sum struct{ Sum, Count float64 }

// Retries counts the first retries after a failure: those that failed alike and
// those that succeeded.
type Retries struct {
	Class string
	// Key is empty for all of the class without a proof, Proof for those with one,
	// else what ExitKey or OwnerKey returns.
	Key               string
	Failed, Succeeded float64
}

// Curve is the mean shape of run times of an engine; see Model.Curve.
type Curve struct {
	Engine string
	Terms  [4]float64 // serial, shared, memory, coordination
	Types  int        // job types that it is the mean of
}

// Bin is what came of predictions of nearly the same probability.
type Bin struct {
	Index            int     // of BinOf
	Predicted, Count float64 // the sum of the probabilities, and how many
	Observed         float64 // how many failed
}

// Interruptions is how often spot machines were taken away.
type Interruptions struct{ Count, Hours float64 } // hours of single machines

// Mean returns the mean with one observation of the prior.
func (s Sum) Mean(prior float64) float64 { return (prior + s.Sum) / (1 + s.Count) }

// FailedShare returns how long an attempt that lacks memory runs, in parts of
// the whole run time: one observation of all of it, and what was seen.
func (c Content) FailedShare() float64 { return c.Failing.Mean(1) }

// Builtin shape of run times: Amdahl's law with a fifth that does not share.
const (
	serial = 0.2
	shared = 0.8
)

// Curve returns the mean shape of run times of an engine, in parts of the run
// time at 32 cores and 128 GiB: serial + shared × 32/cores + memory × 128
// GiB/memory + coordination × (32/cores)². None is negative. The prior counts
// as one job type.
func (c Content) Curve(engine string) [4]float64 {
	terms := [4]float64{serial, shared}
	i, ok := slices.BinarySearchFunc(c.Curves, engine, func(e Curve, name string) int { return cmp.Compare(e.Engine, name) })
	if !ok {
		return terms
	}
	e := c.Curves[i]
	for t := range terms {
		terms[t] = (terms[t] + e.Terms[t]*float64(e.Types)) / (1 + float64(e.Types))
	}
	return terms
}

// priorHours is after how many hours one interruption is expected before any was
// seen. The clouds promise less than one of twenty machines taken away.
const priorHours = 20

// Interruptions returns how often one spot machine is taken away, per hour: one
// in priorHours, and what was seen.
func (c Content) Interruptions() float64 { return (1 + c.Spot.Count) / (priorHours + c.Spot.Hours) }
