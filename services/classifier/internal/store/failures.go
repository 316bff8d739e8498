// Package store keeps failures and rules as typed documents, and tells what
// became of them through the outbox.
package store

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Service is the name under which the classifier keeps and tells things.
const Service = "classifier"

// Source is the ce-source of the classifier's events.
const Source = "redrive/" + Service

// The kinds of documents of a failure. Its record changes with each step; the
// text of its logs, which is most of it, is written once; its age is a small
// twin, so that counting and purging read little.
const (
	failureKind = Service + ".failure"
	logsKind    = Service + ".failure_logs"
	ageKind     = Service + ".failure_age"
)

// The indexes of a failure's record. Those of a list end with the time.
const (
	byTime        = "time"
	byClass       = "class"
	byJob         = "job"
	byWorkflow    = "workflow"
	byFingerprint = "fingerprint"
	byOpen        = "open" // since when a record that is not final stands as it does
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
	store   docstore.Store
	commit  Committer
	records docstore.Collection[kept]
}

// kept is a record as it is stored, without the text of its logs. What is in it
// twice is stored once (wire.Lean).
type kept struct {
	*redrivev1.FailureRecord
	revision int64
}

var deterministic = proto.MarshalOptions{Deterministic: true}

// NewFailures returns the failures in s; changes go through c.
func NewFailures(s docstore.Store, c Committer) *Failures {
	return &Failures{store: s, commit: c, records: docstore.NewCollection(s, failureKind, docstore.Codec[kept]{
		Encode: func(k kept) ([]byte, error) { return deterministic.Marshal(k.FailureRecord) },
		Decode: func(doc docstore.Doc) (kept, error) {
			k := kept{&redrivev1.FailureRecord{}, doc.Revision}
			err := proto.Unmarshal(doc.Value, k.FailureRecord)
			wire.Whole(k.GetFailure())
			return k, err
		},
		Index: func(k kept) []docstore.Entry { return failureIndex(k.GetFailure()) },
	})}
}

// sep separates the parts of an index value; no part contains it.
const sep = "\x00"

func failureIndex(f *redrivev1.Failure) []docstore.Entry {
	at := docstore.TimeKey(f.GetCreateTime().AsTime())
	job := jobName(f)
	all := []docstore.Entry{
		{Name: byTime, Value: at},
		{Name: byClass, Value: f.GetClass() + sep + at},
		{Name: byJob, Value: job + sep + at},
		{Name: byWorkflow, Value: f.GetType().GetWorkflow() + sep + at},
		{Name: byFingerprint, Value: job + sep + f.GetFingerprint()},
	}
	if f.GetState() != redrivev1.Failure_STATE_FINAL {
		all = append(all, docstore.Entry{Name: byOpen, Value: docstore.TimeKey(f.GetUpdateTime().AsTime())})
	}
	return all
}

// Get implements record.Store.
func (s *Failures) Get(ctx context.Context, id string) (record.Record, error) {
	p, k, err := s.read(ctx, id)
	if err != nil {
		return record.Record{}, err
	}
	f, err := wire.FailureFromProto(p)
	return record.Record{Failure: f, Revision: k.revision, Emission: int(k.GetEmission())}, err
}

// Read returns a failure with the text of its logs, or errs.NotFound.
func (s *Failures) Read(ctx context.Context, id string) (*redrivev1.Failure, error) {
	p, _, err := s.read(ctx, id)
	return p, err
}

func (s *Failures) read(ctx context.Context, id string) (*redrivev1.Failure, kept, error) {
	k, err := s.records.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, k, errs.New(errs.NotFound, "%s does not exist", wire.FailureName(id))
	}
	if err != nil {
		return nil, k, err
	}
	doc, err := s.store.Get(ctx, logsKind, id)
	if errs.Is(err, errs.NotFound) {
		return nil, k, errs.New(errs.NotFound, "%s does not exist", wire.FailureName(id)) // purged just now
	}
	if err != nil {
		return nil, k, err
	}
	var logs redrivev1.FailureLogs
	if err := proto.Unmarshal(doc.Value, &logs); err != nil {
		return nil, k, errs.New(errs.Internal, "decode the logs of failure %q: %w", id, err)
	}
	k.GetFailure().GetEvidence().Logs = logs.GetLogs()
	return k.GetFailure(), k, nil
}

// Put implements record.Store.
func (s *Failures) Put(ctx context.Context, r record.Record, announce bool) (record.Record, error) {
	p, err := wire.Failure(r.Failure)
	if err != nil {
		return r, err
	}
	var events []bus.Event
	if announce {
		e, err := bus.NewEvent(bus.FailureClassified, r.ID(), Source, r.Attempt.JobName(), time.Now(),
			&redrivev1.FailureClassified{Failure: wire.Announced(p)})
		if err != nil {
			return r, err
		}
		e.Emission = r.Emission
		events = append(events, e)
	}
	var writes []docstore.Write
	if r.Revision == 0 {
		if writes, err = s.firstWrites(r.ID(), p); err != nil {
			return r, err
		}
	}
	p.GetEvidence().Logs = withoutText(p.GetEvidence().GetLogs())
	wire.Lean(p)
	write, err := s.records.Write(r.ID(), r.Revision, kept{&redrivev1.FailureRecord{Failure: p, Emission: int32(r.Emission)}, r.Revision})
	if err != nil {
		return r, err
	}
	if err := s.commit.Commit(ctx, events, append(writes, write)...); err != nil {
		return r, err
	}
	r.Revision++
	return r, nil
}

// firstWrites are the documents that never change.
func (s *Failures) firstWrites(id string, p *redrivev1.Failure) ([]docstore.Write, error) {
	logs, err := deterministic.Marshal(&redrivev1.FailureLogs{Logs: p.GetEvidence().GetLogs()})
	if err != nil {
		return nil, errs.New(errs.Internal, "encode the logs: %w", err)
	}
	age, err := deterministic.Marshal(&redrivev1.FailureAge{CreateTime: p.GetCreateTime()})
	if err != nil {
		return nil, errs.New(errs.Internal, "encode the age: %w", err)
	}
	if logs == nil {
		logs = []byte{} // nil would delete
	}
	return []docstore.Write{
		{Kind: logsKind, ID: id, Revision: docstore.Absent, Value: logs},
		{Kind: ageKind, ID: id, Revision: docstore.Absent, Value: age, Index: ageIndex(p.GetCreateTime())},
	}, nil
}

func ageIndex(t *timestamppb.Timestamp) []docstore.Entry {
	return []docstore.Entry{{Name: byTime, Value: docstore.TimeKey(t.AsTime())}}
}

func withoutText(logs []*redrivev1.Log) []*redrivev1.Log {
	all := make([]*redrivev1.Log, 0, len(logs))
	for _, l := range logs {
		l = proto.CloneOf(l)
		l.Head, l.Tail = "", ""
		all = append(all, l)
	}
	return all
}

// SameFailures implements record.Store.
func (s *Failures) SameFailures(ctx context.Context, f record.Failure) (int, error) {
	key := f.Attempt.JobName() + sep + f.Result.Fingerprint
	same, _, err := s.records.Find(ctx, docstore.Query{Index: byFingerprint, From: key, Until: key + sep, Limit: mostSame}, func(k kept) bool {
		return int(k.GetFailure().GetAttempt().GetAttempt()) < f.Attempt.Number
	})
	return len(same), err
}
