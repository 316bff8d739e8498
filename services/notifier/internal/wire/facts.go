package wire

import (
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// History writes facts for the store.
func History(f alert.Facts) *redrivev1.AlertHistory {
	r := &redrivev1.AlertHistory{
		Job: f.Job, FoldedFailures: int32(f.Folded), FoldedThrough: int32(f.FoldedThrough), UpdateTime: wellknown.Timestamp(f.Updated),
	}
	if f.Floor != nil {
		r.Floor = point(*f.Floor)
	}
	for _, s := range f.FoldedReached {
		r.FoldedSeverities = append(r.FoldedSeverities, redrivev1.Alert_Severity(s))
	}
	for _, p := range f.Open {
		r.Open = append(r.Open, point(p))
	}
	for _, x := range f.Failures {
		r.Failures = append(r.Failures, writeFailure(x))
	}
	for _, x := range f.Stops {
		r.Stops = append(r.Stops, &redrivev1.AlertStop{
			Point: point(x.Point), Reason: x.Reason, Source: x.Source, Type: x.Type.Proto(), Time: wellknown.Timestamp(x.Time),
			Attention: int32(x.Attention),
		})
	}
	for _, x := range f.Ends {
		r.Ends = append(r.Ends, &redrivev1.AlertEnd{
			Point: point(x.Point), Cause: redrivev1.AlertEnd_Cause(x.Cause), By: x.By, Time: wellknown.Timestamp(x.Time),
		})
	}
	return r
}

// FromHistory reads what History writes.
func FromHistory(r *redrivev1.AlertHistory) alert.Facts {
	f := alert.Facts{
		Job: r.GetJob(), Folded: int(r.GetFoldedFailures()), FoldedThrough: int(r.GetFoldedThrough()), Updated: wellknown.Time(r.GetUpdateTime()),
	}
	if r.GetFloor() != nil {
		floor := fromPoint(r.GetFloor())
		f.Floor = &floor
	}
	for _, s := range r.GetFoldedSeverities() {
		f.FoldedReached = append(f.FoldedReached, alert.Severity(s))
	}
	for _, p := range r.GetOpen() {
		f.Open = append(f.Open, fromPoint(p))
	}
	for _, x := range r.GetFailures() {
		f.Failures = append(f.Failures, readFailure(x))
	}
	for _, x := range r.GetStops() {
		f.Stops = append(f.Stops, alert.Stop{
			Point: fromPoint(x.GetPoint()), Reason: x.GetReason(), Source: x.GetSource(), Type: failure.TypeFromProto(x.GetType()),
			Time: wellknown.Time(x.GetTime()), Attention: alert.Attention(x.GetAttention()),
		})
	}
	for _, x := range r.GetEnds() {
		f.Ends = append(f.Ends, alert.End{
			Point: fromPoint(x.GetPoint()), Cause: alert.Cause(x.GetCause()), By: x.GetBy(), Time: wellknown.Time(x.GetTime()),
		})
	}
	return f
}

func writeFailure(x alert.Failure) *redrivev1.AlertFailure {
	return &redrivev1.AlertFailure{
		Attempt: int32(x.Attempt), Revision: x.Revision, Failure: x.Name, Source: x.Source, Type: x.Type.Proto(), Owner: x.Owner,
		Class: string(x.Class), Category: redrivev1.Category(x.Category), Verdict: redrivev1.Verdict(x.Verdict),
		Attention: int32(x.Attention), Stopped: x.Stopped, Cancelled: x.Cancelled, Degraded: x.Degraded,
		Consecutive: int32(x.Consecutive), RetriesUsed: int32(x.RetriesUsed), RetryLimit: int32(x.RetryLimit), Reason: x.Reason,
		Summary: x.Summary, Runbook: x.Runbook, Patch: x.Patch, Excerpt: x.Excerpt, NextRetryTime: wellknown.Timestamp(x.NextRetry), Time: wellknown.Timestamp(x.Time),
	}
}

func readFailure(p *redrivev1.AlertFailure) alert.Failure {
	return alert.Failure{
		Attempt: int(p.GetAttempt()), Revision: p.GetRevision(), Name: p.GetFailure(), Source: p.GetSource(),
		Type: failure.TypeFromProto(p.GetType()), Owner: p.GetOwner(), Class: failure.Class(p.GetClass()),
		Category: failure.Category(p.GetCategory()), Verdict: failure.Verdict(p.GetVerdict()), Attention: alert.Attention(p.GetAttention()),
		Stopped: p.GetStopped(), Cancelled: p.GetCancelled(), Degraded: p.GetDegraded(), Consecutive: int(p.GetConsecutive()),
		RetriesUsed: int(p.GetRetriesUsed()), RetryLimit: int(p.GetRetryLimit()), Reason: p.GetReason(), Summary: p.GetSummary(),
		Runbook: p.GetRunbook(), Patch: p.GetPatch(), Excerpt: p.GetExcerpt(), NextRetry: wellknown.Time(p.GetNextRetryTime()), Time: wellknown.Time(p.GetTime()),
	}
}

func point(p alert.Point) *redrivev1.AlertPoint {
	return &redrivev1.AlertPoint{Attempt: int32(p.Attempt), Revision: p.Revision}
}

func fromPoint(p *redrivev1.AlertPoint) alert.Point {
	return alert.Point{Attempt: int(p.GetAttempt()), Revision: p.GetRevision()}
}
