package audit

import (
	"cmp"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// price returns what a run of some seconds costs in US dollars. It is worked out
// here, apart from the search that is judged by it.
func price(limits search.Settings, setting engine.Setting, size engine.Size, seconds float64) float64 {
	hour := float64(setting.Total(size))/(1<<30)*limits.PerGiBHour + cmp.Or(size.Cores, 1)*limits.PerCoreHour
	return max(seconds, limits.MinSeconds) / 3600 * hour
}

// givingUp returns what an operator says that a job is worth which a retry at
// this price could save.
func givingUp(limits search.Settings, retry float64) float64 { return retry / (1 - limits.NotFeasible) }

// result is what a policy did with one failure, in US dollars where it says so.
type result struct {
	fixedFirst, never bool
	dollars           float64 // of retries
	least             float64 // that would have done
	regret            float64 // beyond it, with what the job is worth when it was given up
}

// truth is what the record says of a failure for memory: the need, in bytes of
// the part and with the cores of the first attempt, is more than above and at
// most most; they are equal when it was measured.
type truth struct {
	above, most int64
	failing     float64 // seconds that an attempt runs which has too little
	whole       float64 // seconds of one that has enough
}

// try returns whether a size does; known is false when the record does not say.
func (t truth) try(s engine.Setting, size engine.Size) (does, known bool) {
	per := s.Way(size).Need
	has := float64(size.Memory)
	switch {
	case has >= float64(t.most)*per:
		return true, true
	case has <= float64(t.above)*per:
		return false, true
	}
	return false, false
}

// least returns what the least size that would have done costs.
func (t truth) least(s situation) float64 {
	return price(s.limits, s.setting, engine.Size{Memory: max(t.most, s.setting.Memory), Cores: s.setting.Cores}, t.whole)
}

// climb returns what came of a ladder; known is false when the record does not
// say.
func (t truth) climb(s situation, l ladder) (r result, known bool) {
	r.least = t.least(s)
	for i, size := range l {
		does, known := t.try(s.setting, size)
		if !known {
			return result{}, false
		}
		slower := s.setting.Way(size).Time
		if does {
			r.dollars += price(s.limits, s.setting, size, t.whole*slower)
			r.fixedFirst, r.regret = i == 0, r.dollars-r.least
			return r, true
		}
		r.dollars += price(s.limits, s.setting, size, t.failing*slower)
	}
	r.never, r.regret = true, r.dollars+givingUp(s.limits, r.least)
	return r, true
}

// walk returns what came of retrying an unexplained failure as it was, up to
// retry number stop, the first that is not made any more. costs are those of the
// retries on record, saved whether the last of them succeeded.
func walk(limits search.Settings, costs []float64, saved bool, stop int) (r result) {
	all := 0.0
	for i, cost := range costs {
		all += cost
		if i < stop {
			r.dollars += cost
		}
	}
	if !saved {
		r.regret = r.dollars
		return r
	}
	r.least = all
	switch {
	case stop >= len(costs):
		r.fixedFirst = len(costs) == 1
	default:
		r.never, r.regret = true, r.dollars+givingUp(limits, costs[len(costs)-1])
	}
	return r
}
