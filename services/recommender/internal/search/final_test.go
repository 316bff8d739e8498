package search_test

import (
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

func TestARetryCloseToTheCeilingGetsAllThereIs(t *testing.T) {
	for _, tc := range []struct {
		name                string
		need, ceiling, want int64 // MiB
	}{
		{"far below", 2000, 8000, 2000},
		{"close below", 2000, 2100, 2100},
		{"at it", 2000, 2000, 2000},
		{"no ceiling", 2000, 0, 2000},
		{"close below where one retry may hardly go", 3900, 4097, 4096},
		{"where one retry may not go", 3900, 4099, 3900},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := killed(t, func(in *search.Inputs) {
				in.Need = need.Quantiles{{Probability: 0, Bytes: in.Proven}, {Probability: need.Certain, Bytes: tc.need * mib}}
				in.Reach, in.FailedShare, in.Settings.MaxMemory = tc.need*mib, 1, tc.ceiling*mib
			})
			if got := search.Find(t.Context(), in); got.Chosen == nil || got.Chosen.Memory != tc.want*mib {
				t.Errorf("chosen = %+v, want %d MiB", got.Chosen, tc.want)
			}
		})
	}
}
