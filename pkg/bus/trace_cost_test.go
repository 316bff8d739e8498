package bus

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/trace"
)

// TestTracingCostsNothingWhenOff: not one allocation an event.
func TestTracingCostsNothingWhenOff(t *testing.T) {
	if trace.On() {
		t.Fatal("spans are recorded although nobody asked for it")
	}
	ctx, events := t.Context(), []Event{{ID: "a", Type: JobFinished, Subject: "jobs/etl", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	allocs := testing.AllocsPerRun(100, func() {
		sent, all := publishing(ctx, events)
		all.end(nil)
		_, span := processing(ctx, NotifierEvents, sent[0])
		span.End(nil)
	})
	if allocs != 0 {
		t.Errorf("an event allocates %v times for tracing that is off", allocs)
	}
}
