package wire_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// BenchmarkHistory is what it costs to write a history, the larger part of what
// an event costs: with the newest attempts alone, and with the runs before them.
func BenchmarkHistory(b *testing.B) {
	r := rand.New(rand.NewPCG(15, 16))
	h := history.History{Type: failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}}
	for i := range 600 {
		a := attempt(r, i, time.Unix(int64(i)*60, 0))
		a.Outcome, a.Shape, a.Peaks, a.Sizes = history.Succeeded, failure.Shape{}, nil, map[engine.Part]int64{engine.Tree: 1 << 33}
		h = h.Learn(a)
	}
	young := h
	young.Past = history.Past{}
	for name, h := range map[string]history.History{"attempts": young, "attempts and runs": h} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var text []byte
			for b.Loop() {
				text, _ = proto.MarshalOptions{Deterministic: true}.Marshal(wire.History(h))
			}
			b.ReportMetric(float64(len(text)), "bytes")
		})
	}
}
