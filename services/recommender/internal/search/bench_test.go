package search

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// many are inputs with more than 10,000 candidates: 257 amounts of memory, and
// cores, executors, cores of a task and partitions of a shuffle.
func many(tb testing.TB) Inputs {
	tb.Helper()
	p, err := engine.Lookup(engine.Spark)
	if err != nil {
		tb.Fatal(err)
	}
	config := map[string]any{
		"spark.executor.memory": "1g", "spark.executor.cores": 64.0, "spark.executor.instances": 10.0, "spark.sql.shuffle.partitions": 400.0,
	}
	setting, err := p.Setting(config, engine.Cause{Class: failure.MemoryExecutor}, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return Inputs{
		Question: MoreMemory, Setting: setting, Need: need.After(nil, 1<<30).Above(1 << 30), Proven: 1 << 30,
		Permanent: 0.05, Seconds: 600, FailedShare: 1, Settings: Settings{Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9},
		Considered: 10_000,
	}
}

// BenchmarkSearchOf10000 is a whole search. "of-mlp" is its time in parts of what
// a network of 64-128-64-2 neurons takes to score as many candidates.
func BenchmarkSearchOf10000(b *testing.B) {
	in := many(b)
	network, start := newNetwork(), time.Now()
	network.score(in.Considered)
	reference := time.Since(start)
	b.ReportAllocs()
	for b.Loop() {
		if a := Find(b.Context(), in); a.Count != in.Considered {
			b.Fatalf("considered %d", a.Count)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(reference), "of-mlp")
}

// network is a plain multi-layer perceptron.
type network struct {
	layers []layer
	sum    float32
}

type layer struct{ weights, bias, out []float32 }

func newNetwork() *network {
	var n network
	for in, outs := 64, []int{128, 64, 2}; len(outs) > 0; in, outs = outs[0], outs[1:] {
		l := layer{make([]float32, in*outs[0]), make([]float32, outs[0]), make([]float32, outs[0])}
		for i := range l.weights {
			l.weights[i] = float32(rand.NormFloat64() * 0.1)
		}
		n.layers = append(n.layers, l)
	}
	return &n
}

func (n *network) score(candidates int) {
	features := make([]float32, 64)
	for i := range candidates {
		features[0] = float32(i)
		in := features
		for _, l := range n.layers {
			for j := range l.out {
				sum := l.bias[j]
				for k, w := range l.weights[j*len(in) : (j+1)*len(in)] {
					sum += w * in[k]
				}
				l.out[j] = max(sum, 0)
			}
			in = l.out
		}
		n.sum += in[0] + in[1]
	}
}

func TestNothingIsAllocatedForACandidate(t *testing.T) {
	few, all := many(t), many(t)
	few.Considered = 100
	count := func(in Inputs) float64 {
		return testing.AllocsPerRun(10, func() { Find(t.Context(), in) })
	}
	if a, b := count(few), count(all); b > a+64 { // what a way needs
		t.Errorf("%v allocations for 10,000 candidates, %v for 100", b, a)
	}
}

// BenchmarkFirst is the search for the size of a first attempt.
func BenchmarkFirst(b *testing.B) {
	p, err := engine.Lookup(engine.Process)
	if err != nil {
		b.Fatal(err)
	}
	setting, err := p.Setting(map[string]any{"memory_mb": 20480.0, "cores": 8.0}, engine.Cause{Class: failure.MemoryContainer}, 0)
	if err != nil {
		b.Fatal(err)
	}
	in := Inputs{
		Question: MoreMemory, Setting: setting, First: true, Permanent: 0.001, Seconds: 600, FailedShare: 1,
		Settings: Settings{Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MaxMemory: 128 << 30},
	}
	for i := range 200 {
		in.Need = append(in.Need, need.Quantile{Probability: float64(i+1) / 201, Bytes: int64(2+i) << 27})
	}
	b.ReportAllocs()
	for b.Loop() {
		Find(b.Context(), in)
	}
}
