package storetest

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// WantMetrics checks what a driver measured: the number of commits, and of
// failures by "operation kind".
func WantMetrics(t *testing.T, g prometheus.Gatherer, commits uint64, failures map[string]float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	var gotCommits uint64
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "redrive_store_commit_duration_seconds":
				gotCommits = m.GetHistogram().GetSampleCount()
			case "redrive_store_errors_total":
				got[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if gotCommits != commits || !maps.Equal(got, failures) {
		t.Errorf("commits = %d, failures = %v; want %d, %v", gotCommits, got, commits, failures)
	}
}
