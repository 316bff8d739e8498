package rightsize

import (
	"fmt"
	"math"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// plan is what the evidence of one part asks for.
type plan struct {
	*Evidence
	floor, target, next int64
	saving              Saving // of next
	reason              string
}

// changes reports whether there is a step.
func (p plan) changes() bool { return p.next != p.Present }

// up reports whether the step is one to more memory.
func (p plan) up() bool { return p.next > p.Present }

// plan returns the step that the evidence asks for: towards the memory of least
// expected cost among those that leave at most MaxRisk, at most MaxStep at once,
// and none at all where it would change less than Converged or save too little.
// No step down goes below raised, the settings' floor, or what was too little.
func (e *Evidence) plan(s Settings, raised int64) plan {
	p := plan{Evidence: e, floor: max(s.Floor, e.Least, raised)}
	if e.Short > 0 {
		p.floor = max(p.floor, floor(float64(e.Short))+mib)
	}
	p.target, p.next = e.Present, e.Present
	target, found := e.target(s, p.floor)
	if !found {
		p.reason = fmt.Sprintf("at no size up to the ceiling does a run lack memory with at most %.2g", s.MaxRisk)
		return p
	}
	p.target = target
	switch change := float64(target-e.Present) / float64(e.Present); {
	case math.Abs(change) < Converged:
		p.reason = fmt.Sprintf("runs have %s; %s would be the best, which is less than %g %% away", size(e.Present), size(target), Converged*100)
		return p
	case change < 0:
		p.next = max(target, ceil(float64(e.Present)*(1-MaxStep)))
	case e.Bounded:
		p.reason = "what was in use, with garbage in it, does not say that more is needed"
		return p
	case e.risk(e.Present) > hysteresis*s.MaxRisk:
		p.next = min(target, max(floor(float64(e.Present)*(1+MaxStep)), e.Present+mib))
	default:
		p.reason = fmt.Sprintf("a run lacks memory with %.2g; more is proposed beyond %.2g", e.risk(e.Present), hysteresis*s.MaxRisk)
		return p
	}
	return p.allowed(s).priced(s)
}

// priced returns p with what its step saves, and without one that is not worth
// it. Rounding to whole MiB may leave none, either.
func (p plan) priced(s Settings) plan {
	if math.Abs(float64(p.next-p.Present)) < Converged*float64(p.Present) {
		p.next, p.reason = p.Present, fmt.Sprintf("a step from %s would be less than %g %%", size(p.Present), Converged*100)
		return p
	}
	p.saving = p.Evidence.saving(p.Present, p.next, s)
	if !p.up() && p.saving.DollarsPerMonth < s.MinDollars {
		p.reason = fmt.Sprintf("%s instead of %s would save $%.2g a month, less than $%.2g", size(p.next), size(p.Present), p.saving.DollarsPerMonth, s.MinDollars)
		p.next, p.saving = p.Present, Saving{}
		return p
	}
	p.reason = p.why()
	return p
}

// why says in words what speaks for the step.
func (p plan) why() string {
	if p.up() {
		return fmt.Sprintf("with %s a run lacks memory with probability %.2g, with %s with %.2g, by %d runs",
			size(p.Present), p.saving.FailBefore, size(p.next), p.saving.FailAfter, p.Runs)
	}
	used := "needed"
	if p.Bounded {
		used = "had in use"
	}
	return fmt.Sprintf("%d runs %s at most %s; with %s instead of %s a run lacks memory with probability %.2g",
		p.Runs, used, size(p.Peak), size(p.next), size(p.Present), p.saving.FailAfter)
}

// target returns the bytes of least expected cost among those from least up to
// the ceiling that leave at most MaxRisk; of a tie those nearest to Present.
func (e *Evidence) target(s Settings, least int64) (best int64, found bool) {
	var cost float64
	for _, bytes := range e.candidates(least) {
		if e.risk(bytes) > s.MaxRisk {
			continue
		}
		c := e.dollars(bytes, s)
		if !found || c < cost || c == cost && distance(bytes, e.Present) < distance(best, e.Present) {
			best, cost, found = bytes, c, true
		}
	}
	return best, found
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// Beyond the last point of a distribution the risk halves with each doubling;
// candidates go on there by steps of an eighth of that, for four doublings.
const (
	beyondPerOctave = 8
	beyondOctaves   = 4
)

// candidates returns the sizes at which the risk falls, from least up to the
// ceiling, ascending and each once: the best is one of these, or lies beyond.
func (e *Evidence) candidates(least int64) []int64 {
	all := []int64{least, e.Present}
	last := int64(0)
	for _, q := range e.Needs {
		for _, p := range q {
			all = append(all, ceil(float64(p.Bytes)))
		}
		last = max(last, q[len(q)-1].Bytes)
	}
	for i := 1; i <= beyondPerOctave*beyondOctaves; i++ {
		all = append(all, ceil(float64(last)*math.Exp2(float64(i)/beyondPerOctave)))
	}
	all = slices.DeleteFunc(all, func(bytes int64) bool {
		return bytes < least || bytes > max(e.Present, e.Most)
	})
	slices.Sort(all)
	return slices.Compact(all)
}

func size(bytes int64) string { return search.Bytes(bytes) }

// best returns the plan to go by: more memory first, where it is short; then
// what saves most; without any step, the part that runs have most of.
func best(parts []Evidence, s Settings, raised map[engine.Part]int64) plan {
	var first plan
	for i := range parts {
		p := parts[i].plan(s, raised[parts[i].Part])
		if i == 0 || p.before(first) {
			first = p
		}
	}
	return first
}

func (p plan) before(q plan) bool {
	switch {
	case p.up() != q.up():
		return p.up()
	case p.changes() != q.changes():
		return p.changes()
	case p.changes():
		return p.saving.DollarsPerMonth > q.saving.DollarsPerMonth
	}
	return p.Present > q.Present
}
