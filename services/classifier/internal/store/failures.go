// Package store keeps failures and rules as typed documents, and tells what
// became of them through the outbox.
package store

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Service is the name under which the classifier keeps and tells things.
const Service = "classifier"

// Source is the ce-source of the classifier's events.
const Source = "redrive/" + Service

// The kinds of documents of a failure. The failure as it was classified and the
// text of its logs, which is most of it, are written once; what changes with its
// steps is a small document, by which failures are counted and purged as well.
const (
	failureKind  = Service + ".failure"
	logsKind     = Service + ".failure_logs"
	progressKind = Service + ".failure_progress"
)

// The indexes of failures. Those of a list end with the time.
const (
	byTime        = "time"
	byClass       = "class"
	byJob         = "job"
	byWorkflow    = "workflow"
	byFingerprint = "fingerprint"
	byOpen        = "open" // of progress: since when a failure that is not final stands as it does
	byLate        = "late" // of progress: when the logs are to be read once more
)

// mostSame bounds how many failures are counted as the same.
const mostSame = 100

// Committer puts documents and events in one commit. *outbox.Outbox is one.
type Committer interface {
	// Commit is errs.Conflict when a document has another revision than its
	// write asks for.
	Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error
}

// Failures keeps failures.
type Failures struct {
	store    docstore.Store
	commit   Committer
	failures docstore.Collection[*redrivev1.Failure] // as they were classified
	progress docstore.Collection[progress]
	outcomes docstore.Collection[keptOutcome]
}

// progress is how far a failure is.
type progress struct {
	*redrivev1.FailureProgress
	id       string
	revision int64
}

// NewFailures returns the failures in s; changes go through c.
func NewFailures(s docstore.Store, c Committer) *Failures {
	return &Failures{
		store: s, commit: c,
		failures: docstore.NewCollection(s, failureKind, docstore.Codec[*redrivev1.Failure]{
			Encode: func(p *redrivev1.Failure) ([]byte, error) { return proto.Marshal(p) },
			Decode: func(doc docstore.Doc) (*redrivev1.Failure, error) {
				p := &redrivev1.Failure{}
				return p, proto.Unmarshal(doc.Value, p)
			},
			Index: failureIndex,
		}),
		progress: docstore.NewCollection(s, progressKind, docstore.Codec[progress]{
			Encode: func(p progress) ([]byte, error) { return proto.Marshal(p.FailureProgress) },
			Decode: func(doc docstore.Doc) (progress, error) {
				p := progress{&redrivev1.FailureProgress{}, doc.ID, doc.Revision}
				return p, proto.Unmarshal(doc.Value, p.FailureProgress)
			},
			Index: progressIndex,
		}),
		outcomes: outcomes(s),
	}
}

// sep separates the parts of an index value; no part contains it.
const sep = "\x00"

func failureIndex(p *redrivev1.Failure) []docstore.Entry {
	at := docstore.TimeKey(p.GetCreateTime().AsTime())
	job := jobName(p)
	return []docstore.Entry{
		{Name: byTime, Value: at},
		{Name: byClass, Value: p.GetClass() + sep + at},
		{Name: byJob, Value: job + sep + at},
		{Name: byWorkflow, Value: p.GetType().GetWorkflow() + sep + at},
		{Name: byFingerprint, Value: sameKey(job, p.GetFingerprint(), int(p.GetAttempt().GetAttempt()))},
	}
}

// sameKey orders the failures of one job with one fingerprint by attempt.
func sameKey(job, fingerprint string, attempt int) string {
	return fmt.Sprintf("%s%s%s%s%05d", job, sep, fingerprint, sep, attempt)
}

func progressIndex(p progress) []docstore.Entry {
	all := []docstore.Entry{{Name: byTime, Value: docstore.TimeKey(p.GetCreateTime().AsTime())}}
	if p.GetState() != redrivev1.Failure_STATE_FINAL {
		all = append(all, docstore.Entry{Name: byOpen, Value: docstore.TimeKey(p.GetUpdateTime().AsTime())})
	}
	if p.LateTime != nil {
		all = append(all, docstore.Entry{Name: byLate, Value: docstore.TimeKey(p.GetLateTime().AsTime())})
	}
	return all
}

// Get implements record.Store.
func (s *Failures) Get(ctx context.Context, id string) (record.Record, error) {
	p, now, err := s.read(ctx, id)
	if err != nil {
		return record.Record{}, err
	}
	f, err := wire.FailureFromProto(p)
	f.LateTime = wellknown.Time(now.GetLateTime())
	return record.Record{Failure: f, Revision: now.revision, Emission: int(now.GetEmission())}, err
}

// Read returns a failure with the text of its logs, or errs.NotFound.
func (s *Failures) Read(ctx context.Context, id string) (*redrivev1.Failure, error) {
	p, _, err := s.read(ctx, id)
	if err == nil {
		p.Reclassification, err = s.remark(ctx, id)
	}
	return p, err
}

