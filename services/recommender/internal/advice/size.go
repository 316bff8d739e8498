package advice

import (
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Size gathers what a search for the size of a first attempt is to see. Of the
// request it needs the type, the configuration, the owner and the size of the
// input; it must be valid.
func Size(r Request, k Knowledge, s search.Settings) (Record, error) {
	setting, _, err := r.sized()
	if err != nil {
		return Record{}, err
	}
	rec := k.record(r, s)
	rec.First, rec.Part, rec.Permanent = true, setting.Part, 1-need.Certain
	predictor, err := rec.first(r, k, setting)
	if err != nil {
		return Record{}, err
	}
	rec.Features = k.known(r, rec, predictor)
	return rec, nil
}

// first sets what is known of the need of a first attempt, and returns what
// predicted it.
func (rec *Record) first(r Request, k Knowledge, setting engine.Setting) (predictor string, err error) {
	if setting.Part == engine.NoPart {
		return "", nil
	}
	if k.Estimator != nil && setting.Part == k.History.Measured() {
		f := k.Estimator.First(r.Evidence.InputBytes)
		// A first attempt may have whatever its need is thought to be: too much
		// costs less than a run that fails.
		rec.Need, rec.Reach, rec.Seconds = f.Need, max(f.Reach, f.Need[len(f.Need)-1].Bytes), max(f.Seconds, 1)
		return f.Predictor, nil
	}
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return "", err
	}
	rec.Seen = k.seen(profile, setting.Part)
	if seen := enough(k.History.Needs(profile, setting.Part)); len(seen) > 0 {
		rec.Need = need.After(seen, 0).Above(0)
	} else if setting.Part == k.History.Measured() { // the part that others say their use of
		rec.Need = need.FirstRun(k.Uses, setting.Memory)
	}
	return "", nil
}

// enough returns what was only bounded from above as if all of it had been
// needed: less than what an attempt had or used was not tried.
func enough(seen []need.Observation) []need.Observation {
	for i, o := range seen {
		if o.Low < o.High {
			seen[i] = need.Exactly(o.High)
		}
	}
	return seen
}

// sized returns what a first attempt is sized by: the process tree, the heap
// where nothing but that is bounded, and the heap of Spark's executors.
func (r Request) sized() (engine.Setting, search.Question, error) {
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return engine.Setting{}, 0, err
	}
	for _, class := range []failure.Class{failure.MemoryContainer, failure.MemoryExecutor} {
		if r.Type.Engine == engine.Spark {
			class = failure.MemoryExecutor
		}
		setting, err := profile.Setting(r.attemptConfig(), engine.Cause{Class: class}, 0)
		if err != nil || setting.Memory > 0 {
			return setting, search.MoreMemory, err
		}
	}
	return engine.Setting{}, search.NoSetting, nil
}
