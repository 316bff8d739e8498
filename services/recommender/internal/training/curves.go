package training

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// mostRuns is how many runs on clusters of one job type count, the newest.
const mostRuns = 400

// curves returns the mean shape of run times of each engine: of what was told
// before until, one job type at a time. It is worked out anew by every training
// that saw a run on a cluster: a type's shape is not a sum of its runs'.
func curves(ctx context.Context, records Records, until time.Time, shape Shape) ([]model.Curve, error) {
	byEngine := map[string]model.Curve{}
	var kind failure.Type
	var runs []record.Record
	end := func() {
		terms, ok := shape(runs[max(len(runs)-mostRuns, 0):])
		runs = runs[:0]
		if !ok {
			return
		}
		c := byEngine[kind.Engine]
		c.Engine = kind.Engine
		c.Types++
		for i, t := range terms {
			c.Terms[i] += (t - c.Terms[i]) / float64(c.Types)
		}
		byEngine[kind.Engine] = c
	}
	for r, err := range records.OnClusters(ctx) {
		if err != nil {
			return nil, err
		}
		if !r.Told.Before(until) {
			continue
		}
		if r.Type != kind && len(runs) > 0 {
			end()
		}
		kind = r.Type
		if runs = append(runs, r); len(runs) == 2*mostRuns {
			runs = append(runs[:0], runs[mostRuns:]...)
		}
	}
	if len(runs) > 0 {
		end()
	}
	var all []model.Curve
	for _, c := range byEngine {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b model.Curve) int { return cmp.Compare(a.Engine, b.Engine) })
	return all, nil
}
