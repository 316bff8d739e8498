package sample_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/sample"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// The textbook's: 1, 2, 3, 4, 5 have the mean 3, the standard error √(2.5/5),
// and t at four degrees of freedom is 2.776.
func TestIndependentValues(t *testing.T) {
	var m sample.Mean
	for i := range 5 {
		m.Add(float64(i + 1))
	}
	e := m.Estimate()
	near(t, "count", float64(e.Count), 5, 0)
	near(t, "mean", e.Mean, 3, 1e-12)
	near(t, "low", e.Low, 3-2.776*math.Sqrt(0.5), 1e-9)
	near(t, "high", e.High, 3+2.776*math.Sqrt(0.5), 1e-9)
}

// Three groups of four equal values: three pieces of evidence, not twelve. By
// hand: Σ (4x − 4·2)² = 32, / 144, × 3/2, the root is 0.577; t at two is 4.303.
func TestAGroupOfEqualValuesIsOnePieceOfEvidence(t *testing.T) {
	var m sample.Mean
	for _, x := range []float64{1, 2, 3} {
		for range 4 {
			m.Add(x)
		}
		m.Close()
		m.Close() // an empty group is none
	}
	e := m.Estimate()
	near(t, "mean", e.Mean, 2, 1e-12)
	near(t, "low", e.Low, 2-4.303/math.Sqrt(3), 1e-9)
	near(t, "high", e.High, 2+4.303/math.Sqrt(3), 1e-9)
}

func TestOfLittleNothingIsKnown(t *testing.T) {
	var m sample.Mean
	for n := range 2 {
		e := m.Estimate()
		if e.Count != int64(n) || !math.IsInf(e.Low, -1) || !math.IsInf(e.High, 1) {
			t.Errorf("estimate of %d values = %+v, want no bounds", n, e)
		}
		m.Add(7)
	}
	near(t, "mean", m.Estimate().Mean, 7, 0)
}

// Of a thousand samples of 20 groups that differ more than what is in them, the
// interval holds the truth in 95 of 100; with every value for itself it would be
// a third too narrow.
func TestTheIntervalHoldsTheTruth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const samples, truth = 1000, 5.0
	held := 0
	for range samples {
		var m sample.Mean
		for range 20 {
			of := truth + random.NormFloat64()
			for range 10 {
				m.Add(of + random.NormFloat64())
			}
			m.Close()
		}
		if e := m.Estimate(); e.Low <= truth && truth <= e.High {
			held++
		}
	}
	// Two standard errors of 950 in 1000 are 14.
	if held < 930 || held > 970 {
		t.Errorf("%d of %d intervals hold the truth, want 950", held, samples)
	}
}
