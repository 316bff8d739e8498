package curve_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/curve"
)

const gib = 1 << 30

// runs are n runs of a workload on clusters of all sizes, off by up to noise.
func runs(r *rand.Rand, of curve.Terms, n int, noise float64) (all []curve.Run) {
	for range n {
		cores, memory := float64(int(4)<<r.IntN(6)), float64(int64(8*gib)<<r.IntN(6))
		all = append(all, curve.Run{Cores: cores, Memory: memory, Seconds: of.Seconds(cores, memory) * math.Exp(noise*(2*r.Float64()-1))})
	}
	return all
}

func TestTermsAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, want := range []curve.Terms{{100, 400}, {20, 300, 150}, {50, 100, 0, 200}} {
		got := curve.Fit(runs(r, want, 60, 0.02), curve.Prior)
		for _, cores := range []float64{8, 32, 96} {
			for _, memory := range []float64{16 * gib, 256 * gib} {
				if a, b := got.Seconds(cores, memory), want.Seconds(cores, memory); math.Abs(a/b-1) > 0.05 {
					t.Errorf("%v: %v cores, %v bytes take %v s, want %v", want, cores, memory, a, b)
				}
			}
		}
	}
}

func TestMoreNeverTakesLonger(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var noise []curve.Run
		for range r.IntN(30) {
			noise = append(noise, curve.Run{Cores: math.Exp(6 * r.Float64()), Memory: gib * math.Exp(8*r.Float64()), Seconds: math.Exp(9 * r.Float64())})
		}
		got := curve.Fit(noise, curve.Prior)
		for _, term := range got {
			if !(term >= 0) || math.IsInf(term, 0) {
				t.Fatalf("terms %v of %v", got, noise)
			}
		}
		cores, memory := math.Exp(6*r.Float64()), gib*math.Exp(8*r.Float64())
		more := 1 + 3*r.Float64()
		if s := got.Seconds(cores, memory); got.Seconds(cores*more, memory) > s || got.Seconds(cores, memory*more) > s {
			t.Fatalf("%v: more takes longer", got)
		}
	}
}

func TestAWorkloadOfFewRunsHasTheShapeOfTheOthers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	serial := curve.Terms{900, 100}
	several := [][]curve.Run{runs(r, serial, 40, 0), runs(r, serial, 40, 0), runs(r, serial, 40, 0), {{Cores: 32, Memory: 128 * gib, Seconds: 100}}}
	got := curve.FitAll(several, curve.Prior)[3]
	// By the prior alone a fourth of the cores would take 3.4 times as long.
	if ratio := got.Seconds(8, 128*gib) / got.Seconds(32, 128*gib); ratio > 2.5 {
		t.Errorf("a fourth of the cores takes %v times as long, want less than 2.5", ratio)
	}
}

func TestWhatSaysNothingIsLeftOut(t *testing.T) {
	bad := []curve.Run{{}, {Cores: 4, Memory: gib}, {Cores: 4, Seconds: 1}, {Cores: math.Inf(1), Memory: gib, Seconds: 1}}
	if _, ok := curve.Shape(bad); ok {
		t.Error("runs without a cluster or a time have a shape")
	}
	if got := curve.Fit(bad, curve.Prior); got != curve.Prior {
		t.Errorf("Fit = %v, want the prior", got)
	}
	shape, ok := curve.Shape(append(bad, curve.Run{Cores: 16, Memory: 64 * gib, Seconds: 10}))
	if sum := shape[0] + shape[1] + shape[2] + shape[3]; !ok || math.Abs(sum-1) > 1e-9 {
		t.Errorf("Shape = %v, %v, want parts of a whole", shape, ok)
	}
}
