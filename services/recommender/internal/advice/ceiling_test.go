package advice_test

import (
	"fmt"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// apart returns what is known after runs of which most needed 1 GiB and a quarter 8.
func apart(of engine.Part) advice.Knowledge {
	k := advice.Knowledge{
		History:   history.History{Type: unexplained(1).Type},
		Estimator: need.NewEstimator(need.Prices{Weight: settings.Weight, PerGiBHour: settings.PerGiBHour, FailedShare: 1}),
	}
	if of == engine.Python {
		k.History.Type.Engine = engine.Spark
	}
	for i := range 40 {
		a := history.Attempt{ID: fmt.Sprint("r", i), Outcome: history.Succeeded, Seconds: 60}
		peak := int64(gib)
		if i%4 == 3 {
			peak = 8 * gib
		}
		if a.Peak = peak; of == engine.Python {
			a.Peak, a.Peaks = 0, map[engine.Part]int64{of: peak}
		}
		k.Estimator.Learn(need.Run{Peak: peak, Seconds: 60})
		k.History = k.History.Learn(a)
	}
	return k
}

func TestHopelessIsWhatMayNotBeGiven(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config config // of an attempt that failed with 3 GiB; runs that need more need 8
		change func(*search.Settings)
		want   search.Outcome
	}{
		{"nothing but a ceiling far above", nil, func(*search.Settings) {}, search.Change},
		{"a ceiling below", nil, func(s *search.Settings) { s.MaxMemory = 7 * gib }, search.NotFeasible},
		{"the next step is above the ceiling", nil, func(s *search.Settings) { s.MaxMemory, s.Step = 9*gib, 6*gib }, search.NotFeasible},
		{"a step is within it", nil, func(s *search.Settings) { s.MaxMemory, s.Step = 9*gib, 3*gib }, search.Change},
		{"a total that is enough is above the ceiling", nil, func(s *search.Settings) {
			s.MaxMemory, s.Allowed = 10*gib, []int64{gib, 4 * gib, 16 * gib}
		}, search.NotFeasible},
		{"a total is enough", nil, func(s *search.Settings) {
			s.MaxMemory, s.Allowed = 10*gib, []int64{gib, 4 * gib, 9 * gib, 16 * gib}
		}, search.Change},
		{"the larger node lacks the cores", config{"memory_mb": 3072.0, "cores": 4.0}, func(s *search.Settings) {
			s.Nodes = []search.Node{{Memory: 32 * gib, Cores: 2}, {Memory: 4 * gib, Cores: 16}}
		}, search.NotFeasible},
		{"the larger node has them", config{"memory_mb": 3072.0, "cores": 2.0}, func(s *search.Settings) {
			s.Nodes = []search.Node{{Memory: 32 * gib, Cores: 2}, {Memory: 4 * gib, Cores: 16}}
		}, search.Change},
		{"fewer cores need less than the ceiling", config{
			"spark.executor.memory": "1g", "spark.executor.pyspark.memory": "3g", "spark.executor.cores": 4.0,
		}, func(s *search.Settings) { s.MaxMemory = 7 * gib }, search.Change},
		{"and one core alone does not", config{
			"spark.executor.memory": "1g", "spark.executor.pyspark.memory": "3g", "spark.executor.cores": 1.0,
		}, func(s *search.Settings) { s.MaxMemory = 7 * gib }, search.NotFeasible},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, part := unexplained(1), engine.Tree
			r.Class, r.Config = failure.MemoryContainer, config{"memory_mb": 3072.0}
			if tc.config != nil {
				r.Config = tc.config
			}
			if _, ok := r.Config["spark.executor.memory"]; ok {
				r.Class, r.Type.Engine, part = failure.MemoryPython, engine.Spark, engine.Python
			}
			s := settings
			tc.change(&s)
			rec, err := advice.Prepare(r, apart(part), s)
			if err != nil {
				t.Fatal(err)
			}
			a, err := advice.Search(t.Context(), r, rec)
			if err != nil || a.Outcome != tc.want {
				t.Fatalf("%v %+v, %s, beyond %.2f, %v; want %v", a.Outcome, a.Chosen, a.Reason, rec.Beyond, err, tc.want)
			}
		})
	}
}

// What people configured has not failed yet, so there is that to hope for, though
// it be no step of what may be given.
func TestAJobsOwnIsWhatMayBeGiven(t *testing.T) {
	r := unexplained(1)
	r.Class, r.Config, r.AttemptConfig = failure.MemoryContainer, config{"memory_mb": 9000.0}, config{"memory_mb": 3072.0}
	s := settings
	s.Step = 7 * gib
	for _, tc := range []struct {
		ceiling int64
		want    search.Outcome
	}{{10 * gib, search.Change}, {8 * gib, search.NotFeasible}} {
		s.MaxMemory = tc.ceiling
		rec, err := advice.Prepare(r, apart(engine.Tree), s)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advice.Search(t.Context(), r, rec)
		if err != nil || a.Outcome != tc.want || tc.want == search.Change && a.Chosen.Memory != 9000*mib {
			t.Errorf("up to %d bytes: %v %+v, %s, beyond %.2f, %v; want %v", tc.ceiling, a.Outcome, a.Chosen, a.Reason, rec.Beyond, err, tc.want)
		}
	}
}
