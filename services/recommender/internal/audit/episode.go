package audit

import (
	"context"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/offpolicy"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// The policies that are compared.
const (
	theModel = iota
	theIncumbent
	doubling
	theVPA
	policies
)

// names of the policies in a report.
var names = [policies]string{"model", string(Incumbent), string(Doubling), string(VPA)}

// mostAttempts bounds the attempts of one episode; what comes later is not
// looked at.
const mostAttempts = 32

// episode is what happens to a job from its first failure until it succeeds.
type episode struct {
	first    situation
	question question
	mixed    bool // later failures asked something else
	last     record.Record
	prints   []string // of the failures

	ladders [policies]ladder // for memory
	tried   []engine.Size    // for memory, by the record: did not do
	costs   []float64        // of the retries on record
	stops   [2]int           // for retry or not: the first retry that each model does not make any more

	opinions  [2]opinion // of the last failure
	decisions []decision
}

// question is what was asked about a failure.
type question int

const (
	nothing     question = iota // that a model could answer in two ways
	moreMemory                  // how much more
	retryOrStop                 // the configuration stays
)

// about returns the question of a failure by the answer to it.
func about(o opinion) question {
	switch {
	case o.memory():
		return moreMemory
	case o.request.Class == failure.Unknown:
		return retryOrStop
	}
	return nothing
}

// decision is what was decided after a failure on record, and what became of it.
type decision struct {
	offpolicy.Decision
	cost float64 // of the retries since, with the weight of those that failed
	made bool    // what followed was what was decided
	stop bool    // no retry was
}

// begin returns the episode that a failure begins.
func begin(ctx context.Context, s situation, models [2]adviser, same bool) (*episode, error) {
	e := &episode{first: s}
	if err := e.failed(ctx, s, models, same); err != nil {
		return nil, err
	}
	e.question = about(e.opinions[theModel])
	if e.question != moreMemory {
		return e, nil
	}
	for i, m := range models {
		if i == theIncumbent && same {
			e.ladders[i] = e.ladders[theModel]
			continue
		}
		l, err := m.climb(ctx, e.opinions[i])
		if err != nil {
			return nil, err
		}
		e.ladders[i] = l
	}
	e.ladders[doubling], e.ladders[theVPA] = double(s), vpa(s)
	return e, nil
}

// failed takes in a failure: the models are asked about it. same says that the
// two answer alike.
func (e *episode) failed(ctx context.Context, s situation, models [2]adviser, same bool) error {
	for i, m := range models {
		if i == theIncumbent && same {
			e.opinions[i] = e.opinions[theModel]
		} else {
			o, err := m.ask(ctx, s)
			if err != nil {
				return err
			}
			e.opinions[i] = o
		}
		if e.stops[i] == len(e.costs) && e.opinions[i].Outcome != search.NotFeasible {
			e.stops[i]++
		}
	}
	if len(e.prints) > 0 && about(e.opinions[theModel]) != e.question {
		e.mixed = true
	}
	e.last = s.record
	e.prints = append(e.prints, s.record.Fingerprint)
	if s.setting.Part == e.first.setting.Part {
		e.tried = append(e.tried, s.setting.Size)
	}
	return e.decide()
}

// same counts the failures with a fingerprint.
func (e *episode) same(print string) int {
	n := 0
	for _, p := range e.prints {
		if p == print {
			n++
		}
	}
	return n
}

// decide books the decision on record after the last failure, where one is.
func (e *episode) decide() error {
	f, o := e.last.Features, e.opinions[theIncumbent]
	if f == nil || e.last.Recommended == "" {
		return nil
	}
	d := decision{Decision: offpolicy.Decision{Propensity: f.Propensity}}
	judged := e.opinions[theModel]
	otherwise, err := expected(o, judged.Answer)
	if err != nil {
		return err
	}
	d.Otherwise, d.Predicted = otherwise, otherwise
	d.Same = chose(judged, e.last)
	d.Supported = judged.Chosen == nil // what a stop costs is known without making it
	if e.last.Recommended == record.NotFeasible {
		// What a stop costs is by definition: nobody sees what it spared.
		stop := givingUp(o.limits, o.Current.ExpectedCost)
		d.Predicted, d.cost, d.made, d.stop = stop, stop, true, true
	}
	e.decisions = append(e.decisions, d)
	return nil
}

// explored is by how much a choice that is tried by chance may be expected to
// cost more than the best one, as in package search.
const explored = 1.1

// alike is how near two amounts of memory are that count as the same choice:
// they cost the same to within it.
const alike = 0.01

// chose reports whether the answer is the decision on record.
func chose(o opinion, r record.Record) bool {
	switch o.Outcome {
	case search.NotFeasible:
		return r.Recommended == record.NotFeasible
	case search.Keep:
		return r.Recommended == record.Keep
	}
	return r.Recommended == record.Change && near(o.Chosen.Memory, r.Features.Chosen) && o.Chosen.Cores == r.Features.Cores
}

func near(a, b int64) bool {
	return float64(max(a, b)-min(a, b)) <= alike*float64(max(a, b))
}

// expected returns what an answer is expected to cost by an opinion, in US
// dollars.
func expected(by opinion, a search.Answer) (float64, error) {
	if a.Chosen == nil {
		return givingUp(by.limits, by.Current.ExpectedCost), nil
	}
	c, err := by.predict(by.setting.Apply(a.Chosen.Size))
	return c.Objective, err
}

// retried takes in the retry that followed the last failure: what it cost, and
// what the incumbent expected of it.
func (e *episode) retried(s situation) error {
	cost := price(s.limits, s.setting, s.setting.Size, s.record.Seconds)
	e.costs = append(e.costs, cost)
	if s.record.Outcome == history.Failed {
		cost += s.limits.Weight
	}
	for i := range e.decisions {
		if d := &e.decisions[i]; d.made && !d.stop {
			d.cost += cost
		}
	}
	last := len(e.decisions) - 1
	if last < 0 || e.last.Recommended == record.NotFeasible || e.last.Features == nil || e.decisions[last].made {
		return nil
	}
	asDecided := e.last.Recommended == record.Keep || near(s.record.Sizes[e.last.Features.Part], e.last.Features.Chosen)
	if !asDecided {
		return nil // a human's, or another patch's: nobody's decision is seen here
	}
	d := &e.decisions[last]
	d.made, d.cost = true, cost
	c, err := e.opinions[theIncumbent].predict(s.request.Config)
	d.Predicted = c.Objective
	if d.Same {
		d.Otherwise = d.Predicted
	}
	d.Supported = d.Supported || d.Propensity < 1 && d.Otherwise <= explored*d.Predicted
	return err
}

// resolve returns what each policy did with the episode; ok is false when the
// record does not say of all of them. success is what ended it, nil when nothing
// did.
func (e *episode) resolve(success *record.Record) (all [policies]result, ok bool) {
	switch {
	case e.mixed:
		return all, false
	case e.question == retryOrStop:
		if len(e.costs) == 0 {
			return all, false
		}
		stops := [policies]int{e.stops[theModel], e.stops[theIncumbent], len(e.costs), len(e.costs)}
		for i, stop := range stops {
			all[i] = walk(e.first.limits, e.costs, success != nil, stop)
		}
		return all, true
	case e.question != moreMemory || success == nil:
		return all, false
	}
	t, ok := e.truth(*success)
	for i, l := range e.ladders {
		if !ok {
			break
		}
		all[i], ok = t.climb(e.first, l)
	}
	return all, ok
}

// truth returns what a success says of the need of the episode's part; ok is
// false when it says nothing.
func (e *episode) truth(success record.Record) (t truth, ok bool) {
	s, part := e.first, e.first.setting.Part
	t = truth{failing: s.record.Seconds, whole: success.Seconds}
	for _, size := range e.tried {
		t.above = max(t.above, int64(float64(size.Memory)/s.setting.Way(size).Need))
	}
	needs := history.History{Type: s.record.Type}.Learn(success.Attempt).Needs(s.profile, part)
	if len(needs) != 1 || needs[0].High <= t.above {
		had := success.Sizes[part]
		t.most = had
		return t, had > t.above
	}
	t.most = needs[0].High
	if needs[0].Low == needs[0].High {
		t.above = t.most
	}
	return t, true
}

// closed returns the decisions of an episode that were seen through.
func (e *episode) closed() []offpolicy.Decision {
	var all []offpolicy.Decision
	for _, d := range e.decisions {
		if d.made {
			d.Cost = d.cost
			all = append(all, d.Decision)
		}
	}
	return all
}
