// Package history is what is kept of a job type: what its newest attempts
// taught, in a form in which order and repetition are of no account.
package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

// MaxAttempts bounds the attempts that are kept of one job type. The estimate
// of a 99th percentile gains little from more, and a job type drifts.
const MaxAttempts = 64

// MaxFingerprint bounds Attempt.Fingerprint, in bytes; a longer one is cut.
const MaxFingerprint = 128

// MaxSetting bounds Attempt.Setting, in bytes; a longer one names no setting.
const MaxSetting = 128

// Outcome is how an attempt ended, as in proto/redrive/v1/recommender.proto.
type Outcome int

// The outcomes. A larger one outranks a smaller one told of the same attempt.
const (
	NoOutcome Outcome = iota
	Failed
	Succeeded
)

// Attempt is what one attempt taught. Events about it may each know a part.
type Attempt struct {
	ID       string // failure.Attempt.FailureID
	Previous string // the same of the attempt before it
	Outcome  Outcome
	End      time.Time
	Seconds  float64
	Input    int64 // bytes; 0 when unknown
	// Sizes is what each part was given, in bytes.
	Sizes map[engine.Part]int64
	// Peaks is the largest use of each part that its engine measured, in bytes.
	Peaks map[engine.Part]int64
	Limit int64 // bytes that were in force for the tree; 0 for none
	Peak  int64 // bytes of the tree; 0 when not measured
	// Killed says that the executor proved a kill for memory.
	Killed      bool
	TimedOut    bool          // it was stopped at its run timeout
	Shape       failure.Shape // the machines; zero when not known
	Class       failure.Class // empty until it is classified
	Fingerprint string        // empty until it is classified
	Setting     string        // engine.Cause.Setting, at most MaxSetting bytes
}

// merge returns what a and b together say of one attempt. It is commutative,
// associative and idempotent: of each member the larger wins.
func (a Attempt) merge(b Attempt) Attempt {
	m := Attempt{
		ID: a.ID, Previous: max(a.Previous, b.Previous), Outcome: max(a.Outcome, b.Outcome), End: a.End,
		Seconds: max(a.Seconds, b.Seconds), Input: max(a.Input, b.Input), Limit: max(a.Limit, b.Limit), Peak: max(a.Peak, b.Peak),
		Killed: a.Killed || b.Killed, TimedOut: a.TimedOut || b.TimedOut, Shape: larger(a.Shape, b.Shape),
		Class: max(a.Class, b.Class), Fingerprint: max(a.Fingerprint, b.Fingerprint), Setting: max(a.Setting, b.Setting),
		Sizes: largest(a.Sizes, b.Sizes), Peaks: largest(a.Peaks, b.Peaks),
	}
	if b.End.After(a.End) {
		m.End = b.End
	}
	return m
}

// larger returns one of two clusters: the same one, whatever their order.
func larger(a, b failure.Shape) failure.Shape {
	spot := func(s failure.Shape) int {
		if s.Spot {
			return 1
		}
		return 0
	}
	if cmp.Or(
		cmp.Compare(a.Nodes, b.Nodes), cmp.Compare(a.CoresPerNode, b.CoresPerNode), cmp.Compare(a.MemoryPerNode, b.MemoryPerNode),
		cmp.Compare(a.DollarsPerHour, b.DollarsPerHour), cmp.Compare(spot(a), spot(b)), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.InstanceType, b.InstanceType),
	) < 0 {
		return b
	}
	return a
}

// largest returns the larger of two amounts of each part, nil for none.
func largest(a, b map[engine.Part]int64) map[engine.Part]int64 {
	if len(a)+len(b) == 0 {
		return nil
	}
	m := make(map[engine.Part]int64, max(len(a), len(b)))
	maps.Copy(m, a)
	for part, bytes := range b {
		m[part] = max(m[part], bytes)
	}
	return m
}

