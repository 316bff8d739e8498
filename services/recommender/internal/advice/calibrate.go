package advice

import (
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// calibrated returns the inputs with which a search finds the probabilities
// that c makes of those that it would find with in.
//
// A retry fails with 1 − (1 − q)(1 − P(need > m)). So the correction of q is
// taken where it is smaller, which is the least that any retry fails with, and
// the rest is put into the distribution.
func calibrated(in search.Inputs, c model.Calibration) search.Inputs {
	if len(c) == 0 {
		return in
	}
	least := c.At(in.Permanent)
	if in.Question != search.MoreMemory || len(in.Need) == 0 {
		in.Permanent = least
		return in
	}
	least = min(least, in.Permanent)
	points := make(need.Quantiles, len(in.Need))
	for i, q := range in.Need {
		fails := c.At(1 - (1-in.Permanent)*q.Probability)
		points[i] = need.Quantile{Probability: (1 - fails) / (1 - least), Bytes: q.Bytes}
	}
	in.Need, in.Permanent = points, least
	return in
}
