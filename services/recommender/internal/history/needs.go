package history

import (
	"cmp"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// Measured returns the part whose need is measured at each success of the type:
// Python's share of Spark's executors, of which the engine tells what was
// resident, and the process tree elsewhere. Of all other parts what they were
// given is known at most.
func (h History) Measured() engine.Part {
	if h.Type.Engine == engine.Spark {
		return engine.Python
	}
	return engine.Tree
}

// Runs returns all successes in which the part of Measured was measured, in the
// order of their ends.
func (h History) Runs() []Run {
	return h.AppendRuns(make([]Run, 0, len(h.Past.Runs)+len(h.Attempts)))
}

// AppendRuns appends what Runs returns.
func (h History) AppendRuns(all []Run) []Run {
	return h.appendRuns(append(all, h.Past.Runs...), h.Attempts)
}

// appendRuns appends what was measured in attempts.
func (h History) appendRuns(all []Run, attempts []Attempt) []Run {
	part := h.Measured()
	for i := range attempts {
		a := &attempts[i]
		if peak := a.measured(part); a.Outcome == Succeeded && peak > 0 {
			all = append(all, Run{a.mark(), a.Input, peak, float32(a.Seconds)})
		}
	}
	return all
}

// Short returns the attempts among the newest that had too little of a part and
// of which no later attempt has succeeded.
func (h History) Short(p engine.Profile, part engine.Part) []need.Short {
	var all []need.Short
	mended := map[string]bool{}
	for _, a := range slices.Backward(h.Attempts) {
		if a.Outcome == Succeeded || mended[a.ID] {
			mended[a.Previous] = true
		} else if o, ok := a.need(p, part); ok && a.Outcome == Failed && a.ranOut(p) == part {
			all = append(all, need.Short{Input: a.Input, Bytes: o.Low})
		}
	}
	return all
}

// Use returns the largest share, 0 to 1, of what it was given of the part of
// Measured that an attempt used; 0 when none was measured.
func (h History) Use() float64 {
	most := 0.0
	for _, a := range h.Attempts {
		given, peak := a.given(h.Measured()), a.measured(h.Measured())
		if a.Outcome == Succeeded && peak > 0 && given > 0 {
			most = max(most, min(float64(peak)/float64(given), 1))
		}
	}
	return most
}

// Needs returns what the attempts say of the need of one part.
func (h History) Needs(p engine.Profile, part engine.Part) []need.Observation {
	var all []need.Observation
	for _, a := range h.Attempts {
		if o, ok := a.need(p, part); ok {
			all = append(all, o)
		}
	}
	return all
}

func (a Attempt) need(p engine.Profile, part engine.Part) (need.Observation, bool) {
	given, peak := a.given(part), a.measured(part)
	switch {
	case a.Outcome == Succeeded && peak > 0:
		return need.Exactly(peak), true
	case a.Outcome == Succeeded:
		given = least(given, a.atMost(part))
		return need.AtMost(given), given > 0
	case a.Outcome == Failed && a.ranOut(p) == part:
		enough := max(given, peak)
		return need.MoreThan(enough), enough > 0
	case a.Outcome == Failed && peak > 0:
		return need.MoreThan(peak), true
	}
	return need.Observation{}, false
}

// minPeak is the least peak that is believed: less is the sample of a process
// that had hardly begun.
const minPeak = 4 << 20

// given returns the bytes that the attempt had of a part; 0 when unknown.
func (a Attempt) given(part engine.Part) int64 {
	if part == engine.Tree {
		return cmp.Or(a.Sizes[part], a.Limit)
	}
	return a.Sizes[part]
}

// measured returns how many bytes of a part were needed at least at one moment,
// and enough at every other; 0 when that was not measured. What a heap had in
// use is none: there is garbage in it.
func (a Attempt) measured(part engine.Part) int64 {
	peak := int64(0)
	switch part {
	case engine.Tree:
		peak = a.Peak
	case engine.Python:
		peak = a.Peaks[part]
	}
	if peak < minPeak {
		return 0
	}
	return peak
}

// atMost returns a bound in bytes of what a success needed of a heap: what was
// in use, garbage included, and the tree that it lies in. 0 is none.
func (a Attempt) atMost(part engine.Part) int64 {
	switch part {
	case engine.Heap:
		return least(a.Peaks[part], a.Peak)
	case engine.DriverHeap, engine.ExecutorHeap:
		return least(a.Peaks[part], 0)
	}
	return 0
}

// least returns the least of the amounts that are large enough to be believed.
func least(a, b int64) int64 {
	switch {
	case b < minPeak:
		return a
	case a < minPeak:
		return b
	}
	return min(a, b)
}

// ranOut returns the part that the attempt had too little of, if any.
func (a Attempt) ranOut(p engine.Profile) engine.Part {
	if !a.Killed && !a.Class.Memory() {
		return engine.NoPart
	}
	return p.PartOf(engine.Cause{Class: cmp.Or(a.Class, failure.Unknown), Setting: a.Setting}, func(part engine.Part) bool { return a.Sizes[part] > 0 })
}

// Best returns the part of which the attempts say most, and what they say; no
// part when they say nothing.
func (h History) Best(p engine.Profile) (best engine.Part, seen []need.Observation) {
	for _, part := range []engine.Part{engine.Tree, engine.Heap, engine.ExecutorHeap, engine.DriverHeap, engine.Overhead, engine.Python, engine.DriverResult} {
		all := h.Needs(p, part)
		if len(all) > len(seen) {
			best, seen = part, all
		}
	}
	return best, seen
}
