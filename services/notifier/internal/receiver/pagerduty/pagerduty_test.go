package pagerduty_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/pagerduty"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/receivertest"
)

func TestPagerDutyConforms(t *testing.T) {
	receivertest.Run(t, `{"status":"success"}`, func(url string) receivertest.Sender {
		return pagerduty.New(url, receivertest.Secret, receiver.Links{})
	})
}

type event struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	ClientURL  string `json:"client_url"`
	Payload    *struct {
		Summary   string         `json:"summary"`
		Source    string         `json:"source"`
		Severity  string         `json:"severity"`
		Timestamp string         `json:"timestamp"`
		Details   map[string]any `json:"custom_details"`
	} `json:"payload"`
}

func send(t *testing.T, n alert.Notification) []event {
	t.Helper()
	var all []event
	for _, r := range receivertest.Body(t, "", n, func(url string) receivertest.Sender {
		return pagerduty.New(url, "key", receiver.NewLinks("https://redrive.example.com"))
	}) {
		var e event
		if err := json.Unmarshal(r.Body, &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestTriggerSaysAll(t *testing.T) {
	e := send(t, receivertest.Notification())[0]
	if e.RoutingKey != "key" || e.Action != "trigger" || e.Payload == nil || e.ClientURL != "https://redrive.example.com/v1/alerts/0123456789abcdef01234567" {
		t.Fatalf("event = %+v", e)
	}
	p := e.Payload
	if p.Severity != "critical" || p.Source != "jobs/etl" || p.Timestamp != "2026-03-01T12:00:00Z" || !strings.HasPrefix(p.Summary, "[PAGE] jobs/etl") {
		t.Errorf("payload = %+v", p)
	}
	for _, key := range []string{"attempt", "action", "will_retry", "next_retry_time", "safe_to_retry", "runbook", "excerpt", "explain", "failure"} {
		if p.Details[key] == nil || p.Details[key] == "" {
			t.Errorf("custom_details have no %s: %v", key, p.Details)
		}
	}
}

func TestBoundsOfTheEventsAPI(t *testing.T) {
	n := receivertest.Notification()
	n.Alert.Summary = strings.Repeat("ż", 5000)
	e := send(t, n)[0]
	if len(e.Payload.Summary) > 1024 || len(e.DedupKey) > 255 {
		t.Errorf("summary has %d bytes, key %d", len(e.Payload.Summary), len(e.DedupKey))
	}
}

// TestWorseAlertOpensAnIncidentOfItsOwn follows one alert from a warning to a
// page to its end.
func TestWorseAlertOpensAnIncidentOfItsOwn(t *testing.T) {
	n := receivertest.Notification()
	var got []string
	note := func(action alert.Action, s, before alert.Severity) {
		n.Action, n.Severity, n.Before = action, s, before
		for _, e := range send(t, n) {
			got = append(got, e.Action+" "+e.DedupKey[strings.LastIndex(e.DedupKey, "/")+1:])
			if (e.Payload != nil) != (e.Action == "trigger") {
				t.Errorf("%s has a payload: %v", e.Action, e.Payload != nil)
			}
		}
	}
	note(alert.Trigger, alert.Warning, alert.None)
	note(alert.Acknowledge, alert.Warning, alert.Warning)
	note(alert.Trigger, alert.Page, alert.Warning)
	note(alert.Acknowledge, alert.Page, alert.Page)
	note(alert.Resolve, alert.Page, alert.Page)
	want := []string{"trigger warning", "acknowledge warning", "trigger page", "resolve warning", "acknowledge page", "resolve page"}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
