package slack_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/receivertest"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/slack"
)

func TestIncomingWebhookConforms(t *testing.T) {
	receivertest.Run(t, "ok", func(url string) receivertest.Sender { return slack.New(url, "", "", receiver.Links{}) })
}

func TestAppConforms(t *testing.T) {
	receivertest.Run(t, `{"ok":true}`, func(url string) receivertest.Sender {
		return slack.New(url, "xoxb-1", "#data", receiver.Links{})
	})
}

func TestAppJudgesTheAnswer(t *testing.T) {
	for _, tc := range []struct {
		answer string
		ok     bool
		retry  bool
	}{
		{`{"ok":true,"ts":"1"}`, true, false},
		{`{"ok": true, "message": {"cut`, true, false},
		{`{"ok":false,"error":"channel_not_found"}`, false, false},
		{`{"ok":false,"error":"ratelimited"}`, false, true},
		{`<html>`, false, true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tc.answer) }))
		retry, err := slack.New(server.URL, "xoxb-1", "#data", receiver.Links{}).Send(t.Context(), receivertest.Notification())
		server.Close()
		if (err == nil) != tc.ok || retry != tc.retry {
			t.Errorf("%s: %v, retry %v; want ok %v, retry %v", tc.answer, err, retry, tc.ok, tc.retry)
		}
	}
}

type message struct {
	Channel string `json:"channel"`
	Text    string `json:"text"`
	Blocks  []struct {
		Type string `json:"type"`
		Text struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"text"`
	} `json:"blocks"`
}

func post(t *testing.T, n alert.Notification, token, channel string) (message, receivertest.Request) {
	t.Helper()
	got := receivertest.Body(t, `{"ok":true}`, n, func(url string) receivertest.Sender {
		return slack.New(url, token, channel, receiver.NewLinks("https://redrive.example.com"))
	})
	var m message
	if err := json.Unmarshal(got[0].Body, &m); err != nil {
		t.Fatal(err)
	}
	return m, got[0]
}

func TestMessage(t *testing.T) {
	m, r := post(t, receivertest.Notification(), "xoxb-1", "#data")
	if r.Header.Get("Authorization") != "Bearer xoxb-1" || m.Channel != "#data" {
		t.Errorf("authorization %q, channel %q", r.Header.Get("Authorization"), m.Channel)
	}
	var all strings.Builder
	for _, b := range m.Blocks {
		all.WriteString(b.Text.Text + "\n")
	}
	for _, want := range []string{
		"[PAGE] jobs/etl", "403 for &lt;https://example.com/?a=1&amp;b=2&gt;", "Attempt 4 starts at", "A retry is planned already",
		"the role reader", "data &lt;team&gt; &amp; co", "redrive explain failures/f3", "<https://redrive.example.com/v1/failures/f3|Failure>",
		"HTTP/1.1 403 Forbidden &lt;!channel&gt; '''", "jobs/etl attempt 3",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the message does not say %q:\n%s", want, all.String())
		}
	}
}

func TestMessageKeepsSlacksBounds(t *testing.T) {
	n := receivertest.Notification()
	for _, text := range []*string{&n.Alert.Summary, &n.Alert.Action, &n.Alert.SafeToRetry, &n.Alert.Runbook, &n.Alert.Owner} {
		*text = strings.Repeat("<&>ż", 5000)
	}
	n.Alert.Excerpt = []string{strings.Repeat("<", 9000)}
	m, _ := post(t, n, "", "")
	if len(m.Blocks) > 50 || m.Text == "" {
		t.Errorf("%d blocks, text %q", len(m.Blocks), m.Text)
	}
	for _, b := range m.Blocks {
		if len(b.Text.Text) > 3000 || b.Text.Text == "" {
			t.Errorf("a block has %d bytes", len(b.Text.Text))
		}
	}
}

func TestResolutionIsShort(t *testing.T) {
	n := receivertest.Notification()
	n.Action, n.Alert.Action = alert.Resolve, "Recovered: attempt 4 succeeded."
	m, _ := post(t, n, "", "")
	body := m.Blocks[len(m.Blocks)-1].Text.Text
	if !strings.HasPrefix(m.Text, "[RESOLVED]") || !strings.Contains(body, "Recovered") || strings.Contains(body, "Runbook") {
		t.Errorf("resolution: %q %q", m.Text, body)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("<!channel> & <@U1|x>", 12)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 1<<16))
		got := slack.Escape(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsAny(got, "<>") {
			t.Errorf("Escape(%q, %d) = %q", s, limit, got)
		}
		plain := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got)
		if strings.Contains(plain, "&") {
			t.Errorf("Escape(%q, %d) = %q has half an escape", s, limit, got)
		}
	})
}
