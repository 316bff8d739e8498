package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// Alert is something that a human should know or do.
type Alert struct {
	ID       string
	Job      string // "jobs/{job}", or Models
	After    Point  // names the episode
	State    State
	Severity Severity

	Source       string // who ran the attempts
	Type         failure.Type
	Owner        string
	Summary      string
	Class        failure.Class
	Failure      string // "failures/{failure}" of the last failure
	Attempt      int
	Excerpt      []string
	Action       string
	WillRetry    bool
	NextRetry    time.Time
	SafeToRetry  string
	Runbook      string
	FailureCount int

	Created, Updated, Resolved time.Time

	AcknowledgedBy       string
	AcknowledgedSeverity Severity

	// Notices are the severities that were reached. Each is told at most once,
	// and only if it is worse than all that was told before.
	Notices        []Notice
	ResolutionTold bool
	// Receivers were told of the alert.
	Receivers []string

	Revision int64 // of the stored alert; 0 for one that is not stored
}

// Notice says what became of the news that an alert reached a severity.
type Notice struct {
	Severity Severity
	// Omitted is true when nobody was told: something louder, or the end, was
	// known before.
	Omitted bool
}

// ID names the alert of one episode of one job.
func ID(job string, after Point) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s,%d.%d", len(job), job, after.Attempt, after.Revision))
	return hex.EncodeToString(sum[:])[:24]
}

// Name returns the resource name of the alert.
func (a Alert) Name() string { return "alerts/" + a.ID }

// Told returns the worst severity that was told.
func (a Alert) Told() Severity {
	worst := None
	for _, n := range a.Notices {
		if !n.Omitted {
			worst = max(worst, n.Severity)
		}
	}
	return worst
}

// News is what receivers are to be told of an alert.
type News struct {
	Action Action
	// Severity is the one reached, for Trigger; that of the alert otherwise.
	Severity Severity
}

// Action is what a notification is about.
type Action string

// The actions.
const (
	Trigger     Action = "trigger"
	Acknowledge Action = "acknowledge"
	Resolve     Action = "resolve"
)

// Update brings the alert of an episode up to date and returns what is to be
// told. The zero Alert is one that is new.
func Update(old Alert, job string, ep Episode, now time.Time) (Alert, []News) {
	a := old
	if a.ID == "" {
		a = Alert{ID: ID(job, ep.After), Job: job, After: ep.After, Created: now}
	}
	a.Updated, a.Severity, a.FailureCount = now, ep.Severity, ep.Failures
	a.describe(ep)
	news := a.notice(ep)
	switch {
	case ep.End != nil:
		return a.end(now, news)
	case a.AcknowledgedSeverity != None && a.Severity <= a.AcknowledgedSeverity:
		a.State = Acknowledged
	default:
		a.State = Firing
	}
	return a, news
}

// Vanish resolves an alert whose episode is none any more: an end that became
// known late lies between its failures and what named it, so that they belong
// to another alert; or what it stood for turned out to need none.
func Vanish(old Alert, now time.Time) (Alert, []News) {
	a := old
	a.Updated, a.WillRetry, a.NextRetry = now, false, time.Time{}
	a.Action = "Withdrawn: what became known late shows that no alert was needed, or that another one of this job stands for it."
	return a.end(now, nil)
}

// notice books the severities that the episode reached and returns the one that
// is to be told, if any.
func (a *Alert) notice(ep Episode) []News {
	told := a.Told()
	var news []News
	for _, s := range ep.Reached {
		if slices.ContainsFunc(a.Notices, func(n Notice) bool { return n.Severity == s }) {
			continue
		}
		n := Notice{Severity: s, Omitted: ep.End != nil || s < ep.Severity || s <= told}
		a.Notices = append(slices.Clone(a.Notices), n)
		if !n.Omitted {
			news = append(news, News{Trigger, s})
		}
	}
	slices.SortFunc(a.Notices, func(x, y Notice) int { return int(x.Severity - y.Severity) })
	return news
}

func (a Alert) end(now time.Time, news []News) (Alert, []News) {
	if a.State != Resolved {
		a.State, a.Resolved = Resolved, now
	}
	if a.Told() != None && !a.ResolutionTold {
		a.ResolutionTold = true
		news = append(news, News{Resolve, a.Severity})
	}
	return a, news
}

// AcknowledgeBy says that somebody has the alert in hand. An alert that is
// acknowledged already stays as it is and there is no news; a resolved one is
// errs.FailedPrecondition.
func (a Alert) AcknowledgeBy(by string, now time.Time) (Alert, []News, error) {
	switch a.State {
	case Resolved:
		return a, nil, errs.New(errs.FailedPrecondition, "alert %q is resolved: there is nothing left to acknowledge", a.ID)
	case Acknowledged:
		return a, nil, nil
	}
	a.State, a.AcknowledgedBy, a.AcknowledgedSeverity = Acknowledged, Person(by), a.Severity
	a.Updated = now
	return a, []News{{Acknowledge, a.Severity}}, nil
}

// Person returns the name of who did something, for the record.
func Person(by string) string {
	if by = line(by, MaxName); by != "" {
		return by
	}
	return "an operator"
}
