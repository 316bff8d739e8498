package need_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

var prices = need.Prices{Weight: 0.001, PerGiBHour: 0.005, FailedShare: 1}

// stream returns runs of a program: a fixed part, a part that grows with the
// input to some power, and noise.
func stream(r *rand.Rand, n int) []need.Run {
	fixed, slope, power, noise := math.Exp2(20+12*r.Float64()), math.Exp2(4*r.NormFloat64()), 0.5+r.Float64(), r.Float64()/2
	runs := make([]need.Run, n)
	for i := range runs {
		input := math.Exp2(34 * r.Float64())
		runs[i] = need.Run{
			Input: int64(input), Peak: int64((fixed + slope*math.Pow(input, power)) * math.Exp(noise*r.NormFloat64())),
			Seconds: 3600 * r.Float64(),
		}
		if r.IntN(20) == 0 { // measured in its first moment
			runs[i].Peak = 4096
		}
	}
	return runs
}

func learn(runs ...need.Run) *need.Estimator {
	e := need.NewEstimator(prices)
	for _, r := range runs {
		e.Learn(r)
	}
	return e
}

// sound checks what every forecast promises.
func sound(t *testing.T, f need.Forecast, proven int64) {
	t.Helper()
	q := f.Need
	if len(q) == 0 || len(q) > 200 {
		t.Fatalf("a forecast of %d points, want 1 to 200", len(q))
	}
	for i, p := range q {
		if !(p.Probability >= 0 && p.Probability < 1) || p.Bytes <= 0 || i > 0 && (p.Bytes < q[i-1].Bytes || p.Probability <= q[i-1].Probability) {
			t.Fatalf("point %d of %v", i, q)
		}
	}
	if last := q[len(q)-1]; last.Probability != need.Certain {
		t.Fatalf("the last point is %+v, want probability %v", last, need.Certain)
	}
	if proven > 0 && q.Exceeds(float64(proven)) != need.Certain {
		t.Fatalf("P(need > proven) = %v, want %v; %v", q.Exceeds(float64(proven)), need.Certain, q)
	}
	last := 1.0
	for bytes := 1.0; bytes < math.Exp2(60); bytes *= 1.01 {
		p := q.Exceeds(bytes)
		if p > last || p <= 0 || p >= 1 || math.IsNaN(p) {
			t.Fatalf("P(need > %g) = %v after %v at a little less: %v", bytes, p, last, q)
		}
		last = p
	}
	if !(f.Beyond >= 0 && f.Beyond <= 1) || !(f.Seconds >= 0) || math.IsInf(f.Seconds, 0) || f.Reach < 0 {
		t.Fatalf("forecast = %+v", f)
	}
}

func TestForecastsAreSound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		e := learn()
		for i, run := range stream(r, 1+r.IntN(500)) {
			e.Learn(run)
			if i%37 != 0 {
				continue
			}
			input, proven := int64(math.Exp2(40*r.Float64())), int64(math.Exp2(44*r.Float64()))
			sound(t, e.First(input), 0)
			sound(t, e.After(input, proven, 2*proven, nil), proven)
		}
	}
}

func TestTheSameRunsGiveTheSameForecasts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	runs := stream(r, 900)
	a, b := learn(runs[:450]...), learn(runs[:450]...)
	clone := a.Clone()
	for _, run := range runs[450:] {
		b.Learn(run)
	}
	same := func(x, y *need.Estimator) bool {
		return reflect.DeepEqual(x.First(1<<30), y.First(1<<30)) && reflect.DeepEqual(x.After(1<<30, gib, 8*gib, nil), y.After(1<<30, gib, 8*gib, nil))
	}
	if !same(a, clone) {
		t.Error("a clone forecasts otherwise")
	}
	for _, run := range runs[450:] {
		clone.Learn(run)
	}
	if !same(clone, b) {
		t.Error("a clone that learnt the same forecasts otherwise")
	}
	if !same(a, learn(runs[:450]...)) {
		t.Error("what a clone learnt changed the original")
	}
	if b.Runs() != 900 || a.Runs() != 450 {
		t.Errorf("runs = %d and %d, want 900 and 450", b.Runs(), a.Runs())
	}
}

func TestNothingLearntIsNothingForecast(t *testing.T) {
	e := learn(need.Run{Input: 5}, need.Run{Peak: -1})
	if f := e.First(1); e.Runs() != 0 || len(f.Need) != 0 {
		t.Errorf("First = %+v after %d runs", f, e.Runs())
	}
	f := e.After(1, gib, 4*gib, nil)
	sound(t, f, gib)
	near(t, "P(need > 2 GiB)", f.Need.Exceeds(2*gib), 0.5, 0.01)
	near(t, "P(need > 8 GiB)", f.Need.Exceeds(8*gib), 0.125, 0.01)
}

