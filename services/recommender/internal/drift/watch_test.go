package drift_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// shelf has records and counts how often somebody reads them.
type shelf struct {
	all  []record.Record
	err  error
	read int
}

func (s *shelf) Newest(_ context.Context, n int) ([]record.Record, error) {
	s.read++
	return s.all[:min(n, len(s.all))], s.err
}

func TestAWatchLooksOnceAMinuteAndAgainForAnotherModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := &shelf{all: decisions(random, 2*drift.Looked, 1, 0.2, 0.2)}
	serving := model.Builtin()
	w := drift.NewWatch(s, func(context.Context) (model.Model, drift.Judged, error) {
		return serving, drift.Judged{Brier: 0.3}, nil
	})
	look := func(after time.Duration, want int) {
		t.Helper()
		d, err := w.Look(t.Context(), now.Add(after))
		if err != nil || s.read != want || d.Decisions != drift.Looked/2 || d.AuditBrier != 0.3 || d.Model != serving.Name {
			t.Errorf("after %v: %d of %q, %v, read %d times, want %d", after, d.Decisions, d.Model, err, s.read, want)
		}
	}
	look(0, 1)
	look(59*time.Second, 1)
	look(60*time.Second, 2)
	serving = model.New("other", model.Content{Version: model.Version})
	look(61*time.Second, 3)
}

func TestAWatchTellsWhatItCannotRead(t *testing.T) {
	broken := errors.New("broken")
	fine := func(context.Context) (model.Model, drift.Judged, error) { return model.Builtin(), drift.Judged{}, nil }
	if _, err := drift.NewWatch(&shelf{err: broken}, fine).Look(t.Context(), now); !errors.Is(err, broken) {
		t.Errorf("Look = %v", err)
	}
	none := func(context.Context) (model.Model, drift.Judged, error) { return model.Model{}, drift.Judged{}, broken }
	if _, err := drift.NewWatch(&shelf{}, none).Look(t.Context(), now); !errors.Is(err, broken) {
		t.Errorf("Look = %v", err)
	}
}
