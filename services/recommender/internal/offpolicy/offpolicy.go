// Package offpolicy estimates, from decisions on record, what another policy
// would have cost: the doubly robust estimator of Dudík, Langford and Li (2011).
// It is right when either the probabilities with which the choices were made
// are, or the predictions of what choices cost.
//
// A policy that always makes the one choice that it takes for the best says
// nothing of any other. Where the judged policy chooses otherwise, and that
// choice could not have been made, the estimate is the prediction and no more:
// such decisions are counted, as unsupported, and the interval does not cover how
// wrong the prediction may be.
package offpolicy

import "github.com/redrive-io/redrive/services/recommender/internal/sample"

// Decision is one choice on record, and what the judged policy would have
// chosen. Costs are in US dollars.
type Decision struct {
	Cost       float64 // what came of the choice on record
	Propensity float64 // the probability with which it was made
	Same       bool    // the judged policy makes it too
	// Supported says that the judged policy's choice could have been made, by
	// chance, or that what it costs is known without making it.
	Supported bool
	Predicted float64 // what the choice on record was predicted to cost
	Otherwise float64 // what the judged policy's is predicted to cost
}

// unlikely bounds a propensity from below, so that no decision counts for more
// than a thousand.
const unlikely = 0.001

// Tally collects decisions in bounded memory. The zero value has none.
type Tally struct {
	judged, logged, difference sample.Mean
	same, unsupported          int64
}

// Add adds a decision. One without a propensity, made before they were kept,
// says nothing and is left out.
func (t *Tally) Add(d Decision) {
	if !(d.Propensity > 0 && d.Propensity <= 1) {
		return
	}
	judged := d.Otherwise
	switch {
	case d.Same:
		t.same++
		judged += (d.Cost - d.Predicted) / max(d.Propensity, unlikely)
	case !d.Supported:
		t.unsupported++
	}
	t.judged.Add(judged)
	t.logged.Add(d.Cost)
	t.difference.Add(judged - d.Cost)
}

// Close ends the decisions of one job type: they resemble each other.
func (t *Tally) Close() {
	t.judged.Close()
	t.logged.Close()
	t.difference.Close()
}

// Estimate is what the judged policy would have cost, in US dollars a decision.
type Estimate struct {
	Decisions int64
	// Same is how many the judged policy would have made alike; Unsupported how
	// many it would not, where its own choice could not have been made.
	Same, Unsupported int64
	Judged            sample.Estimate
	Logged            float64 // what the decisions on record cost
	// Difference is Judged less Logged, decision by decision.
	Difference sample.Estimate
}

// Supported is the share of decisions whose record speaks for itself.
func (e Estimate) Supported() float64 {
	if e.Decisions == 0 {
		return 0
	}
	return 1 - float64(e.Unsupported)/float64(e.Decisions)
}

// Estimate returns the estimate from what was added.
func (t *Tally) Estimate() Estimate {
	judged := t.judged.Estimate()
	return Estimate{
		Decisions: judged.Count, Same: t.same, Unsupported: t.unsupported,
		Judged: judged, Logged: t.logged.Estimate().Mean, Difference: t.difference.Estimate(),
	}
}
