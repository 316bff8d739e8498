package alert

import (
	"fmt"
	"strings"
	"time"
)

// Notification is one piece of news for one receiver, with the alert as it was
// at the time.
type Notification struct {
	// Key is the same whenever this notification is sent, and that of no other
	// notification to the same receiver.
	Key      string
	Action   Action
	Severity Severity // reached, for Trigger; that of the alert otherwise
	// Before is how loudly this receiver was told of the alert before; None when
	// it was not.
	Before Severity
	Alert  Alert
	Time   time.Time
}

// Key returns the key of a notification.
func (n News) Key(alertID string) string {
	if n.Action == Resolve {
		return fmt.Sprintf("%s/%s", alertID, n.Action)
	}
	return fmt.Sprintf("%s/%s/%s", alertID, n.Action, n.Severity)
}

// Title is one line that says what it is about.
func (n Notification) Title() string {
	word := strings.ToUpper(n.Severity.String())
	switch n.Action {
	case Acknowledge:
		word = "ACKNOWLEDGED"
	case Resolve:
		word = "RESOLVED"
	case Trigger:
	}
	return line(fmt.Sprintf("[%s] %s: %s", word, n.Alert.Job, n.Alert.Summary), MaxSummary)
}

// Explain is the command that tells the whole story of the last failure; empty
// when there was none.
func (a Alert) Explain() string {
	if a.Failure == "" {
		return ""
	}
	return "redrive explain " + a.Failure
}
