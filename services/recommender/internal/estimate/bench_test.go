package estimate_test

import (
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
)

func BenchmarkOf(b *testing.B) {
	all := successes(2000)
	h := learn(all)
	b.Run("as before", func(b *testing.B) {
		e := estimate.New()
		for b.Loop() {
			e.Of(h, prices)
		}
	})
	b.Run("one more", func(b *testing.B) {
		e, h, i := estimate.New(), h, 0
		more := successes(100_000)
		for b.Loop() {
			b.StopTimer()
			h, i = h.Learn(more[2000+i]), i+1
			b.StartTimer()
			e.Of(h, prices)
		}
	})
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			estimate.New().Of(h, prices)
		}
	})
}
