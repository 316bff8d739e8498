package recommender_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// retried are n failures of which 0.25 was predicted of the retry, and three in
// four retries failed.
func retried(n int) (all []record.Record) {
	for i := range n {
		at := time.Date(2026, 3, 1, 12, 0, i, 0, time.UTC)
		f := record.Record{
			Type: kind, Number: 1, Told: at, Recommended: record.Change,
			Features: &features.Features{FailProbability: 0.25, Part: engine.Tree, Chosen: gib},
		}
		f.ID, f.Outcome, f.End, f.Fingerprint = fmt.Sprintf("%04d-1", i), history.Failed, at, "f"
		r := record.Record{Type: kind, Number: 2, Told: at.Add(time.Millisecond)}
		r.ID, r.Previous, r.End, r.Sizes = fmt.Sprintf("%04d-2", i), f.ID, r.Told, map[engine.Part]int64{engine.Tree: gib}
		if r.Outcome = history.Succeeded; i%4 > 0 {
			r.Outcome, r.Fingerprint = history.Failed, "f"
		}
		all = append(all, f, r)
	}
	return all
}

// gauged returns the value of a gauge; ok is false when it is not there.
func gauged(t *testing.T, r prometheus.Gatherer, name string) (value float64, ok bool) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

// The gauges read nothing for five seconds after they did, and what is found
// stays for a minute: each part has a service of its own.
func TestWhatComesOfPredictionsIsWatched(t *testing.T) {
	const gauge = "redrive_recommender_drift_calibration_error"
	for _, tc := range []struct {
		retries int
		shown   bool
	}{{199, false}, {400, true}} {
		db, registry := storetest.Open(t), prometheus.NewRegistry()
		if _, err := store.NewRecords(db).Add(t.Context(), retried(tc.retries)...); err != nil {
			t.Fatal(err)
		}
		var clients []redrivev1.RecommenderServiceClient
		for i := range 2 { // replicas see the same
			d := recommender.Deps{Store: db, Bus: bustest.New(t), Replica: fmt.Sprint("r", i)}
			if i == 0 {
				d.Metrics = registry
			}
			clients = append(clients, replica(t, d))
		}
		for _, c := range clients {
			d, err := c.GetDrift(t.Context(), &redrivev1.GetDriftRequest{})
			if err != nil || d.GetOutcomes() != int64(tc.retries) || d.GetDecisions() != int64(tc.retries) || math.Abs(d.GetCalibrationError()-0.5) > 0.01 ||
				math.Abs(d.GetBrier()-(0.25*0.0625+0.75*0.5625)) > 0.01 || (len(d.GetWarnings()) > 0) != tc.shown || d.GetTime() == nil {
				t.Errorf("drift of %d retries = %v, %v", tc.retries, d, err)
			}
		}
		if got, ok := gauged(t, registry, gauge); ok != tc.shown || ok && math.Abs(got-0.5) > 0.01 {
			t.Errorf("%s of %d retries = %v, %v, want 0.5, %v", gauge, tc.retries, got, ok, tc.shown)
		}
	}
}
