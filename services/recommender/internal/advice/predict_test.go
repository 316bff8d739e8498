package advice_test

import (
	"reflect"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

func TestWhatIsPredictedIsWhatASearchSaysOfThePresent(t *testing.T) {
	killed := unexplained(1)
	killed.Class, killed.Evidence = failure.MemoryContainer, killedAt(512*mib)
	for _, r := range []advice.Request{unexplained(2), killed} {
		answer, rec := ask(t, r, history.History{})
		if got, err := advice.Predict(r, rec); err != nil || !reflect.DeepEqual(got, answer.Current) {
			t.Errorf("Predict = %+v, %v, want %+v", got, err, answer.Current)
		}
		before := answer.Current.FailProbability
		r.AttemptConfig = config{"memory_mb": 4096.0}
		if got, err := advice.Predict(r, rec); err != nil || r.Class.Memory() != (got.FailProbability < before) {
			t.Errorf("%s: with 4 GiB P = %v, %v, before %v", r.Class, got.FailProbability, err, before)
		}
		r.AttemptConfig = config{"memory_mb": "much"}
		if _, err := advice.Predict(r, rec); !errs.Is(err, errs.Invalid) {
			t.Errorf("Predict = %v, want Invalid", err)
		}
	}
}
