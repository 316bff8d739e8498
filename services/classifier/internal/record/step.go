package record

import (
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Begin classifies: it runs the rules on what was collected and says what is
// to be done next. r is masked and collected already.
func Begin(r Report, set *rule.Set, warnings []string, now time.Time) Failure {
	in := rule.NewInput(r.Evidence, r.Type.Engine)
	matches := set.Match(in)
	f := Failure{Report: r, Result: finalize.Finalize(matches, in), Matches: matches, CreateTime: now}
	for _, w := range append(warnings, in.Notes()...) {
		f.warn("%s", w)
	}
	if len(matches) > MaxMatches {
		f.warn("%d rules matched: the first %d and the winner are recorded", len(matches), MaxMatches)
		f.Matches = keep(matches, f.Result.Rule)
	}
	switch {
	case len(f.Result.Remedy) > 0:
		return f.to(Patching, now)
	case f.asks():
		return f.to(Recommending, now)
	}
	return f.to(Final, now)
}

// keep returns the first matches, and the winner among them.
func keep(matches []rule.Match, winner string) []rule.Match {
	kept := matches[:MaxMatches:MaxMatches]
	for _, m := range matches[MaxMatches:] {
		if m.Rule == winner {
			return append(kept[:MaxMatches-1], m)
		}
	}
	return kept
}

// asks reports whether the recommender has a say: on memory, unless the rule
// wants another verdict, and where no rule knows the failure.
func (f Failure) asks() bool {
	return f.Result.Class == failure.Unknown || f.Result.Class.Memory() && f.Result.Verdict == failure.RetryWithConfig
}

// Unadvised reports whether a final record lacks the recommendation that was to
// be in it.
func (f Failure) Unadvised() bool {
	return f.State == Final && f.asks() && len(f.Result.Remedy) == 0 && f.Recommendation == nil
}

func (f Failure) to(s State, now time.Time) Failure {
	f.State, f.UpdateTime = s, now
	return f
}

// Recommended takes the recommendation up. Only a change leads to a patch, and
// of an unknown failure only where its evidence shows memory.
func (f Failure) Recommended(r Recommendation, now time.Time) Failure {
	f.Recommendation = &r
	switch {
	case r.Outcome != Change:
		return f.to(Final, now)
	case len(r.Operations) == 0:
		f.warn("the recommended change has no operations: no patch was made")
		return f.to(Final, now)
	case f.Result.Class == failure.Unknown && !showsMemory(f.Evidence):
		f.warn("the recommended change was not made: nothing shows that this failure is about memory")
		return f.to(Final, now)
	}
	return f.to(Patching, now)
}

// NotRecommended ends a record whose question the recommender refuses.
func (f Failure) NotRecommended(err error, now time.Time) Failure {
	f.warn("no recommendation: %v", err)
	return f.to(Final, now)
}

// Patched ends a record with its patch.
func (f Failure) Patched(name string, now time.Time) Failure {
	f.Patch = name
	return f.to(Final, now)
}

// NotPatched ends a record whose patch the config service refuses.
func (f Failure) NotPatched(err error, now time.Time) Failure {
	f.warn("no patch: %v", err)
	return f.to(Final, now)
}

// GivenUp ends a record that could not be driven on for too long.
func (f Failure) GivenUp(now time.Time) Failure {
	f.warn("given up after %v: what was to be asked did not answer", now.Sub(f.CreateTime).Round(time.Second))
	return f.to(Final, now)
}

// Operations is the change that the patch of f makes: the winning rule's
// remedy, or the recommended one.
func (f Failure) Operations() []rule.Operation {
	if len(f.Result.Remedy) > 0 {
		return f.Result.Remedy
	}
	if f.Recommendation != nil {
		return f.Recommendation.Operations
	}
	return nil
}

// closeToLimit is the part of its memory limit, in percent, beyond which a peak
// shows that memory was short.
const closeToLimit = 95

// showsMemory reports whether the evidence proves that memory was short: a kill
// for it with its proof, or a peak at the limit.
func showsMemory(e failure.Evidence) bool {
	return e.Reason == failure.OutOfMemory && e.Proof != "" ||
		e.PeakBytes != nil && e.LimitBytes > 0 && float64(*e.PeakBytes) >= float64(e.LimitBytes)*closeToLimit/100
}
