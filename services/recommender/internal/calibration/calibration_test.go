package calibration_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/calibration"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) < 1e-12) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// By hand: 0.25 four times, of which one comes true (exactly right), and 0.8
// five times, of which two do (0.4 off).
func TestKnownAnswers(t *testing.T) {
	var tally calibration.Tally
	for i := range 4 {
		tally.Add(0.25, i == 0)
	}
	for i := range 5 {
		tally.Add(0.8, i < 2)
	}
	tally.Add(math.NaN(), true)
	tally.Add(1.5, true)
	got := tally.Table()
	if len(got) != 2 || tally.Count() != 9 {
		t.Fatalf("table of %d = %v, want two bins of 9", tally.Count(), got)
	}
	near(t, "predicted", got[0].Predicted, 0.25)
	near(t, "observed", got[0].Observed, 0.25)
	near(t, "count", got[0].Count, 4)
	near(t, "predicted", got[1].Predicted, 0.8)
	near(t, "observed", got[1].Observed, 0.4)
	near(t, "count", got[1].Count, 5)
	near(t, "Brier", tally.Brier(), (0.75*0.75+3*0.25*0.25+2*0.2*0.2+3*0.8*0.8)/9)
	near(t, "error", tally.Error(), 5*0.4/9)
}

func TestNoPredictionsHaveNoError(t *testing.T) {
	var tally calibration.Tally
	if tally.Count() != 0 || tally.Table() != nil || tally.Brier() != 0 || tally.Error() != 0 || tally.Chance() != 1 {
		t.Errorf("of nothing: %d, %v, %v, %v, %v", tally.Count(), tally.Table(), tally.Brier(), tally.Error(), tally.Chance())
	}
}

func TestCertaintiesAreCounted(t *testing.T) {
	var tally calibration.Tally
	tally.Add(0, false)
	tally.Add(1, true)
	want := []calibration.Bin{{Predicted: 0, Observed: 0, Count: 1}, {Predicted: 1, Observed: 1, Count: 1}}
	if got := tally.Table(); !reflect.DeepEqual(got, want) {
		t.Errorf("table = %v, want %v", got, want)
	}
}

// tallied predicts n outcomes that come true as predicted, but for an offset in
// log-odds.
func tallied(random *rand.Rand, n int, offset float64) *calibration.Tally {
	var tally calibration.Tally
	for range n {
		odds := random.NormFloat64()*1.5 - 1
		p, truth := 1/(1+math.Exp(-odds)), 1/(1+math.Exp(-odds-offset))
		tally.Add(p, random.Float64() < truth)
	}
	return &tally
}

// Predictions that are exactly right are beyond Chance one time in twenty, and
// those that are clearly wrong nearly always.
func TestChanceTellsRightFromWrong(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const runs = 100
	for _, n := range []int{100, 3000} {
		beyond, caught := 0, 0
		for range runs {
			if right := tallied(random, n, 0); right.Error() > right.Chance() {
				beyond++
			}
			if wrong := tallied(random, n, 1.5); wrong.Error() > wrong.Chance() {
				caught++
			}
		}
		// Of 100, 5 are to be expected; three standard errors are 7.
		if beyond > 12 {
			t.Errorf("%d predictions: %d of %d that are right are beyond chance, want 5", n, beyond, runs)
		}
		if caught < runs*95/100 {
			t.Errorf("%d predictions: only %d of %d that are wrong are beyond chance", n, caught, runs)
		}
	}
}

func TestChanceIsTheSameAgain(t *testing.T) {
	tally := tallied(rand.New(rand.NewPCG(5, 6)), 500, 0.3)
	if a, b := tally.Chance(), tally.Chance(); a != b {
		t.Errorf("chance = %v, then %v", a, b)
	}
}
