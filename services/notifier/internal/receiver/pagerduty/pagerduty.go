// Package pagerduty sends notifications through PagerDuty's Events API v2.
package pagerduty

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
)

// Bounds of the Events API, in characters.
const (
	maxDedupKey = 255
	maxSummary  = 1024
)

// PagerDuty is one receiver.
type PagerDuty struct {
	client          *receiver.Client
	url, routingKey string
	links           receiver.Links
}

// New returns a receiver that posts to url, which is PagerDuty's own or that of
// a proxy.
func New(url, routingKey string, links receiver.Links) *PagerDuty {
	return &PagerDuty{receiver.NewClient(url, routingKey), url, routingKey, links}
}

// Send sends one notification. retry says whether it may succeed later.
//
// PagerDuty adds a trigger to the incident that is open under the same key and
// wakes nobody for it. So each severity of an alert has a key of its own: an
// alert that got worse opens a new incident, and closes the quieter one behind
// it.
func (p *PagerDuty) Send(ctx context.Context, n alert.Notification) (retry bool, err error) {
	loud := n.Severity
	if n.Action != alert.Trigger && n.Before != alert.None {
		loud = n.Before
	}
	if retry, err := p.post(ctx, p.event(n, n.Action, loud)); err != nil {
		return retry, err
	}
	if n.Action == alert.Trigger && n.Before != alert.None && n.Before != n.Severity {
		return p.post(ctx, p.event(n, alert.Resolve, n.Before))
	}
	return false, nil
}

func (p *PagerDuty) post(ctx context.Context, e event) (retry bool, err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return false, errs.New(errs.Internal, "encode notification: %w", err)
	}
	_, retry, err = p.client.Post(ctx, p.url, nil, body)
	return retry, err
}

type event struct {
	RoutingKey string       `json:"routing_key"`
	Action     alert.Action `json:"event_action"`
	DedupKey   string       `json:"dedup_key"`
	Client     string       `json:"client,omitempty"`
	ClientURL  string       `json:"client_url,omitempty"`
	Links      []link       `json:"links,omitempty"`
	Payload    *payload     `json:"payload,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details"`
}

// severities are PagerDuty's words for ours.
var severities = map[alert.Severity]string{alert.Info: "info", alert.Warning: "warning", alert.Page: "critical"}

func (p *PagerDuty) event(n alert.Notification, action alert.Action, loud alert.Severity) event {
	a := n.Alert
	e := event{RoutingKey: p.routingKey, Action: action, DedupKey: dedupKey(a, loud)}
	if action != alert.Trigger {
		return e
	}
	e.Client, e.ClientURL = "Redrive", p.links.Alert(a)
	if href := p.links.Failure(a); href != "" {
		e.Links = []link{{href, "The failure"}}
	}
	e.Payload = &payload{
		Summary: alert.Cut(n.Title(), maxSummary), Source: a.Job, Severity: severities[loud],
		Timestamp: n.Time.UTC().Format(time.RFC3339), Component: a.Type.Step, Group: a.Type.Workflow, Class: string(a.Class),
		Details: map[string]any{
			"alert": a.Name(), "job": a.Job, "attempt": a.Attempt, "owner": a.Owner, "engine": a.Type.Engine, "scheduler": a.Source,
			"action": a.Action, "will_retry": a.WillRetry, "safe_to_retry": a.SafeToRetry, "runbook": a.Runbook,
			"failure": a.Failure, "failures": a.FailureCount, "excerpt": a.Excerpt, "explain": a.Explain(),
		},
	}
	if !a.NextRetry.IsZero() {
		e.Payload.Details["next_retry_time"] = a.NextRetry.UTC().Format(time.RFC3339)
	}
	return e
}

// dedupKey names the incident of one severity of one alert.
func dedupKey(a alert.Alert, loud alert.Severity) string {
	return alert.Cut(fmt.Sprintf("redrive/%s/%s", a.ID, loud), maxDedupKey)
}
