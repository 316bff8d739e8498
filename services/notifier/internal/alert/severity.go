// Package alert decides what a human is told about a job, and when. It is pure.
//
// One alert stands for one job at a time, from the first failure that is worth
// one until the job recovered, was cancelled or a human closed the alert: an
// episode. A later failure starts a new episode, with a new alert.
//
// Events come twice and in any order. So nothing is decided from an event
// alone: Facts collects what the events say, in a form in which neither order
// nor repetition leaves a trace, and the alerts are computed from the facts.
// Only what was already told to somebody depends on the order in which the
// facts became known, because it cannot be taken back.
package alert

import "fmt"

// Severity is how loud an alert is.
type Severity int

// The severities, as in proto/redrive/v1/notifier.proto. None is no alert.
const (
	None Severity = iota
	Info
	Warning
	Page
)

var severityNames = [...]string{"none", "info", "warning", "page"}

// String returns the severity as policy files and payloads write it.
func (s Severity) String() string {
	if s < None || s > Page {
		return fmt.Sprintf("severity(%d)", int(s))
	}
	return severityNames[s]
}

// ParseSeverity reads what String returns; ok is false for anything else.
func ParseSeverity(text string) (s Severity, ok bool) {
	for i, name := range severityNames {
		if text == name {
			return Severity(i), true
		}
	}
	return None, false
}

// State is whether an alert still stands.
type State int

// The states, as in proto/redrive/v1/notifier.proto.
const (
	StateUnset State = iota
	Firing
	Acknowledged
	Resolved
)

// String returns the state as payloads write it.
func (s State) String() string {
	if s < StateUnset || s > Resolved {
		return fmt.Sprintf("state(%d)", int(s))
	}
	return [...]string{"", "firing", "acknowledged", "resolved"}[s]
}

// Attention says what the scheduler thinks of a failure.
type Attention int

// The degrees of attention, as in proto/redrive/v1/scheduler.proto.
const (
	AttentionUnset Attention = iota
	Nobody
	BeforeCap
	Permanent
)

// Cause is why an episode is over.
type Cause int

// The causes, as in proto/redrive/v1/notifier_record.proto. Of two causes at
// the same point the smaller one counts.
const (
	CauseUnset Cause = iota
	Recovered
	Cancelled
	ByHand
	Expired
)
