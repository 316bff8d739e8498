package drift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

var now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// trained is a model that knows how large the inputs of n decisions were.
func trained(random *rand.Rand, n int) model.Model {
	counts := map[int]int64{}
	for range n {
		counts[model.BucketOf(input(random, 1))]++
	}
	h := model.Histogram{Name: "input_bytes"}
	for i := model.BucketOf(0); i <= model.BucketOf(1e30); i++ {
		if counts[i] > 0 {
			h.Buckets = append(h.Buckets, model.Bucket{Index: i, Count: counts[i]})
		}
	}
	return model.New("m", model.Content{Version: model.Version, Features: []model.Histogram{h}})
}

// input is the size of an input; one in five is unknown.
func input(random *rand.Rand, factor float64) float64 {
	if random.IntN(5) == 0 {
		return 0
	}
	return factor * 1e9 * math.Exp(random.NormFloat64())
}

// decisions are n failures with the retry of each, which fails with probability
// real where said was predicted.
func decisions(random *rand.Rand, n int, factor, said, real float64) (all []record.Record) {
	for i := range n {
		f := record.Record{Recommended: record.Change, Features: &features.Features{
			InputBytes: int64(input(random, factor)), FailProbability: said, Part: engine.Tree, Chosen: 1000,
		}}
		f.ID, f.Outcome, f.Fingerprint = fmt.Sprint("f", i), history.Failed, "x"
		r := record.Record{}
		r.ID, r.Previous, r.Outcome, r.Sizes = fmt.Sprint("r", i), f.ID, history.Succeeded, map[engine.Part]int64{engine.Tree: 1005}
		if random.Float64() < real {
			r.Outcome, r.Fingerprint = history.Failed, "x"
		}
		all = append(all, r, f)
	}
	return all
}

func inputs(t *testing.T, d drift.Drift) float64 {
	t.Helper()
	if len(d.Features) != 1 || d.Features[0].Name != "input_bytes" {
		t.Fatalf("features = %+v, want that of inputs alone", d.Features)
	}
	return d.Features[0].Index
}

func TestWhatStaysDoesNotMove(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		d := drift.Compare(trained(random, 5000), drift.Judged{}, decisions(random, 500, 1, 0.2, 0.2), now)
		if i := inputs(t, d); i > 0.1 || d.Decisions != 500 || len(d.Warnings) > 0 || d.Model != "m" || !d.Time.Equal(now) {
			t.Errorf("index %.3f of %d decisions, warnings %v", i, d.Decisions, d.Warnings)
		}
	}
}

func TestInputsThatGrewAreSeen(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	m := trained(random, 5000)
	d := drift.Compare(m, drift.Judged{}, decisions(random, 500, 4, 0.2, 0.2), now)
	if i := inputs(t, d); i < 0.5 || len(d.Warnings) != 1 || !strings.HasPrefix(d.Warnings[0], "input_bytes moved") {
		t.Errorf("four times as large: index %.3f, warnings %v", i, d.Warnings)
	}
	// All of them beyond anything that was ever seen.
	if i := inputs(t, drift.Compare(m, drift.Judged{}, decisions(random, 500, 1e9, 0.2, 0.2), now)); i < 2 || math.IsInf(i, 0) {
		t.Errorf("a billion times as large: index %v", i)
	}
}

// By hand: before, half of all values in either of two groups; now all in one.
// With half an observation more in each of three groups (nothing lay beyond):
// e = 50.5/101.5, 50.5/101.5, 0.5/101.5; a = 200.5/201.5, 0.5/201.5, 0.5/201.5.
func TestTheIndexIsTheSumOverGroups(t *testing.T) {
	m := model.New("m", model.Content{Version: model.Version, Features: []model.Histogram{
		{Name: "attempt", Buckets: []model.Bucket{{Index: model.BucketOf(1), Count: 50}, {Index: model.BucketOf(2), Count: 50}}},
	}})
	var all []record.Record
	for range 200 {
		all = append(all, record.Record{Features: &features.Features{Attempt: 1}})
	}
	want := 0.0
	for _, x := range [][2]float64{{50.5, 200.5}, {50.5, 0.5}, {0.5, 0.5}} {
		e, a := x[0]/101.5, x[1]/201.5
		want += (a - e) * math.Log(a/e)
	}
	d := drift.Compare(m, drift.Judged{}, all, now)
	if len(d.Features) != 1 || math.Abs(d.Features[0].Index-want) > 1e-12 {
		t.Errorf("features = %+v, want an index of %v", d.Features, want)
	}
}

func TestPredictionsThatWentWrongAreSeen(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	m := trained(random, 5000)
	judged := drift.Judged{Brier: 0.16, CalibrationError: 0.02}
	d := drift.Compare(m, judged, decisions(random, 400, 1, 0.2, 0.6), now)
	if math.Abs(d.CalibrationError-0.4) > 0.08 || d.Brier < 0.3 || d.AuditBrier != 0.16 || d.AuditCalibrationError != 0.02 ||
		len(d.Warnings) != 1 || !strings.HasPrefix(d.Warnings[0], "predictions of 400 retries") {
		t.Errorf("drift = %+v", d)
	}
	if d := drift.Compare(m, judged, decisions(random, 400, 1, 0.2, 0.2), now); len(d.Warnings) > 0 {
		t.Errorf("predictions that are right: %v", d.Warnings)
	}
}

func TestOnlyRetriesAsRecommendedCount(t *testing.T) {
	all := decisions(rand.New(rand.NewPCG(7, 8)), 300, 1, 0.2, 1)
	for i := range all {
		if all[i].Sizes != nil {
			all[i].Sizes[engine.Tree] = 2000 // somebody knew better
		}
	}
	if d := drift.Compare(model.Builtin(), drift.Judged{}, all, now); d.Outcomes != 0 || len(d.Warnings) > 0 {
		t.Errorf("drift = %+v, want nothing of outcomes", d)
	}
}

func TestFewDecisionsSayNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	d := drift.Compare(trained(random, 5000), drift.Judged{}, decisions(random, 50, 1e9, 0.2, 0.9), now)
	if len(d.Features) > 0 || len(d.Warnings) > 0 || d.Decisions != 50 {
		t.Errorf("drift = %+v, want no features and no warnings", d)
	}
}
