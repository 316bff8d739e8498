package dispatch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
)

// TestMetricsOfAReceiverThatIsDown shows what waits for it, and since when.
func TestMetricsOfAReceiverThatIsDown(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	oncall := newPhone(func(context.Context, alert.Notification) (bool, error) {
		return true, errs.New(errs.Unavailable, "down")
	})
	for n := range 3 {
		fail(t, w, fmt.Sprint("jobs/j", n), 1, alert.Permanent)
	}
	reg := prometheus.NewRegistry()
	start(t, w, reg, outlet("oncall", oncall))
	for range 3 {
		oncall.next(t)
	}
	want := `
# HELP redrive_notifier_alerts_open Alerts that are not resolved, by state; at most 100000 of each are counted. The same in every replica: take the largest, not the sum.
# TYPE redrive_notifier_alerts_open gauge
redrive_notifier_alerts_open{state="acknowledged"} 0
redrive_notifier_alerts_open{state="firing"} 3
# HELP redrive_notifier_notifications_waiting Alerts of which a receiver has something to hear; at most 100000 of each are counted. The same in every replica: take the largest, not the sum.
# TYPE redrive_notifier_notifications_waiting gauge
redrive_notifier_notifications_waiting{receiver="oncall"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "redrive_notifier_alerts_open", "redrive_notifier_notifications_waiting"); err != nil {
		t.Error(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "redrive_notifier_oldest_notification_seconds" && f.GetMetric()[0].GetGauge().GetValue() <= 0 {
			t.Errorf("the oldest notification is %v", f.GetMetric())
		}
	}
}
