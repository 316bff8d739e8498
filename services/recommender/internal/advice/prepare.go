package advice

import (
	"cmp"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Prepare gathers what a search is to see. The request must be valid.
func Prepare(r Request, k Knowledge, s search.Settings) (Record, error) {
	// The failed attempt is known from the request. Whether its own event has
	// been heard already must make no difference.
	k.History = k.History.Without(r.FailureID)
	if len(r.Shapes) > 0 {
		return r.prepareClusters(k, s), nil
	}
	setting, question, err := r.question()
	if err != nil {
		return Record{}, err
	}
	rec := k.record(r, s)
	rec.Permanent = r.permanent(k, question)
	rec.Observations = max(rec.Observations, r.SameFailures-1) + 1
	if s.Exploration > 0 {
		rec.Dice = dice(r.FailureID)
	}
	predictor := ""
	if question == search.MoreMemory {
		if predictor, err = rec.need(r, k, setting); err != nil {
			return Record{}, err
		}
	}
	rec.Features = k.known(r, rec, predictor)
	return rec, nil
}

// need sets what is known of the need of the part that ran out, and returns
// what predicted it.
func (rec *Record) need(r Request, k Knowledge, setting engine.Setting) (predictor string, err error) {
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return "", err
	}
	rec.Part, rec.Proven = setting.Part, r.proven(setting)
	rec.Seen = k.seen(profile, setting.Part)
	if k.Estimator == nil || setting.Part != k.History.Measured() {
		rec.Need = need.After(k.History.Needs(profile, setting.Part), rec.Proven).Above(rec.Proven)
		return "", nil
	}
	covered, err := r.covered(setting, rec)
	if err != nil {
		return "", err
	}
	f := k.Estimator.After(r.Evidence.InputBytes, rec.Proven, covered, k.History.Short(profile, setting.Part))
	rec.Need, rec.Reach, rec.Beyond = f.Need, f.Reach, f.Beyond
	rec.Seconds = max(f.Seconds, r.Evidence.Duration.Seconds(), 1)
	return f.Predictor, nil
}

// record begins a record with what does not depend on what is asked.
func (k Knowledge) record(r Request, s search.Settings) Record {
	ended, _, _ := k.History.Count()
	var corrected model.Calibration
	if c := k.Model.Calibration(); len(c) > 0 {
		corrected = c
	}
	return Record{
		Settings: s, Seconds: r.seconds(k.History), Observations: ended, FailedShare: min(k.Model.FailedShare(), 1), Time: k.Now,
		Model: cmp.Or(k.Model.Name, model.BuiltinName), Calibration: corrected,
	}
}

// seen returns the most bytes of a part that an attempt was seen to need or was
// given.
func (k Knowledge) seen(p engine.Profile, part engine.Part) (most int64) {
	for _, o := range k.History.Needs(p, part) {
		most = max(most, o.Low, o.High)
	}
	return most
}

// covered returns the largest need of the part, in bytes, that a retry could be
// given what it takes: by what the settings allow, and by the job's own
// configuration where that has not failed yet.
func (r Request) covered(of engine.Setting, rec *Record) (int64, error) {
	_, own, err := r.bounds(of, *rec)
	in := search.Inputs{Setting: of, Settings: rec.Settings, Most: own}
	return in.Covered(), err
}

// proven returns the bytes of the part that are known not to suffice: what it
// had, or what was measured beyond it.
func (r Request) proven(s engine.Setting) int64 {
	if s.Part != engine.Tree {
		return s.Memory
	}
	had := cmp.Or(engine.InForce(r.Evidence.LimitBytes), s.Memory)
	if r.Evidence.PeakBytes != nil {
		had = max(had, *r.Evidence.PeakBytes)
	}
	return had
}

// defaultSeconds is the run time of an attempt of which nothing is known.
const defaultSeconds = 60

// seconds returns the expected run time: the mean of the successes, and not
// less than what this attempt took to fail: what is killed for its memory is
// heavier than the rest.
func (r Request) seconds(h history.History) float64 {
	return cmp.Or(max(h.Seconds(), r.Evidence.Duration.Seconds()), defaultSeconds)
}
