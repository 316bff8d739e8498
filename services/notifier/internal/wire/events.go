package wire

import (
	"fmt"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Source is the ce-source of everything that the notifier says.
const Source = "redrive/notifier"

// Changed returns the event alert.changed about an alert that is stored as the
// revision in it. Its id is the alert's and the revision, so each change is told
// once.
func Changed(a alert.Alert, now time.Time) (bus.Event, error) {
	id := fmt.Sprintf("%s.%d", a.ID, a.Revision)
	return bus.NewEvent(bus.AlertChanged, id, Source, a.Job, now, &redrivev1.AlertChanged{Alert: Alert(a)})
}

// Failure reads the failure that a decision is about, and the name of its job.
func Failure(m *redrivev1.DecisionMade) (job string, f alert.Failure, err error) {
	ref := failure.AttemptFromProto(m.GetAttempt())
	if err := ref.Validate("attempt"); err != nil {
		return "", f, err
	}
	d, in := m.GetDecision(), m.GetDecision().GetInputs()
	name := in.GetFailure()
	if name == "" {
		name = "failures/" + ref.FailureID()
	}
	f = alert.Failure{
		Attempt: ref.Number, Revision: m.GetJobRevision(), Name: name, Source: ref.Source, Type: failure.TypeFromProto(m.GetType()),
		Owner: m.GetOwner(), Class: failure.Class(in.GetClass()), Category: category(in.GetCategory()), Verdict: failure.Verdict(in.GetVerdict()),
		Attention: alert.Attention(d.GetAttention()), Stopped: !m.GetWillRetry(), Cancelled: in.GetCancelRequested(),
		Degraded: d.GetDegraded(), Consecutive: int(in.GetConsecutiveFailures()), RetriesUsed: int(d.GetRetriesUsed()),
		RetryLimit: int(d.GetRetryLimit()), NextRetry: wellknown.Time(m.GetNextRetryTime()), Reason: d.GetReason(), Summary: m.GetSummary(),
		Runbook: m.GetRunbook(), Patch: in.GetPatch(), Excerpt: m.GetExcerpt(), Time: wellknown.Time(d.GetCreateTime()),
	}
	if f.Class == "" {
		f.Class = failure.Unknown
	}
	return ref.JobName(), f.Bounded(), nil
}

// category reads a category; one that this program does not know is none.
func category(p redrivev1.Category) failure.Category {
	if _, known := redrivev1.Category_name[int32(p)]; !known {
		return failure.CategoryNone
	}
	return failure.Category(p)
}

// Success reads the end that a success is, and the name of its job.
func Success(m *redrivev1.AttemptSucceeded, at time.Time) (job string, e alert.End, err error) {
	ref := failure.AttemptFromProto(m.GetAttempt())
	if err := ref.Validate("attempt"); err != nil {
		return "", e, err
	}
	return ref.JobName(), alert.End{Point: alert.Through(ref.Number), Cause: alert.Recovered, Time: at}, nil
}

// Finished reads how a job ended: as the end of what was wrong, or as a stop.
// Both are nil when the job did not end, and when it succeeded: the event of the
// attempt's success, which is told together with this one, says that already.
func Finished(m *redrivev1.JobFinished, at time.Time) (job string, e *alert.End, s *alert.Stop, err error) {
	ref := failure.AttemptFromProto(m.GetAttempt())
	check := ref
	check.Number = max(check.Number, 1) // a job may end before its first attempt
	if err := check.Validate("attempt"); err != nil {
		return "", nil, nil, err
	}
	if job := m.GetJob(); job != "" && job != ref.JobName() {
		return "", nil, nil, errs.Field("job", "is %q, but the attempt is of %q; they must be the same", alert.Cut(job, alert.MaxName), ref.JobName())
	}
	number := max(ref.Number, 0)
	switch m.GetState() {
	case redrivev1.Job_STATE_CANCELLED:
		e = &alert.End{Point: alert.Through(number), Cause: alert.Cancelled, Time: at}
	case redrivev1.Job_STATE_FAILED:
		stop := alert.Stop{
			Point: alert.Point{Attempt: number, Revision: m.GetJobRevision()}, Reason: m.GetReason(), Source: ref.Source,
			Type: failure.TypeFromProto(m.GetType()), Time: at,
		}.Bounded()
		s = &stop
	default:
	}
	return ref.JobName(), e, s, nil
}

// ParseName returns the id in "alerts/{alert}"; field is its name in the
// request.
func ParseName(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, "alerts/")
	if !ok || id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return "", errs.Field(field, "%q is not the name of an alert, such as alerts/0123456789abcdef01234567", alert.Cut(name, alert.MaxName))
	}
	return id, nil
}
