package drift

import (
	"context"
	"sync"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// Records are the training records.
type Records interface {
	// Newest returns the n records that were told last, newest first.
	Newest(ctx context.Context, n int) ([]record.Record, error)
}

// Serving returns the model that serves and what its audit measured.
type Serving func(ctx context.Context) (model.Model, Judged, error)

// keepFor is how long what was found is told again: reading Looked records takes
// some milliseconds, and nothing moves within a minute.
const keepFor = time.Minute

// Watch looks at the newest records when somebody asks, at most once in a
// minute. Its methods may be called concurrently.
type Watch struct {
	records Records
	serving Serving

	mu    sync.Mutex
	found Drift
}

// NewWatch returns a watch.
func NewWatch(r Records, s Serving) *Watch { return &Watch{records: r, serving: s} }

// Look returns how far what is asked, and what comes of it, is from what the
// serving model was trained and judged on. Who comes while another looks waits
// for it.
func (w *Watch) Look(ctx context.Context, now time.Time) (Drift, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, judged, err := w.serving(ctx)
	if err != nil {
		return Drift{}, err
	}
	if w.found.Model == m.Name && !w.found.Time.IsZero() && now.Sub(w.found.Time) < keepFor {
		return w.found, nil
	}
	newest, err := w.records.Newest(ctx, Looked)
	if err != nil {
		return Drift{}, err
	}
	w.found = Compare(m, judged, newest, now)
	return w.found, nil
}