func (s *Failures) read(ctx context.Context, id string) (*redrivev1.Failure, progress, error) {
	p, err := s.failures.Get(ctx, id)
	if err != nil {
		return nil, progress{}, missing(id, err)
	}
	now, err := s.progress.Get(ctx, id)
	if err != nil {
		return nil, now, missing(id, err)
	}
	doc, err := s.store.Get(ctx, logsKind, id)
	if err != nil {
		return nil, now, missing(id, err)
	}
	var logs redrivev1.FailureLogs
	if err := proto.Unmarshal(doc.Value, &logs); err != nil {
		return nil, now, errs.New(errs.Internal, "decode the logs of failure %q: %w", id, err)
	}
	p.GetEvidence().Logs, p.LateLogs = logs.GetLogs(), logs.GetLateLogs()
	return now.of(p), now, nil
}

// missing names the failure of which a document is not there: it was never, or
// was purged just now.
func missing(id string, err error) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "%s does not exist", wire.FailureName(id))
	}
	return err
}

// of makes of a failure as it was classified what it is now.
func (now progress) of(p *redrivev1.Failure) *redrivev1.Failure {
	p.State, p.Patch, p.Warnings, p.UpdateTime = now.GetState(), now.GetPatch(), now.GetWarnings(), now.GetUpdateTime()
	if now.Recommendation != nil {
		p.Recommendation = now.Recommendation
	}
	wire.Whole(p)
	return p
}

// made is what was made of a record when it was put, for the next time.
type made struct {
	announced *redrivev1.Failure // as failure.classified carries it
	// advised says that the failure was put with its recommendation.
	advised bool
}

// Put implements record.Store.
func (s *Failures) Put(ctx context.Context, r record.Record, announce bool) (record.Record, error) {
	m, writes, err := s.make(r)
	if err != nil {
		return r, err
	}
	var events []bus.Event
	if announce {
		e, err := bus.NewEvent(bus.FailureClassified, r.ID(), Source, r.Attempt.JobName(), time.Now(), &redrivev1.FailureClassified{Failure: m.announced})
		if err != nil {
			return r, err
		}
		e.Emission = r.Emission
		events = append(events, e)
	}
	write, err := s.progress.Write(r.ID(), r.Revision, m.progress(r))
	if err != nil {
		return r, err
	}
	if err := s.commit.Commit(ctx, events, append(writes, write)...); err != nil {
		return r, err
	}
	r.Revision++
	r.Made = m
	return r, nil
}

// make makes of r what is put and told of it, and of a new one the documents
// that never change.
func (s *Failures) make(r record.Record) (m made, first []docstore.Write, err error) {
	if m, ok := r.Made.(made); ok {
		wire.Stepped(m.announced, r.Failure)
		return m, nil, nil
	}
	p, err := wire.Failure(r.Failure)
	if err != nil {
		return m, nil, err
	}
	isNew := r.Revision == docstore.Absent
	if isNew {
		if first, err = s.firstWrites(r.ID(), p); err != nil {
			return m, nil, err
		}
	}
	return made{wire.Announced(p), isNew && r.Recommendation != nil}, first, nil
}

func (m made) progress(r record.Record) progress {
	now := &redrivev1.FailureProgress{
		State: m.announced.State, Patch: m.announced.Patch, Warnings: m.announced.Warnings,
		CreateTime: m.announced.CreateTime, UpdateTime: m.announced.UpdateTime, Emission: int32(r.Emission),
		LateTime: wellknown.Timestamp(r.LateTime),
	}
	if !m.advised && r.Recommendation != nil {
		now.Recommendation = wire.Answer(*r.Recommendation)
	}
	return progress{FailureProgress: now}
}

// firstWrites are the documents that never change. They take the text of the
// logs out of p.
func (s *Failures) firstWrites(id string, p *redrivev1.Failure) ([]docstore.Write, error) {
	logs, err := proto.Marshal(&redrivev1.FailureLogs{Logs: p.GetEvidence().GetLogs()})
	if err != nil {
		return nil, errs.New(errs.Internal, "encode the logs: %w", err)
	}
	if logs == nil {
		logs = []byte{} // nil would delete
	}
	wire.WithoutText(p)
	write, err := s.failures.Write(id, docstore.Absent, p)
	return []docstore.Write{write, {Kind: logsKind, ID: id, Revision: docstore.Absent, Value: logs}}, err
}

// SameFailures implements record.Store.
func (s *Failures) SameFailures(ctx context.Context, f record.Failure) (int, error) {
	if f.Attempt.Number <= 1 {
		return 0, nil // there is none before it
	}
	job := f.Attempt.JobName()
	return s.store.Count(ctx, docstore.Query{
		Kind: failureKind, Index: byFingerprint,
		From: sameKey(job, f.Result.Fingerprint, 0), Until: sameKey(job, f.Result.Fingerprint, f.Attempt.Number),
	}, mostSame)
}
