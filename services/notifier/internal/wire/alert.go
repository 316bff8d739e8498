// Package wire translates alerts between the notifier's own words and those of
// the protos.
package wire

import (
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
)

// Alert writes an alert for the API, without its deliveries.
func Alert(a alert.Alert) *redrivev1.Alert {
	return &redrivev1.Alert{
		Name: a.Name(), DedupKey: a.Job, State: redrivev1.Alert_State(a.State), Severity: redrivev1.Alert_Severity(a.Severity),
		Job: a.Job, Type: a.Type.Proto(), Owner: a.Owner, Summary: a.Summary, Class: string(a.Class), Failure: a.Failure,
		Attempt: int32(a.Attempt), Excerpt: a.Excerpt, Action: a.Action, WillRetry: a.WillRetry, NextRetryTime: wellknown.Timestamp(a.NextRetry),
		SafeToRetry: a.SafeToRetry, Runbook: a.Runbook, CreateTime: wellknown.Timestamp(a.Created), UpdateTime: wellknown.Timestamp(a.Updated),
		ResolveTime: wellknown.Timestamp(a.Resolved), AcknowledgedBy: a.AcknowledgedBy, Failures: int32(a.FailureCount), Revision: a.Revision,
	}
}

// fromAlert reads what Alert writes.
func fromAlert(p *redrivev1.Alert, source string) alert.Alert {
	return alert.Alert{
		ID: trim(p.GetName(), "alerts/"), Job: p.GetJob(), State: alert.State(p.GetState()), Severity: alert.Severity(p.GetSeverity()),
		Source: source, Type: failure.TypeFromProto(p.GetType()), Owner: p.GetOwner(), Summary: p.GetSummary(),
		Class: failure.Class(p.GetClass()), Failure: p.GetFailure(), Attempt: int(p.GetAttempt()), Excerpt: p.GetExcerpt(),
		Action: p.GetAction(), WillRetry: p.GetWillRetry(), NextRetry: wellknown.Time(p.GetNextRetryTime()), SafeToRetry: p.GetSafeToRetry(),
		Runbook: p.GetRunbook(), FailureCount: int(p.GetFailures()), Created: wellknown.Time(p.GetCreateTime()), Updated: wellknown.Time(p.GetUpdateTime()),
		Resolved: wellknown.Time(p.GetResolveTime()), AcknowledgedBy: p.GetAcknowledgedBy(), Revision: p.GetRevision(),
	}
}

// Record writes an alert for the store.
func Record(a alert.Alert) *redrivev1.AlertRecord {
	r := &redrivev1.AlertRecord{
		Alert: Alert(a), After: point(a.After), Source: a.Source, AcknowledgedSeverity: redrivev1.Alert_Severity(a.AcknowledgedSeverity),
		ResolutionTold: a.ResolutionTold, Receivers: a.Receivers,
	}
	for _, n := range a.Notices {
		r.Notices = append(r.Notices, &redrivev1.AlertNotice{Severity: redrivev1.Alert_Severity(n.Severity), Omitted: n.Omitted})
	}
	return r
}

// FromRecord reads an alert that is stored at a revision.
func FromRecord(r *redrivev1.AlertRecord, revision int64) alert.Alert {
	a := fromAlert(r.GetAlert(), r.GetSource())
	a.After, a.AcknowledgedSeverity = fromPoint(r.GetAfter()), alert.Severity(r.GetAcknowledgedSeverity())
	a.ResolutionTold, a.Receivers, a.Revision = r.GetResolutionTold(), r.GetReceivers(), revision
	for _, n := range r.GetNotices() {
		a.Notices = append(a.Notices, alert.Notice{Severity: alert.Severity(n.GetSeverity()), Omitted: n.GetOmitted()})
	}
	return a
}

// Deliveries writes the lanes of one alert for the API.
func Deliveries(lanes []delivery.Lane) []*redrivev1.Delivery {
	var all []*redrivev1.Delivery
	for _, l := range lanes {
		for _, x := range l.Items {
			all = append(all, &redrivev1.Delivery{
				Receiver: l.Receiver, Action: string(x.Notification.Action), State: redrivev1.Delivery_State(x.State),
				Tries: int32(x.Tries), Error: x.Error, UpdateTime: wellknown.Timestamp(x.Updated),
			})
		}
	}
	return all
}

// Lane writes a lane for the store.
func Lane(l delivery.Lane) *redrivev1.AlertLane {
	r := &redrivev1.AlertLane{Alert: l.Alert, Receiver: l.Receiver}
	for _, x := range l.Items {
		n := x.Notification
		p := &redrivev1.AlertNotification{
			Key: n.Key, Action: string(n.Action), Severity: redrivev1.Alert_Severity(n.Severity), Before: redrivev1.Alert_Severity(n.Before),
			Source: n.Alert.Source, CreateTime: wellknown.Timestamp(n.Time), State: redrivev1.Delivery_State(x.State), Tries: int32(x.Tries),
			Error: x.Error, DueTime: wellknown.Timestamp(x.Due), UpdateTime: wellknown.Timestamp(x.Updated),
		}
		if n.Alert.ID != "" {
			p.Alert = Alert(n.Alert)
		}
		r.Notifications = append(r.Notifications, p)
	}
	return r
}

// FromLane reads a lane that is stored at a revision.
func FromLane(r *redrivev1.AlertLane, revision int64) delivery.Lane {
	l := delivery.Lane{Alert: r.GetAlert(), Receiver: r.GetReceiver(), Revision: revision}
	for _, p := range r.GetNotifications() {
		l.Items = append(l.Items, delivery.Item{
			Notification: alert.Notification{
				Key: p.GetKey(), Action: alert.Action(p.GetAction()), Severity: alert.Severity(p.GetSeverity()),
				Before: alert.Severity(p.GetBefore()), Alert: fromAlert(p.GetAlert(), p.GetSource()), Time: wellknown.Time(p.GetCreateTime()),
			},
			State: delivery.State(p.GetState()), Tries: int(p.GetTries()), Error: p.GetError(),
			Due: wellknown.Time(p.GetDueTime()), Updated: wellknown.Time(p.GetUpdateTime()),
		})
	}
	return l
}

func trim(name, collection string) string {
	if len(name) > len(collection) && name[:len(collection)] == collection {
		return name[len(collection):]
	}
	return name
}
