package advice_test

import (
	"fmt"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// measured returns what is known after n runs that needed 600 MiB to 6 GiB.
func measured(n int) advice.Knowledge {
	k := advice.Knowledge{History: history.History{Type: unexplained(1).Type}}
	if n > 0 {
		k.Estimator = need.NewEstimator(need.Prices{Weight: settings.Weight, PerGiBHour: settings.PerGiBHour, FailedShare: 1})
	}
	for i := range n {
		peak := int64(600*mib) * int64(1+i%10)
		k.Estimator.Learn(need.Run{Peak: peak, Seconds: 60})
		k.History = k.History.Learn(history.Attempt{ID: fmt.Sprint("r", i), Outcome: history.Succeeded, Peak: peak, Seconds: 60})
	}
	return k
}

func TestAJobsOwnConfigurationIsEnoughUntilItHasFailed(t *testing.T) {
	for _, tc := range []struct {
		name       string
		own, had   int64 // MiB
		runs, same int
		least, top int64 // MiB
	}{
		{"a lowered attempt gets at most its own", 2048, 700, 40, 1, 701, 2048},
		{"two of them exactly that", 2048, 700, 40, 2, 2048, 2048},
		{"and so does one of a type that never ran", 2048, 700, 0, 1, 2048, 2048},
		{"its own that failed is no bound", 700, 700, 40, 1, 2049, 1 << 20},
		{"a raised one is no bound", 512, 700, 40, 1, 2049, 1 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := unexplained(tc.same)
			r.Class, r.Evidence = failure.MemoryContainer, killedAt(tc.had*mib)
			r.Config, r.AttemptConfig = config{"memory_mb": float64(tc.own)}, config{"memory_mb": float64(tc.had)}
			rec, err := advice.Prepare(r, measured(tc.runs), settings)
			if err != nil {
				t.Fatal(err)
			}
			a, err := advice.Search(t.Context(), r, rec)
			if err != nil || a.Chosen == nil {
				t.Fatalf("answer = %+v, %v", a, err)
			}
			if got := a.Chosen.Memory / mib; got < tc.least || got > tc.top {
				t.Errorf("chosen = %d MiB, want %d to %d", got, tc.least, tc.top)
			}
		})
	}
}

func TestAFirstAttemptOfATypeThatWasNeverMeasuredGetsAtMostItsOwn(t *testing.T) {
	r := unexplained(0)
	r.Config = config{"memory_mb": 1000.0}
	for name, k := range map[string]advice.Knowledge{
		"nothing known":          {},
		"others used little":     {Uses: []float64{0.1, 0.1, 0.1}},
		"successes without peak": {History: attempts(20, history.Succeeded)},
	} {
		rec, err := advice.Size(r, k, settings)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advice.Search(t.Context(), r, rec)
		if err != nil || a.Outcome == search.NotFeasible || a.Chosen.Memory > 1000*mib {
			t.Errorf("%s: answer = %+v, %v, want at most 1000 MiB", name, a, err)
		}
	}
}
