// Package webhook posts notifications as JSON to a URL of the operator's.
// docs/notifications.md describes the payload.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
)

// Headers of every notification.
const (
	KeyHeader       = "Idempotency-Key"
	SignatureHeader = "Redrive-Signature" // "sha256=" and the HMAC of the body in hex
)

// Webhook is one receiver.
type Webhook struct {
	client *receiver.Client
	url    string
	secret []byte
	links  receiver.Links
}

// New returns a receiver that posts to url and, when there is a secret, signs
// the body with it.
func New(url, secret string, links receiver.Links) *Webhook {
	return &Webhook{receiver.NewClient(url, secret), url, []byte(secret), links}
}

// Send posts one notification. retry says whether it may succeed later.
func (w *Webhook) Send(ctx context.Context, n alert.Notification) (retry bool, err error) {
	body, err := json.Marshal(payloadOf(n, w.links))
	if err != nil {
		return false, errs.New(errs.Internal, "encode notification: %w", err)
	}
	header := http.Header{KeyHeader: {n.Key}}
	if len(w.secret) > 0 {
		header.Set(SignatureHeader, Sign(w.secret, body))
	}
	_, retry, err = w.client.Post(ctx, w.url, header, body)
	return retry, err
}

// Sign returns the signature of a body.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// payload is version 1 of what is posted. Members may be added to it, none is
// taken away and none changes its meaning.
type payload struct {
	Version  string        `json:"version"`
	Key      string        `json:"key"`
	Action   alert.Action  `json:"action"`
	Severity string        `json:"severity"`
	Time     time.Time     `json:"time"`
	Alert    alertPayload  `json:"alert"`
	Links    *linksPayload `json:"links,omitempty"`
}

type alertPayload struct {
	Name           string     `json:"name"`
	DedupKey       string     `json:"dedup_key"`
	State          string     `json:"state"`
	Severity       string     `json:"severity"`
	Job            string     `json:"job"`
	Attempt        int        `json:"attempt"`
	Source         string     `json:"source"`
	Workflow       string     `json:"workflow"`
	Step           string     `json:"step"`
	Engine         string     `json:"engine"`
	Owner          string     `json:"owner"`
	Class          string     `json:"class"`
	Summary        string     `json:"summary"`
	Excerpt        []string   `json:"excerpt"`
	Action         string     `json:"action"`
	WillRetry      bool       `json:"will_retry"`
	NextRetryTime  *time.Time `json:"next_retry_time"`
	SafeToRetry    string     `json:"safe_to_retry"`
	Runbook        string     `json:"runbook"`
	Failure        string     `json:"failure"`
	Failures       int        `json:"failures"`
	AcknowledgedBy string     `json:"acknowledged_by"`
	CreateTime     time.Time  `json:"create_time"`
	UpdateTime     time.Time  `json:"update_time"`
	ResolveTime    *time.Time `json:"resolve_time"`
}

type linksPayload struct {
	Explain string `json:"explain,omitempty"`
	Alert   string `json:"alert,omitempty"`
	Failure string `json:"failure,omitempty"`
}

func payloadOf(n alert.Notification, links receiver.Links) payload {
	a := n.Alert
	p := payload{
		Version: "1", Key: n.Key, Action: n.Action, Severity: n.Severity.String(), Time: n.Time.UTC(),
		Alert: alertPayload{
			Name: a.Name(), DedupKey: a.Job, State: a.State.String(), Severity: a.Severity.String(), Job: a.Job, Attempt: a.Attempt,
			Source: a.Source, Workflow: a.Type.Workflow, Step: a.Type.Step, Engine: a.Type.Engine, Owner: a.Owner,
			Class: string(a.Class), Summary: a.Summary, Excerpt: a.Excerpt, Action: a.Action, WillRetry: a.WillRetry,
			NextRetryTime: stamp(a.NextRetry), SafeToRetry: a.SafeToRetry, Runbook: a.Runbook, Failure: a.Failure,
			Failures: a.FailureCount, AcknowledgedBy: a.AcknowledgedBy, CreateTime: a.Created.UTC(), UpdateTime: a.Updated.UTC(),
			ResolveTime: stamp(a.Resolved),
		},
	}
	if p.Alert.Excerpt == nil {
		p.Alert.Excerpt = []string{}
	}
	if l := (linksPayload{a.Explain(), links.Alert(a), links.Failure(a)}); l != (linksPayload{}) {
		p.Links = &l
	}
	return p
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