// chance returns P(need ≤ bytes) of a forecast.
func chance(f need.Forecast, bytes float64) float64 { return 1 - f.Need.Exceeds(bytes) }

func TestAPeakThatGrowsWithItsInputIsForetold(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	e := learn()
	peak := func(input float64) float64 { return 200*mib + 3*input }
	for range 100 {
		input := gib * r.Float64()
		e.Learn(need.Run{Input: int64(input), Peak: int64(peak(input) * (1 + 0.02*r.Float64())), Seconds: 60})
	}
	for _, input := range []float64{0.1 * gib, 0.5 * gib, gib, 10 * gib} { // ten times what it saw
		f := e.First(int64(input))
		if low, high := chance(f, 0.97*peak(input)), chance(f, 1.05*peak(input)); low > 0.2 || high < 0.9 {
			t.Errorf("input %.1f GiB by %s: P(need ≤ 0.97 of it) = %.2f, P(need ≤ 1.05 of it) = %.2f", input/gib, f.Predictor, low, high)
		}
	}
}

func TestAfterAFailureTheNeedIsWhereThePredictionsAre(t *testing.T) {
	e := learn()
	for _, i := range rand.New(rand.NewPCG(11, 12)).Perm(50) {
		e.Learn(need.Run{Input: int64(i) * gib, Peak: int64(i+1) * 100 * mib, Seconds: 60})
	}
	f := e.After(40*gib, 1000*mib, 128*gib, nil)
	if low, high := chance(f, 4000*mib), chance(f, 4300*mib); low > 0.2 || high < 0.85 {
		t.Errorf("P(need ≤ 4000 MiB) = %.2f, P(need ≤ 4300 MiB) = %.2f, want most between", low, high)
	}
	if f.Reach < 5000*mib || f.Reach > 9000*mib {
		t.Errorf("reach = %d MiB, want between the largest peak and twice the prediction", f.Reach/mib)
	}
}

func TestANeedBeyondAllThatWasSeenIsLeftToThePrior(t *testing.T) {
	e := learn()
	for range 30 {
		e.Learn(need.Run{Input: gib, Peak: 100 * mib, Seconds: 60})
	}
	f := e.After(gib, 8*gib, 128*gib, nil)
	near(t, "P(need > 16 GiB)", f.Need.Exceeds(16*gib), 0.5, 0.1)
	if f.Beyond > 0.5 {
		t.Errorf("beyond = %.2f with no run that needed as much, want at most 0.5", f.Beyond)
	}
}

// The next of n exchangeable runs lies above the largest of them with
// probability 1/(n+1), and above any point with what the point says.
func TestForecastsAreCalibrated(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	above, n := map[float64]int{0.5: 0, 0.9: 0, 0.97: 0}, 0
	for range 30 {
		e := learn()
		for i := range 150 {
			input := math.Exp2(20 + 10*r.Float64())
			run := need.Run{Input: int64(input), Peak: int64(64*mib*math.Exp(0.3*r.NormFloat64()) + 2*input), Seconds: 60}
			if i >= 20 {
				n++
				p := e.First(run.Input).Need.Exceeds(float64(run.Peak) - 1) // of as much or more
				for level := range above {
					if p <= 1-level {
						above[level]++
					}
				}
			}
			e.Learn(run)
		}
	}
	for level, count := range above {
		if got := float64(count) / float64(n); math.Abs(got-(1-level)) > 0.05 {
			t.Errorf("%.3f of the runs lay above the point of %.2f, want %.2f ± 0.05", got, level, 1-level)
		}
	}
}

func TestAJobTypeThatChangesIsFollowed(t *testing.T) {
	e := learn()
	for range 1000 {
		e.Learn(need.Run{Input: gib, Peak: 8 * gib, Seconds: 60})
	}
	for range need.MaxRuns {
		e.Learn(need.Run{Input: gib, Peak: 1 * gib, Seconds: 60})
	}
	if p := e.First(gib).Need.Exceeds(2 * gib); p > 0.05 {
		t.Errorf("P(need > 2 GiB) = %.3f after %d runs with 1 GiB, want at most 0.05", p, need.MaxRuns)
	}
}

