package rightsize

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// BenchmarkLook is one look at a job type with as many runs as are learnt.
func BenchmarkLook(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	h := history.History{Type: etlType}
	for i := range mostRuns + 10 {
		input := int64(r.IntN(1 << 30))
		h = h.Learn(history.Attempt{
			ID: fmt.Sprintf("%024x", i), End: now.Add(time.Duration(i) * time.Minute), Seconds: 100, Outcome: history.Succeeded, Input: input,
			Peak: 200*mib + input/8 + int64(r.IntN(50*mib)), Sizes: map[engine.Part]int64{engine.Tree: 4 << 30},
		})
	}
	z := sizing(nil)
	for b.Loop() {
		f, err := Gather(h, z, z.Config, settings, now)
		if err != nil {
			b.Fatal(err)
		}
		if _, o := z.Look(f, settings, now); o.Propose == nil {
			b.Fatal("no proposal")
		}
	}
}
