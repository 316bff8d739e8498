package rightsize

import (
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// Bounds of what is looked at.
const (
	// mostRuns are learnt, the newest. With as many the tail beyond all of them is
	// half of the default risk, and a look costs a few milliseconds.
	mostRuns = 200
	// mostInputs recent inputs stand for those to come.
	mostInputs = 16
	// newest successes say whether runs ask for the same.
	newest = 10
	// leastSpan is the shortest time that a rate of runs is worked out from.
	leastSpan = time.Hour
)

// Gather returns what a history says of the parts of z that can be sized. present
// is what jobs with the configuration of z run with, by the patch that applies. A
// bad value in one of the two is errs.Invalid.
func Gather(h history.History, z Sizing, present map[string]any, s Settings, now time.Time) (Facts, error) {
	profile, err := engine.Lookup(h.Type.Engine)
	if err != nil {
		return Facts{}, err
	}
	own, err := profile.Sizes(z.Config)
	if err != nil {
		return Facts{}, err
	}
	g := gathering{h: h, profile: profile, settings: s, began: z.Began, now: now}
	facts := Facts{Note: "no run was measured of a part that its configuration bounds"}
	for _, part := range sizable[h.Type.Engine] {
		setting, err := profile.PartSetting(present, part)
		if err != nil {
			return Facts{}, err
		}
		if e, ok := g.evidence(setting, own[part].Memory); ok {
			facts.Parts = append(facts.Parts, e)
		}
	}
	if h.Type.Engine == engine.JVM {
		facts = boundedByHeap(facts, profile, present)
	}
	for _, a := range h.Attempts {
		if a.Outcome != history.Succeeded {
			continue
		}
		if a.End.After(z.Doubted) {
			facts.Since++
		}
		if !a.End.After(z.Counted) {
			continue
		}
		facts.Newest = a.End // they are in this order
		if !slices.ContainsFunc(facts.Parts, func(e Evidence) bool { return a.Given(e.Part) != e.Present }) {
			facts.Fresh++
		}
	}
	return facts, nil
}

// sizable are the parts of each engine of which a measurement says enough. The
// peak of a JVM's tree is what its heap was allowed to grow to, so that alone
// what lies beside the heap can be taken away there.
var sizable = map[string][]engine.Part{
	engine.Process: {engine.Tree}, engine.JVM: {engine.Tree},
	engine.Spark: {engine.ExecutorHeap, engine.Python, engine.DriverHeap},
}

// boundedByHeap leaves the tree of a JVM what its heap and the rest beside it
// need. Where no heap is set, the JVM takes a share of the limit as heap: with
// less of it, what was measured holds no more.
func boundedByHeap(f Facts, p engine.Profile, present map[string]any) Facts {
	heap, err := p.PartSetting(present, engine.Heap)
	if err != nil || heap.Part == engine.NoPart {
		return Facts{Note: "the JVM takes its heap from the limit of the tree; with heap_mb set, the limit can be sized"}
	}
	for i := range f.Parts {
		f.Parts[i].Least = heap.Memory + heap.Memory/10
	}
	return f
}

// gathering is what evidence is gathered from.
type gathering struct {
	h        history.History
	profile  engine.Profile
	settings Settings
	began    time.Time
	now      time.Time
}

// evidence returns what runs say of a part; false when that is nothing.
func (g gathering) evidence(setting engine.Setting, own int64) (Evidence, bool) {
	runs, bounded := g.h.PartRuns(setting.Part)
	if setting.Part == engine.NoPart || setting.Memory <= 0 || own <= 0 || len(runs) == 0 {
		return Evidence{}, false
	}
	e := Evidence{
		Part: setting.Part, Own: own, Present: setting.Memory, Total: setting.Total(setting.Size), Cores: setting.Cores, Copies: setting.Instances,
		Bounded: bounded, Runs: len(runs), Alike: g.alike(setting.Part, own, setting.Memory),
		Most: g.settings.given().Most(&setting, setting.Cores), Allowed: g.settings.given().Amounts(&setting, setting.Cores),
	}
	estimator := need.NewEstimator(need.Prices{Weight: g.settings.Weight, PerGiBHour: g.settings.PerGiBHour, FailedShare: g.settings.FailedShare})
	for _, r := range runs[max(len(runs)-mostRuns, 0):] {
		estimator.Learn(need.Run{Input: r.Input, Peak: r.Peak, Seconds: float64(r.Seconds)})
	}
	recent := runs[max(len(runs)-history.MaxAttempts, 0):]
	for _, r := range recent {
		e.Seconds += float64(r.Seconds) / float64(len(recent))
		e.Peak = max(e.Peak, r.Peak)
	}
	for _, input := range inputs(recent) {
		e.Needs = append(e.Needs, estimator.First(input).Need)
	}
	span := max(g.now.Sub(time.Unix(0, runs[0].Nanos)), leastSpan)
	e.RunsPerDay = float64(len(runs)) / span.Hours() * 24
	for _, a := range g.h.Attempts {
		if a.Lacked(g.profile) == setting.Part {
			e.Short = max(e.Short, a.Given(setting.Part))
		}
	}
	return e, true
}

// alike returns the share of the newest successes that had own or present bytes
// of a part; 1 while there are too few since runs have what they have now.
func (g gathering) alike(part engine.Part, own, present int64) float64 {
	seen, same := 0, 0
	for _, a := range slices.Backward(g.h.Attempts) {
		if a.Outcome != history.Succeeded || seen == newest || !a.End.After(g.began) {
			continue
		}
		seen++
		if given := a.Given(part); given == own || given == present {
			same++
		}
	}
	if seen < newest {
		return 1
	}
	return float64(same) / float64(seen)
}

// inputs returns at most mostInputs of the inputs of runs, evenly spread over
// their order by size, the smallest and the largest among them.
func inputs(runs []history.Run) []int64 {
	var all []int64
	for _, r := range runs {
		all = append(all, r.Input)
	}
	slices.Sort(all)
	if all[0] == all[len(all)-1] {
		return all[:1] // all alike: the same answer for each
	}
	if len(all) <= mostInputs {
		return all
	}
	some := make([]int64, mostInputs)
	for i := range some {
		some[i] = all[i*(len(all)-1)/(mostInputs-1)]
	}
	return some
}
