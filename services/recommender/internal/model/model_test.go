package model_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestTheBuiltinModelIsThePriors(t *testing.T) {
	m := model.Builtin()
	exit := int32(137)
	for _, c := range []struct {
		class failure.Class
		proof bool
		want  model.Beta
	}{
		{failure.Unknown, false, model.Beta{Failed: 0.2, Succeeded: 0.2}},
		{failure.MemoryContainer, false, model.Beta{Failed: 0.5, Succeeded: 4}},
		{failure.MemoryContainer, true, model.Beta{Failed: 0.2, Succeeded: 4}},
		{failure.Unknown, true, model.Beta{Failed: 0.2, Succeeded: 4}},
	} {
		if got := m.Permanent(c.class, &exit, "etl", c.proof); got != c.want {
			t.Errorf("permanent(%s, proof %v) = %v, want %v", c.class, c.proof, got, c.want)
		}
	}
	if m.Name != "builtin" || m.FailedShare() != 1 || m.Curve("spark") != [4]float64{0.2, 0.8} || !near(m.Interruptions(), 0.05) {
		t.Errorf("built-in model: %s, %v, %v, %v", m.Name, m.FailedShare(), m.Curve("spark"), m.Interruptions())
	}
	for _, p := range []float64{0.001, 0.2, 0.5, 0.999} {
		if got := m.Calibrated(p); got != p {
			t.Errorf("calibrated(%v) = %v, want the same", p, got)
		}
	}
}

func TestRetriesMoveTheMeanAndNotTheStrengthOfAPrior(t *testing.T) {
	m := model.New("m", model.Content{Retries: []model.Retries{
		{Class: "unknown", Failed: 90, Succeeded: 10},
		{Class: "unknown", Key: "exit=75", Failed: 0, Succeeded: 8},
		{Class: "unknown", Key: "owner=etl", Failed: 30, Succeeded: 0},
	}})
	exit := int32(75)
	all := m.Permanent(failure.Unknown, nil, "", false)
	if !near(all.Mean(), 90.2/100.4) || !near(all.Failed+all.Succeeded, 0.4) {
		t.Errorf("of the class %v with mean %v, want 0.4 observations with mean %v", all, all.Mean(), 90.2/100.4)
	}
	byExit, byOwner := m.Permanent(failure.Unknown, &exit, "", false), m.Permanent(failure.Unknown, nil, "etl", false)
	both := m.Permanent(failure.Unknown, &exit, "etl", false)
	if !(byExit.Mean() < 0.2 && byOwner.Mean() > all.Mean() && byExit.Mean() < both.Mean() && both.Mean() < byOwner.Mean()) {
		t.Errorf("means: class %v, exit %v, owner %v, both %v", all.Mean(), byExit.Mean(), byOwner.Mean(), both.Mean())
	}
}

func TestCalibrationFollowsWhatCameAndNeverFalls(t *testing.T) {
	m := model.New("m", model.Content{Bins: []model.Bin{{Index: model.BinOf(0.8), Predicted: 800, Count: 1000, Observed: 300}}})
	if got := m.Calibrated(0.8); math.Abs(got-0.3) > 0.001 {
		t.Errorf("calibrated(0.8) = %v after 300 of 1000 failed, want 0.3", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var c model.Content
		for i := model.BinOf(0); i <= model.BinOf(1); i++ {
			if n := float64(random.IntN(50)); random.IntN(2) == 0 {
				p := 1 / (1 + math.Exp(-float64(i)/2))
				c.Bins = append(c.Bins, model.Bin{Index: i, Predicted: n * p, Count: n, Observed: math.Floor(random.Float64() * (n + 1))})
			}
		}
		m, last := model.New("m", c), 0.0
		for p := 0.0; p <= 1; p += 0.003 {
			got := m.Calibrated(p)
			if !(got >= last-1e-12 && got >= 0.001 && got <= 0.999) {
				t.Fatalf("calibrated(%v) = %v after %v with %+v", p, got, last, c.Bins)
			}
			last = got
		}
	}
}

func TestOnlyPredictionsLikeThoseThatWereSeenAreCorrected(t *testing.T) {
	once := []model.Bin{{Index: model.BinOf(0.29), Predicted: 0.29, Count: 1}} // a retry that succeeded, as 71 in 100 of its kind
	often := []model.Bin{{Index: model.BinOf(0.29), Predicted: 290, Count: 1000, Observed: 10}, {Index: model.BinOf(0.5), Predicted: 500, Count: 1000, Observed: 900}}
	for _, c := range []struct {
		bins []model.Bin
		p    float64
		want float64
	}{
		{once, 0.29, 0.145},
		{once, 0.05, 0.05},
		{once, 0.5, 0.5},
		{once, 0.92, 0.92},
		{once, 0.001, 0.001},
		{once, 0.999, 0.999},
		{often, 0.29, 0.01},
		{often, 0.2, 0.01},
		{often, 0.5, 0.9},
		{often, 0.8, 0.9},
		{often, 0.95, 0.95},
		{often, 0.002, 0.002},
	} {
		if got := model.New("m", model.Content{Bins: c.bins}).Calibrated(c.p); math.Abs(got-c.want) > 0.002 {
			t.Errorf("calibrated(%v) = %v after %v, want %v", c.p, got, c.bins, c.want)
		}
	}
}

func TestMeansCountThePriorOnce(t *testing.T) {
	m := model.New("m", model.Content{
		Failing: model.Sum{Sum: 1, Count: 3}, Spot: model.Interruptions{Count: 4, Hours: 30},
		Curves: []model.Curve{{Engine: "spark", Terms: [4]float64{0.6, 0.2, 0.2, 0}, Types: 1}},
	})
	if m.FailedShare() != 0.5 || m.Interruptions() != 0.1 {
		t.Errorf("failed share %v, interruptions %v; want 0.5 and 0.1", m.FailedShare(), m.Interruptions())
	}
	if got := m.Curve("spark"); !near(got[0], 0.4) || !near(got[1], 0.5) || !near(got[2], 0.1) {
		t.Errorf("curve %v, want the mean of prior and type", got)
	}
}

func TestAHistogramKnowsItsQuantiles(t *testing.T) {
	h := model.Histogram{Buckets: []model.Bucket{{model.BucketOf(0), 10}, {model.BucketOf(1024), 30}, {model.BucketOf(1 << 20), 60}}}
	if a, b, c := h.Quantile(0.1), h.Quantile(0.4), h.Quantile(0.5); a != 0 || b != 1024 || c != 1<<20 {
		t.Errorf("quantiles %v, %v, %v", a, b, c)
	}
}
