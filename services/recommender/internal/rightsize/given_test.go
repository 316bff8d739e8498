package rightsize

import (
	"slices"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// What may be given is what the whole container leaves the part, whose overhead
// grows with it, on a node that has the cores.
func TestWhatIsProposedIsWhatARetryMightBeGiven(t *testing.T) {
	z := Sizing{Config: config{"spark.executor.memory": "8g", "spark.executor.cores": 4.0}}
	spark := past(engine.Spark, 24, func(_ int, a *history.Attempt) {
		a.Sizes = map[engine.Part]int64{engine.ExecutorHeap: 8 * gib}
		a.Peaks = map[engine.Part]int64{engine.ExecutorHeap: gib}
	})
	nodes := []search.Node{{Memory: 64 * gib, Cores: 2}, {Memory: 20 * gib, Cores: 8}}
	for _, tc := range []struct {
		name    string
		change  func(*Settings)
		most    int64 // MiB
		allowed []int64
	}{
		{"a maximum", func(s *Settings) { s.MaxMemory = 11 * gib }, 10240, nil}, // and a tenth of that beside it
		{"no node but the smaller has the cores", func(s *Settings) { s.Nodes = nodes }, 18619, nil},
		{"by steps", func(s *Settings) { s.Nodes, s.Step = nodes, 512*mib }, 18432, nil},
		{"of totals", func(s *Settings) { s.Nodes, s.Allowed = nodes, []int64{gib / 4, 2 * gib, 11 * gib, 40 * gib} }, 10240, []int64{1664, 10240}},
	} {
		s := settings
		tc.change(&s)
		f, err := Gather(spark, z, z.Config, s, now)
		if err != nil || len(f.Parts) != 1 {
			t.Fatalf("%s: %+v, %v", tc.name, f, err)
		}
		e := f.Parts[0]
		for i := range e.Allowed {
			e.Allowed[i] /= mib
		}
		if e.Most != tc.most*mib || !slices.Equal(e.Allowed, tc.allowed) {
			t.Errorf("%s: at most %d MiB, of %v, want %d of %v", tc.name, e.Most/mib, e.Allowed, tc.most, tc.allowed)
		}
	}
}
