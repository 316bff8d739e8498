package history

import "github.com/redrive-io/redrive/pkg/engine"

// Given returns the bytes that the attempt had of a part; 0 when unknown.
func (a Attempt) Given(part engine.Part) int64 { return a.given(part) }

// Lacked returns the part that a failed attempt had too little of; NoPart when
// it failed of something else, or succeeded.
func (a Attempt) Lacked(p engine.Profile) engine.Part {
	if a.Outcome != Failed {
		return engine.NoPart
	}
	return a.ranOut(p)
}

// PartRuns returns the successes of which is known what they needed of a part,
// in the order of their ends. bounded says that it is known at most: of a heap,
// with the garbage in it.
func (h History) PartRuns(part engine.Part) (all []Run, bounded bool) {
	if part == h.Measured() {
		return h.Runs(), false
	}
	for _, a := range h.Attempts {
		if peak := a.atMost(part); a.Outcome == Succeeded && peak >= minPeak {
			all = append(all, Run{a.mark(), a.Input, peak, float32(a.Seconds)})
		}
	}
	return all, true
}
