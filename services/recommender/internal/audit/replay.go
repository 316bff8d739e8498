package audit

import (
	"context"
	"hash/fnv"
	"reflect"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/calibration"
	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/offpolicy"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/sample"
)

// mostOpen bounds the jobs of one type that are between a failure and what
// becomes of it. Beyond, the oldest is taken for ended.
const mostOpen = 256

// replay plays records again, one job type after the other.
type replay struct {
	models   [2]adviser
	same     bool // the two models know the same
	settings Settings
	since    time.Time
	share    float64 // of the failures that are played

	kind    failure.Type
	history history.History
	open    []*episode // by the time of their last failure

	scores    [policies]Score
	against   [policies]sample.Mean // regret of the model less that of each other
	least     sample.Mean           // that would have done
	leftOut   int64
	tallies   [2]calibration.Tally
	further   sample.Mean // squared error of the model less that of the incumbent
	offPolicy offpolicy.Tally
	slope     slope
}

func newReplay(candidate, incumbent model.Model, settings Settings, since time.Time, share float64) *replay {
	r := &replay{
		settings: settings, since: since, share: share,
		same: reflect.DeepEqual(candidate.Content, incumbent.Content),
	}
	for i := range r.scores {
		r.scores[i].Policy = names[i]
	}
	r.models = [2]adviser{{model: candidate, settings: settings}, {model: incumbent, settings: settings}}
	r.slope.calibrated(candidate)
	return r
}

func (r *replay) play(ctx context.Context, records Records) error {
	for x, err := range records {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.Type != r.kind {
			r.turn(x.Type)
		}
		if err := r.learn(ctx, x); err != nil {
			return err
		}
	}
	r.turn(failure.Type{})
	return nil
}

// turn ends a job type and begins the next.
func (r *replay) turn(next failure.Type) {
	for _, e := range r.open {
		r.end(e, nil)
	}
	for i := range r.against {
		r.against[i].Close()
	}
	r.least.Close()
	r.further.Close()
	r.offPolicy.Close()
	r.open, r.kind, r.history = nil, next, history.History{Type: next}
	// What estimators have learnt depends on no more of a model than this.
	one, other := &r.models[theModel], &r.models[theIncumbent]
	one.estimators, other.estimators = estimate.New(), estimate.New()
	if one.model.FailedShare() == other.model.FailedShare() {
		other.estimators = one.estimators
	}
}

// learn takes in one record: as the end of what came before it, as a failure to
// be asked about, and into the history.
func (r *replay) learn(ctx context.Context, x record.Record) error {
	i := slices.IndexFunc(r.open, func(e *episode) bool { return x.Previous != "" && e.last.ID == x.Previous })
	same := 1
	var e *episode
	if i >= 0 {
		e = r.open[i]
		r.open = slices.Delete(r.open, i, i+1)
		same += e.same(x.Fingerprint)
	}
	if e != nil || r.judged(x) {
		if err := r.follow(ctx, e, x, same); err != nil {
			return err
		}
	}
	r.history = r.history.Learn(x.Attempt)
	return nil
}

// judged reports whether a record begins an episode that is played.
func (r *replay) judged(x record.Record) bool {
	if x.Outcome != history.Failed || told(x).Before(r.since) {
		return false
	}
	sum := fnv.New32a()
	sum.Write([]byte(x.ID))
	return float64(sum.Sum32())/(1<<32) < r.share
}

// follow takes a record into an episode, a new one when there is none.
func (r *replay) follow(ctx context.Context, e *episode, x record.Record, same int) error {
	s, ok := see(x, same, r.history, r.settings)
	if !ok {
		return nil
	}
	if e == nil {
		e, err := begin(ctx, s, r.models, r.same)
		if err != nil {
			return err
		}
		r.keep(e)
		return r.slope.look(e.opinions[theModel])
	}
	if err := r.predicted(e, s); err != nil {
		return err
	}
	if err := e.retried(s); err != nil {
		return err
	}
	if x.Outcome == history.Succeeded {
		r.end(e, &x)
		return nil
	}
	if len(e.costs) == mostAttempts {
		r.end(e, nil)
		return nil
	}
	if err := e.failed(ctx, s, r.models, r.same); err != nil {
		return err
	}
	r.keep(e)
	return nil
}

// keep keeps an episode open.
func (r *replay) keep(e *episode) {
	if e.question == nothing && len(e.decisions) == 0 {
		return
	}
	if len(r.open) == mostOpen {
		r.end(r.open[0], nil)
		r.open = slices.Delete(r.open, 0, 1)
	}
	r.open = append(r.open, e)
}

// predicted books what the models said of a retry that was made, and what came.
// A retry that failed of something else says nothing.
func (r *replay) predicted(e *episode, s situation) error {
	again, told := s.record.Again(e.last)
	if !told {
		return nil
	}
	came := 0.0
	if again {
		came = 1
	}
	var squared [2]float64
	for i := range r.tallies {
		c, err := e.opinions[i].predict(s.request.Config)
		if err != nil {
			return err
		}
		r.tallies[i].Add(c.FailProbability, again)
		squared[i] = (c.FailProbability - came) * (c.FailProbability - came)
	}
	r.further.Add(squared[theModel] - squared[theIncumbent])
	return nil
}

// end books what the policies did with an episode.
func (r *replay) end(e *episode, success *record.Record) {
	for _, d := range e.closed() {
		r.offPolicy.Add(d)
	}
	if e.question == nothing {
		return
	}
	all, ok := e.resolve(success)
	if !ok {
		r.leftOut++
		return
	}
	for i, x := range all {
		score := &r.scores[i]
		score.Failures++
		score.Dollars += x.dollars
		score.Regret += x.regret
		if x.fixedFirst {
			score.FixedFirst++
		}
		if x.never {
			score.Never++
		}
		r.against[i].Add(all[theModel].regret - x.regret)
	}
	r.least.Add(all[theModel].least)
}

// report returns what was measured.
func (r *replay) report() Report {
	t := &r.tallies[theModel]
	return Report{
		Reliability: t.Table(), Brier: t.Brier(), CalibrationError: t.Error(), Violations: r.slope.rose, Compared: r.slope.compared,
		Replay: r.scores[:], LeftOut: r.leftOut, OffPolicy: r.offPolicy.Estimate(),
	}
}
