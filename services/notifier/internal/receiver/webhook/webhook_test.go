package webhook_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/receivertest"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/webhook"
)

func TestWebhookConforms(t *testing.T) {
	receivertest.Run(t, "", func(url string) receivertest.Sender { return webhook.New(url, "", receiver.Links{}) })
}

// TestPayload compares the payload with the one in testdata, which is what
// receivers of others rely on.
func TestPayload(t *testing.T) {
	links := receiver.NewLinks("https://redrive.example.com/")
	got := receivertest.Body(t, "", receivertest.Notification(), func(url string) receivertest.Sender {
		return webhook.New(url, "key", links)
	})
	if len(got) != 1 || got[0].Method != "POST" || got[0].Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d requests: %+v", len(got), got)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got[0].Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/trigger.json")
	if err != nil {
		t.Fatal(err)
	}
	if pretty.String() != string(bytes.TrimSpace(want)) {
		t.Errorf("payload:\n%s\nwant testdata/trigger.json", pretty.String())
	}
	if key := got[0].Header.Get(webhook.KeyHeader); key != receivertest.Notification().Key {
		t.Errorf("%s = %q", webhook.KeyHeader, key)
	}
	if sign := got[0].Header.Get(webhook.SignatureHeader); sign != webhook.Sign([]byte("key"), got[0].Body) {
		t.Errorf("%s = %q, want the signature of the body", webhook.SignatureHeader, sign)
	}
}

func TestSignatureIsTheHMACOfTheBody(t *testing.T) {
	// printf %s '{"a":1}' | openssl dgst -sha256 -hmac key
	const want = "sha256=88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342"
	if got := webhook.Sign([]byte("key"), []byte(`{"a":1}`)); got != want {
		t.Errorf("Sign = %s, want %s", got, want)
	}
}

func TestWithoutSecretThereIsNoSignature(t *testing.T) {
	n := receivertest.Notification()
	n.Action, n.Alert.Resolved, n.Alert.NextRetry, n.Alert.Failure = alert.Resolve, n.Time, time.Time{}, ""
	got := receivertest.Body(t, "", n, func(url string) receivertest.Sender { return webhook.New(url, "", receiver.Links{}) })
	var p struct {
		Action string         `json:"action"`
		Links  map[string]any `json:"links"`
		Alert  struct {
			NextRetryTime *time.Time `json:"next_retry_time"`
			ResolveTime   *time.Time `json:"resolve_time"`
		} `json:"alert"`
	}
	if err := json.Unmarshal(got[0].Body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Action != "resolve" || p.Links != nil || p.Alert.NextRetryTime != nil || p.Alert.ResolveTime == nil {
		t.Errorf("payload = %+v", p)
	}
	if sign := got[0].Header.Get(webhook.SignatureHeader); sign != "" {
		t.Errorf("%s = %q, want none", webhook.SignatureHeader, sign)
	}
}
