// Package policy says which failures are worth an alert of which severity, and
// who is told. An operator writes it as a YAML file; without one there are
// sane defaults and nobody is told.
package policy

import (
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Policy is one operator's policy. It does not change once it is read.
type Policy struct {
	Receivers  []Receiver
	Routes     []Route
	Thresholds Thresholds
	Rules      []Rule
}

// Thresholds say what a failure is worth. The worst that applies counts.
type Thresholds struct {
	// First is for every failure, the first one of a job included.
	First alert.Severity
	// BeforeCap is for a failure after which a human who acts now can still save
	// the job.
	BeforeCap alert.Severity
	// Permanent is for a failure after which no retry follows.
	Permanent alert.Severity
	// PageInARow is how many failures in a row are worth a page although a retry
	// is planned; 0 for no number of them.
	PageInARow int
}

// Rule replaces the thresholds for the failures that it matches.
type Rule struct {
	Match      Match
	Thresholds Thresholds
}

// Route says who is told of the alerts that it matches.
type Route struct {
	Severities []alert.Severity
	Match      Match
	Receivers  []string
	// Continue lets routes after this one match, too.
	Continue bool
}

// Kind is the type of a receiver.
type Kind string

// The types of receivers.
const (
	Webhook   Kind = "webhook"
	Slack     Kind = "slack"
	PagerDuty Kind = "pagerduty"
)

// HearsAcknowledgements reports whether receivers of this type are told that
// somebody has an alert in hand. A channel full of people is not.
func (k Kind) HearsAcknowledgements() bool { return k != Slack }

// Receiver is somebody who is told.
type Receiver struct {
	Name string
	Kind Kind
	// URL is where notifications go.
	URL Secret
	// Key signs the notifications of a webhook, is the token of a Slack app, or
	// is the routing key of PagerDuty; empty where none is needed.
	Key Secret
	// Channel is where a Slack app posts.
	Channel string
	// Timeout is for one try.
	Timeout time.Duration
	// RetryFor is how long a notification is tried before it is given up.
	RetryFor time.Duration
	// MinBackoff and MaxBackoff bound the time between two tries.
	MinBackoff, MaxBackoff time.Duration
}

// Secret is a text that is never written to a log: its String is a mark.
type Secret string

const hidden = "[hidden]"

// String returns a mark instead of the secret.
func (Secret) String() string { return hidden }

// GoString returns a mark instead of the secret.
func (Secret) GoString() string { return hidden }

// MarshalText returns a mark instead of the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Reveal returns the secret itself, for whoever sends it.
func (s Secret) Reveal() string { return string(s) }

// Default returns the policy of an operator who wrote none: alerts are kept and
// nobody is told.
func Default() Policy {
	return Policy{Thresholds: Thresholds{First: alert.Info, BeforeCap: alert.Warning, Permanent: alert.Page, PageInARow: 3}}
}

// Severity says what a failure is worth: None for one that nobody wants to
// know of.
func (p Policy) Severity(f alert.Failure) alert.Severity {
	if f.Class == failure.Cancelled || f.Cancelled || (f.Stopped && f.Attention == alert.Nobody) {
		return alert.None
	}
	t := p.Thresholds
	for _, r := range p.Rules {
		if r.Match.Matches(labelsOf(f)) {
			t = r.Thresholds
			break
		}
	}
	worst := t.First
	switch f.Attention {
	case alert.BeforeCap:
		worst = max(worst, t.BeforeCap)
	case alert.Permanent:
		worst = max(worst, t.Permanent)
	case alert.AttentionUnset, alert.Nobody:
	}
	if t.PageInARow > 0 && f.Consecutive >= t.PageInARow {
		worst = alert.Page
	}
	return worst
}

// Told returns the names of the receivers that are told when an alert reaches a
// severity, in the order of the routes, each once.
func (p Policy) Told(a alert.Alert, reached alert.Severity) []string {
	labels := Labels{
		"class": string(a.Class), "owner": a.Owner, "source": a.Source, "job": a.Job,
		"workflow": a.Type.Workflow, "step": a.Type.Step, "engine": a.Type.Engine,
	}
	var names []string
	for _, r := range p.Routes {
		if !slices.Contains(r.Severities, reached) || !r.Match.Matches(labels) {
			continue
		}
		for _, name := range r.Receivers {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if !r.Continue {
			break
		}
	}
	return names
}

func labelsOf(f alert.Failure) Labels {
	return Labels{
		"class": string(f.Class), "category": f.Category.String(), "owner": f.Owner, "source": f.Source,
		"workflow": f.Type.Workflow, "step": f.Type.Step, "engine": f.Type.Engine,
	}
}