// History is what is kept of one job type.
type History struct {
	Type     failure.Type
	Attempts []Attempt // the newest MaxAttempts, by End, then ID
	Past     Past      // what was before them
	Updated  time.Time
}

// Learn returns h with more attempts, or with more of those that it has. The
// newest MaxAttempts stay; of those before them what was measured. As long as
// every event tells the same End of an attempt, the result depends on the set of
// events alone, not on their order nor on how often each is told. Of Past that
// holds for an event that comes before fewestRuns attempts which ended later are
// in Past; one that comes later than that may be left out.
func (h History) Learn(all ...Attempt) History {
	attempts := append(make([]Attempt, 0, len(h.Attempts)+len(all)), h.Attempts...)
	for _, a := range all {
		if len(a.Fingerprint) > MaxFingerprint {
			a.Fingerprint = a.Fingerprint[:MaxFingerprint]
		}
		if i := slices.IndexFunc(attempts, func(b Attempt) bool { return b.ID == a.ID }); i >= 0 {
			attempts[i] = attempts[i].merge(a)
		} else {
			attempts = append(attempts, a.merge(a))
		}
	}
	slices.SortFunc(attempts, func(a, b Attempt) int { return cmp.Or(a.End.Compare(b.End), cmp.Compare(a.ID, b.ID)) })
	before := max(len(attempts)-MaxAttempts, 0)
	h.Past = h.Past.with(h.appendRuns(nil, attempts[:before]))
	h.Attempts = attempts[before:]
	return h
}

// Same reports whether h and g say the same of attempts.
func (h History) Same(g History) bool {
	return slices.EqualFunc(h.Attempts, g.Attempts, func(a, b Attempt) bool {
		return a.ID == b.ID && a.Previous == b.Previous && a.Outcome == b.Outcome && a.End.Equal(b.End) && a.Seconds == b.Seconds &&
			a.Input == b.Input && maps.Equal(a.Sizes, b.Sizes) && maps.Equal(a.Peaks, b.Peaks) && a.Limit == b.Limit && a.Peak == b.Peak &&
			a.Killed == b.Killed && a.TimedOut == b.TimedOut && a.Shape == b.Shape && a.Class == b.Class &&
			a.Fingerprint == b.Fingerprint && a.Setting == b.Setting
	}) && h.Past.same(g.Past)
}

// Without returns h without one attempt.
func (h History) Without(id string) History {
	h.Attempts = slices.DeleteFunc(slices.Clone(h.Attempts), func(a Attempt) bool { return a.ID == id })
	return h
}

// Count returns how many attempts ended, succeeded, and failed for memory.
func (h History) Count() (ended, succeeded, memory int) {
	for _, a := range h.Attempts {
		switch {
		case a.Outcome == NoOutcome:
			continue
		case a.Outcome == Succeeded:
			succeeded++
		case a.Killed || a.Class.Memory():
			memory++
		}
		ended++
	}
	return ended, succeeded, memory
}

// Retries returns how many attempts that followed a failure of this fingerprint
// failed with it again, and how many succeeded. One that failed of something
// else says nothing of it.
func (h History) Retries(fingerprint string) (failed, succeeded int) {
	if fingerprint == "" {
		return 0, 0
	}
	if len(fingerprint) > MaxFingerprint {
		fingerprint = fingerprint[:MaxFingerprint]
	}
	with := map[string]bool{}
	for _, a := range h.Attempts {
		if a.Outcome == Failed && a.Fingerprint == fingerprint {
			with[a.ID] = true
		}
	}
	for _, a := range h.Attempts {
		switch {
		case !with[a.Previous]:
		case a.Outcome == Succeeded:
			succeeded++
		case with[a.ID]:
			failed++
		}
	}
	return failed, succeeded
}

// Seconds returns the mean run time of the successes; 0 when there is none.
func (h History) Seconds() float64 {
	var sum, n float64
	for _, a := range h.Attempts {
		if a.Outcome == Succeeded && a.Seconds > 0 {
			sum, n = sum+a.Seconds, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}
