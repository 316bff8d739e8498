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
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return Record{}, err
	}
	ended, _, _ := k.History.Count()
	rec := Record{
		Settings: s, Seconds: r.seconds(k.History), Observations: ended, FailedShare: 1, First: true, Part: setting.Part, Time: k.Now,
		Permanent: 1 - need.Certain,
	}
	seen := k.History.Needs(profile, setting.Part)
	for _, o := range seen {
		rec.Seen = max(rec.Seen, o.Low, o.High)
	}
	rec.Need = need.After(seen, setting.Memory).Above(0)
	return rec, nil
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