func TestACeilingAtWhichSmallerInputsFailedIsTooLow(t *testing.T) {
	for _, tc := range []struct {
		name   string
		failed []int64 // inputs of runs that failed at the ceiling
		enough []int64 // inputs of runs for which it sufficed
		want   bool    // of an input of 10
	}{
		{"one failure is no proof", []int64{5}, nil, false},
		{"two are", []int64{5, 7}, nil, true},
		{"larger ones say nothing", []int64{50, 70}, nil, false},
		{"one that passed speaks against", []int64{5, 7}, []int64{8}, false},
		{"a smaller one that passed does not", []int64{5, 7}, []int64{1}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := learn()
			var others []need.Short
			for _, input := range tc.failed {
				others = append(others, need.Short{Input: input, Bytes: 16 * gib})
			}
			for _, input := range tc.enough {
				e.Learn(need.Run{Input: input, Peak: 2 * gib, Seconds: 60})
			}
			if f := e.After(10, gib, 16*gib, others); f.Beyond > 0.9 != tc.want {
				t.Errorf("beyond = %.2f, want more than 0.9: %v", f.Beyond, tc.want)
			}
			if f := e.After(10, gib, 32*gib, others); f.Beyond > 0.9 {
				t.Errorf("beyond = %.2f of a ceiling at which nothing failed", f.Beyond)
			}
		})
	}
}

func TestBeyondIsCounted(t *testing.T) {
	for n, want := range map[int]bool{1: false, 5: true} {
		e := learn()
		for range n {
			e.Learn(need.Run{Input: gib, Peak: 20 * gib, Seconds: 60})
		}
		if f := e.After(gib, 4*gib, 16*gib, nil); f.Beyond > 0.9 != want {
			t.Errorf("beyond = %.2f after %d runs that needed more, want more than 0.9: %v", f.Beyond, n, want)
		}
	}
}

func TestACeilingHardlyAboveWhatFailedIsHopeless(t *testing.T) {
	e := learn()
	for range 20 {
		e.Learn(need.Run{Input: gib, Peak: 2 * gib, Seconds: 60})
	}
	if f := e.After(gib, 15*gib, 16*gib, nil); f.Beyond < 0.9 {
		t.Errorf("beyond = %.2f with 16 GiB after 15 failed, want at least 0.9", f.Beyond)
	}
	if f := e.After(gib, 8*gib, 16*gib, nil); f.Beyond > 0.7 {
		t.Errorf("beyond = %.2f with 16 GiB after 8 failed, want at most 0.7", f.Beyond)
	}
}

func TestAFirstRunIsSizedByWhatOthersUsed(t *testing.T) {
	q := need.FirstRun([]float64{0.1, 0.2, 0.2, 3, 0}, 10*gib)
	for bytes, want := range map[float64]float64{0.5 * gib: need.Certain, 1 * gib: 0.8, 2 * gib: 0.4, 9.9 * gib: 0.4, 10 * gib: 1 - need.Certain} {
		near(t, "P(need > bytes)", q.Exceeds(bytes), want, 1e-9)
	}
	if q := need.FirstRun(nil, gib); len(q) != 1 || q[0].Bytes != gib {
		t.Errorf("without others = %v, want the request", q)
	}
	if q := need.FirstRun([]float64{1}, 0); len(q) != 0 {
		t.Errorf("without a request = %v", q)
	}
}

func FuzzEstimator(f *testing.F) {
	f.Add(int64(1<<30), int64(1<<31), 60.0, int64(math.MaxInt64), int64(1), 3)
	f.Add(int64(-5), int64(1), math.NaN(), int64(0), int64(math.MaxInt64), 20)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), math.Inf(1), int64(-1), int64(-1), 50)
	f.Fuzz(func(t *testing.T, input, peak int64, seconds float64, other, proven int64, n int) {
		e := learn()
		for i := range min(max(n, 0), 50) {
			e.Learn(need.Run{Input: input >> (i % 7), Peak: max(peak>>(i%5), 1), Seconds: seconds})
			e.Learn(need.Run{Input: other, Peak: max(proven>>(i%3), 1), Seconds: 1})
		}
		if e.Runs() > 0 {
			sound(t, e.First(other), 0)
			sound(t, e.First(input), 0)
		}
		proven = min(max(proven, 0), math.MaxInt64/4)
		sound(t, e.After(other, proven, peak, nil), proven)
	})
}

func BenchmarkEstimator(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	runs := stream(r, need.MaxRuns)
	b.Run("learn", func(b *testing.B) {
		e := learn(runs...)
		for i := 0; b.Loop(); i++ {
			e.Learn(runs[i%len(runs)])
		}
	})
	e := learn(runs...)
	b.Run("first", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			e.First(runs[i%len(runs)].Input)
		}
	})
	b.Run("after", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			e.After(runs[i%len(runs)].Input, gib/4, 128*gib, nil)
		}
	})
}
