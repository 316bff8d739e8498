// Package slack posts notifications to a Slack channel: through an incoming
// webhook, or as an app by chat.postMessage.
package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
)

// maxSection bounds the text of one block; Slack refuses more than 3000.
const maxSection = 2900

// Slack is one receiver.
type Slack struct {
	client              *receiver.Client
	url, token, channel string
	links               receiver.Links
}

// New returns a receiver that posts to url. A token and a channel are those of
// an app; both are empty for an incoming webhook.
func New(url, token, channel string, links receiver.Links) *Slack {
	return &Slack{receiver.NewClient(url, token), url, token, channel, links}
}

// Send posts one notification, a trigger or a resolution. retry says whether it
// may succeed later. Slack knows no idempotency key: a notification that is sent
// twice is there twice.
func (s *Slack) Send(ctx context.Context, n alert.Notification) (retry bool, err error) {
	body, err := json.Marshal(s.message(n))
	if err != nil {
		return false, errs.New(errs.Internal, "encode notification: %w", err)
	}
	header := http.Header{}
	if s.token != "" {
		header.Set("Authorization", "Bearer "+s.token)
	}
	answer, retry, err := s.client.Post(ctx, s.url, header, body)
	if err != nil || s.token == "" {
		return retry, err
	}
	return judge(answer)
}

// transient are the errors of chat.postMessage after which a retry helps.
var transient = map[string]bool{
	"ratelimited": true, "rate_limited": true, "internal_error": true, "fatal_error": true,
	"service_unavailable": true, "request_timeout": true, "team_added_to_org": true,
}

// judge reads the answer of chat.postMessage, which says 200 to everything.
func judge(answer []byte) (retry bool, err error) {
	var got struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		// An answer that was cut begins as one that says yes.
		if strings.HasPrefix(strings.ReplaceAll(string(answer[:min(len(answer), 64)]), " ", ""), `{"ok":true`) {
			return false, nil
		}
		return true, errs.New(errs.Unavailable, "the answer is not that of Slack")
	}
	switch {
	case got.OK:
		return false, nil
	case transient[got.Error]:
		return true, errs.New(errs.Unavailable, "Slack answered %s", got.Error)
	default:
		return false, errs.New(errs.FailedPrecondition, "Slack answered %s", alert.Cut(got.Error, 100))
	}
}

type message struct {
	Channel string  `json:"channel,omitempty"`
	Text    string  `json:"text"` // for notifications and screen readers
	Blocks  []block `json:"blocks"`
	Unfurl  bool    `json:"unfurl_links"`
}

type block struct {
	Type string `json:"type"`
	Text text   `json:"text"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func section(s string) block { return block{"section", text{"mrkdwn", s}} }

func (s *Slack) message(n alert.Notification) message {
	a := n.Alert
	m := message{Channel: s.channel, Text: Escape(n.Title(), maxSection)}
	m.Blocks = append(m.Blocks, section("*"+m.Text+"*"))
	var b strings.Builder
	field(&b, "What Redrive does", a.Action)
	if n.Action == alert.Trigger {
		field(&b, "Safe to retry", a.SafeToRetry)
		field(&b, "Runbook", a.Runbook)
	}
	field(&b, "Owner", a.Owner)
	if a.Job != alert.Models {
		field(&b, "Run", fmt.Sprintf("%s attempt %d (%s, failure %d of this alert)", a.Job, a.Attempt, a.Class, a.FailureCount))
	}
	field(&b, "When", n.Time.UTC().Format(time.RFC3339))
	if explain := a.Explain(); explain != "" {
		fmt.Fprintf(&b, "*More:* `%s`\n", Escape(explain, alert.MaxName))
	}
	if link := s.links.Failure(a); link != "" {
		fmt.Fprintf(&b, "<%s|Failure>  <%s|Alert>\n", Escape(link, 1000), Escape(s.links.Alert(a), 1000))
	}
	m.Blocks = append(m.Blocks, sections(b.String())...)
	if n.Action == alert.Trigger && len(a.Excerpt) > 0 {
		lines := strings.ReplaceAll(strings.Join(a.Excerpt, "\n"), "```", "'''")
		m.Blocks = append(m.Blocks, section("```"+Escape(lines, maxSection-6)+"```"))
	}
	return m
}

func field(b *strings.Builder, name, value string) {
	if value != "" {
		fmt.Fprintf(b, "*%s:* %s\n", name, Escape(value, alert.MaxText))
	}
}

// sections spreads lines over as many blocks as their length needs.
func sections(lines string) []block {
	var all []block
	for rest := strings.TrimRight(lines, "\n"); rest != ""; {
		end := len(rest)
		if end > maxSection {
			if end = strings.LastIndexByte(rest[:maxSection], '\n'); end <= 0 {
				end = maxSection
			}
		}
		all = append(all, section(strings.TrimRight(rest[:end], "\n")))
		rest = strings.TrimLeft(rest[end:], "\n")
	}
	return all
}

// Escape makes a text one that Slack shows as it is: no mention, no link. The
// result has at most limit bytes and no half of an escape.
func Escape(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		piece := string(r)
		switch r {
		case '&':
			piece = "&amp;"
		case '<':
			piece = "&lt;"
		case '>':
			piece = "&gt;"
		case utf8.RuneError:
			continue
		}
		if b.Len()+len(piece) > limit {
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}
