package offpolicy_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/offpolicy"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// By hand: 3 + (5 − 3) / 0.5 = 7 for the one that was made alike, and the
// prediction 2 for the other.
func TestKnownAnswer(t *testing.T) {
	var tally offpolicy.Tally
	tally.Add(offpolicy.Decision{Cost: 5, Propensity: 0.5, Same: true, Predicted: 3, Otherwise: 3})
	tally.Add(offpolicy.Decision{Cost: 4, Propensity: 0.5, Supported: true, Predicted: 6, Otherwise: 2})
	tally.Add(offpolicy.Decision{Cost: 1000}) // without a propensity
	e := tally.Estimate()
	near(t, "decisions", float64(e.Decisions), 2, 0)
	near(t, "same", float64(e.Same), 1, 0)
	near(t, "unsupported", float64(e.Unsupported), 0, 0)
	near(t, "judged", e.Judged.Mean, 4.5, 1e-12)
	near(t, "logged", e.Logged, 4.5, 1e-12)
	near(t, "difference", e.Difference.Mean, 0, 1e-12)
	near(t, "supported", e.Supported(), 1, 0)
}

// world has two choices whose cost depends on what is known beforehand. Choice 0
// is made with probability 0.7; the judged policy always makes choice 1.
type world struct{ random *rand.Rand }

func (w world) cost(known float64, choice int) float64 {
	return 1 + known + float64(choice)*(2*known-0.5) + 0.3*w.random.NormFloat64()
}

// truth is what choice 1 costs on average, known being uniform.
const truth = 1 + 0.5 + 2*0.5 - 0.5

func (w world) play(n int, propensity func(real float64) float64, predict func(known float64, choice int) float64) offpolicy.Estimate {
	var tally offpolicy.Tally
	for range n {
		known, choice, p := w.random.Float64(), 0, 0.7
		if w.random.Float64() > p {
			choice, p = 1, 0.3
		}
		tally.Add(offpolicy.Decision{
			Cost: w.cost(known, choice), Propensity: propensity(p), Same: choice == 1, Supported: true,
			Predicted: predict(known, choice), Otherwise: predict(known, 1),
		})
		tally.Close()
	}
	return tally.Estimate()
}

func right(known float64, choice int) float64 { return 1 + known + float64(choice)*(2*known-0.5) }

func TestEitherHalfMayBeWrong(t *testing.T) {
	real := func(p float64) float64 { return p }
	wrong := func(float64, int) float64 { return 9 }
	w := world{rand.New(rand.NewPCG(7, 8))}
	near(t, "with wrong predictions", w.play(200_000, real, wrong).Judged.Mean, truth, 0.08)
	near(t, "with wrong propensities", w.play(200_000, func(float64) float64 { return 0.9 }, right).Judged.Mean, truth, 0.01)
	if got := w.play(200_000, func(float64) float64 { return 0.9 }, wrong).Judged.Mean; math.Abs(got-truth) < 1 {
		t.Errorf("with both wrong the estimate %v is right: the world does not tell them apart", got)
	}
}

func TestTheIntervalHoldsTheTruth(t *testing.T) {
	w := world{rand.New(rand.NewPCG(9, 10))}
	const runs = 1000
	held := 0
	for range runs {
		e := w.play(200, func(p float64) float64 { return p }, func(known float64, _ int) float64 { return 1 + known })
		if e.Judged.Low <= truth && truth <= e.Judged.High {
			held++
		}
	}
	if held < 925 || held > 975 {
		t.Errorf("%d of %d intervals hold the truth, want 950", held, runs)
	}
}

// Nothing was tried at random: where the judged policy chooses otherwise the
// estimate is what was predicted, however wrong, and it says so.
func TestWithoutChanceOthersChoicesAreOnlyPredicted(t *testing.T) {
	var tally offpolicy.Tally
	for range 30 {
		tally.Add(offpolicy.Decision{Cost: 1, Propensity: 1, Same: true, Predicted: 2, Otherwise: 2})
	}
	for range 70 {
		tally.Add(offpolicy.Decision{Cost: 1, Propensity: 1, Predicted: 2, Otherwise: 0.1})
	}
	e := tally.Estimate()
	near(t, "judged", e.Judged.Mean, 0.3*1+0.7*0.1, 1e-12)
	near(t, "unsupported", float64(e.Unsupported), 70, 0)
	near(t, "supported", e.Supported(), 0.3, 1e-12)
	near(t, "of nothing", offpolicy.Estimate{}.Supported(), 0, 0)
}
