package bus_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
)

// TestMetricsOfQueues has one event that waits, one that is handled, one that is
// given up, and a consumer that pauses.
func TestMetricsOfQueues(t *testing.T) {
	server, registry := bustest.Start(t), prometheus.NewRegistry()
	b, err := bus.Connect(t.Context(), bus.Config{InProcess: server, User: natsserver.UserRedrive, Password: bustest.Password, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead, away := jobFinished(t, "dead"), jobFinished(t, "away")
	handled := make(chan bus.Event, 2)
	stop := listen(t, b, bus.NotifierEvents, into(handled, func(e bus.Event) error {
		if e.ID == "dead" {
			return errs.New(errs.Invalid, "never")
		}
		return errs.New(errs.Unavailable, "away")
	}))
	for _, e := range []bus.Event{dead, away} {
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		<-handled
	}
	stop()
	if err := b.Publish(t.Context(), jobFinished(t, "waits")); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP redrive_bus_consumer_lag Events that a consumer was not given yet. The same in every replica: take the largest, not the sum.
# TYPE redrive_bus_consumer_lag gauge
redrive_bus_consumer_lag{consumer="classifier-failures"} 0
redrive_bus_consumer_lag{consumer="classifier-outcomes"} 3
redrive_bus_consumer_lag{consumer="notifier-events"} 1
redrive_bus_consumer_lag{consumer="recommender-outcomes"} 0
redrive_bus_consumer_lag{consumer="recommender-patches"} 0
redrive_bus_consumer_lag{consumer="scheduler-reports"} 0
redrive_bus_consumer_lag{consumer="scheduler-verdicts"} 0
# HELP redrive_bus_consumer_paused 1 while a consumer of this process holds back because what it depends on is away.
# TYPE redrive_bus_consumer_paused gauge
redrive_bus_consumer_paused{consumer="notifier-events"} 1
# HELP redrive_bus_consumer_unsettled Events that a consumer handles or that wait for their next try. The same in every replica: take the largest, not the sum.
# TYPE redrive_bus_consumer_unsettled gauge
redrive_bus_consumer_unsettled{consumer="classifier-failures"} 0
redrive_bus_consumer_unsettled{consumer="classifier-outcomes"} 0
redrive_bus_consumer_unsettled{consumer="notifier-events"} 1
redrive_bus_consumer_unsettled{consumer="recommender-outcomes"} 0
redrive_bus_consumer_unsettled{consumer="recommender-patches"} 0
redrive_bus_consumer_unsettled{consumer="scheduler-reports"} 0
redrive_bus_consumer_unsettled{consumer="scheduler-verdicts"} 0
# HELP redrive_bus_stream_messages Messages that a stream keeps; those of REDRIVE_DEAD_LETTERS were given up. The same in every replica: take the largest, not the sum.
# TYPE redrive_bus_stream_messages gauge
redrive_bus_stream_messages{stream="REDRIVE_DEAD_LETTERS"} 1
redrive_bus_stream_messages{stream="REDRIVE_EVENTS"} 3
redrive_bus_stream_messages{stream="REDRIVE_REPORTS"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "redrive_bus_consumer_lag", "redrive_bus_consumer_paused",
		"redrive_bus_consumer_unsettled", "redrive_bus_stream_messages"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"redrive_bus_handle_duration_seconds", "redrive_bus_delivery_delay_seconds", "redrive_bus_stream_bytes"} {
		if n, err := testutil.GatherAndCount(registry, name); n == 0 || err != nil {
			t.Errorf("%d of %s (%v)", n, name, err)
		}
	}
}
