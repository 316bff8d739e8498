package outbox

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestGauges has two services of one process, one of which has an event that
// nobody sends.
func TestGauges(t *testing.T) {
	store, registry := storetest.Open(t), prometheus.NewRegistry()
	for _, service := range []string{"scheduler", "notifier"} {
		o := New(store, nil, service, nil, nil)
		if err := o.Register(registry); err != nil {
			t.Fatal(err)
		}
		if service == "notifier" {
			continue
		}
		for _, age := range []time.Duration{time.Hour, time.Minute} {
			e, err := bus.NewEvent(bus.JobFinished, age.String(), "redrive/scheduler", "jobs/etl", time.Now().Add(-age), &redrivev1.JobFinished{})
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Commit(t.Context(), []bus.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	if got["redrive_outbox_waiting scheduler"] != 2 || got["redrive_outbox_waiting notifier"] != 0 {
		t.Errorf("waiting: %v", got)
	}
	if age := got["redrive_outbox_oldest_seconds scheduler"]; age < 3600 || age > 3660 || got["redrive_outbox_oldest_seconds notifier"] != 0 {
		t.Errorf("ages: %v", got)
	}
	if err := New(store, nil, "configsvc", nil, nil).Register(nil); err != nil {
		t.Error(err)
	}
}
