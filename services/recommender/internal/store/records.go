package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

const (
	recordKind = Service + ".record"
	byTold     = "told"    // all: when they were told
	byAttempt  = "attempt" // all: the attempt's id
	byCluster  = "cluster" // successes on clusters: the job type
)

// Bounds of the records that are kept. A record has some 500 bytes.
const (
	// KeepRecords is how long a record is kept.
	KeepRecords = 400 * 24 * time.Hour
	// MaxRecords is how many are kept, those told last.
	MaxRecords = 1_000_000
)

// recordPage is how many records are in memory at a time while all are read.
const recordPage = 1000

// Records keeps training records: one document each, never changed. A document's
// id sorts by job type, then by the end of the attempt.
type Records struct {
	store     docstore.Store
	documents docstore.Collection[record.Record]
	most      int // MaxRecords, and less in tests
}

// NewRecords returns the records in s.
func NewRecords(s docstore.Store) *Records {
	return &Records{store: s, most: MaxRecords, documents: docstore.NewCollection(s, recordKind, docstore.Codec[record.Record]{
		Encode: func(r record.Record) ([]byte, error) {
			return proto.MarshalOptions{Deterministic: true}.Marshal(wire.TrainingRecord(r))
		},
		Decode: func(doc docstore.Doc) (record.Record, error) {
			var p redrivev1.TrainingRecord
			err := proto.Unmarshal(doc.Value, &p)
			return wire.TrainingRecordFromProto(&p), err
		},
		Index: recordIndex,
	})}
}

func recordIndex(r record.Record) []docstore.Entry {
	entries := []docstore.Entry{{Name: byTold, Value: docstore.TimeKey(r.Told)}, {Name: byAttempt, Value: r.ID}}
	if r.Outcome == history.Succeeded && r.Shape != (failure.Shape{}) {
		entries = append(entries, docstore.Entry{Name: byCluster, Value: r.Type.Key()})
	}
	return entries
}

func recordID(r record.Record) string {
	return r.Type.Key() + "/" + docstore.TimeKey(r.End) + "/" + r.ID
}

// writes returns the writes of those records of whose attempts there is none.
// The first one of an attempt is the one that is kept.
func (s *Records) writes(ctx context.Context, all []record.Record) ([]docstore.Write, error) {
	writes := make([]docstore.Write, 0, len(all))
	seen := make(map[string]bool, len(all))
	for _, r := range all {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		n, err := s.store.Count(ctx, attemptQuery(r.ID), 1)
		if err != nil {
			return nil, fmt.Errorf("look for the record of attempt %s: %w", r.ID, err)
		}
		if n > 0 {
			continue
		}
		w, err := s.documents.Write(recordID(r), docstore.Absent, r)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func attemptQuery(id string) docstore.Query {
	return docstore.Query{Kind: recordKind, Index: byAttempt, From: id, Until: id + "\x00", Limit: 1}
}

// Add puts records and returns how many were not there. What is there stays as
// it is. It is errs.Conflict when somebody else put one of them at that moment.
func (s *Records) Add(ctx context.Context, all ...record.Record) (added int, err error) {
	for len(all) > 0 {
		some := all[:min(docstore.MaxWrites, len(all))]
		all = all[len(some):]
		writes, err := s.writes(ctx, some)
		if err != nil {
			return added, err
		}
		if len(writes) == 0 {
			continue
		}
		if err := s.store.Commit(ctx, writes...); err != nil {
			return added, err
		}
		added += len(writes)
	}
	return added, nil
}

// Get returns the record of an attempt; it is errs.NotFound when there is none.
func (s *Records) Get(ctx context.Context, attempt string) (record.Record, error) {
	found, _, err := s.documents.List(ctx, attemptQuery(attempt))
	if err == nil && len(found) == 0 {
		err = errs.New(errs.NotFound, "there is no record of attempt %q", attempt)
	}
	if err != nil {
		return record.Record{}, err
	}
	return found[0], nil
}

// List returns a page of the records of a job type, or of all with the zero
// type, that ended from since on, by type and then by time.
func (s *Records) List(ctx context.Context, t failure.Type, since time.Time, p docstore.Paging) ([]record.Record, string, error) {
	if (t == failure.Type{}) {
		return s.documents.Find(ctx, p.Query(docstore.Query{}), func(r record.Record) bool { return !r.End.Before(since) })
	}
	prefix := t.Key() + "/"
	return s.documents.List(ctx, p.Query(docstore.Query{From: prefix + docstore.TimeKey(since), Until: t.Key() + "0"})) // "0" follows "/"
}

// Newest returns the records that were told last, at most n, newest first.
func (s *Records) Newest(ctx context.Context, n int) ([]record.Record, error) {
	var all []record.Record
	for r, err := range s.each(ctx, docstore.Query{Index: byTold, Descending: true, Limit: min(n, recordPage)}) {
		if err != nil {
			return nil, err
		}
		if all = append(all, r); len(all) == n {
			break
		}
	}
	return all, nil
}

// ByType returns all records, by job type and then by time, a page in memory at
// a time. It can be ranged over again.
func (s *Records) ByType(ctx context.Context) iter.Seq2[record.Record, error] {
	return s.each(ctx, docstore.Query{})
}

// Told returns the records that were told of from then and before until, in
// that order; a zero time is no bound.
func (s *Records) Told(ctx context.Context, from, until time.Time) iter.Seq2[record.Record, error] {
	q := docstore.Query{Index: byTold}
	if !from.IsZero() {
		q.From = docstore.TimeKey(from)
	}
	if !until.IsZero() {
		q.Until = docstore.TimeKey(until)
	}
	return s.each(ctx, q)
}

// OnClusters returns the successes on clusters, by job type and then by time.
func (s *Records) OnClusters(ctx context.Context) iter.Seq2[record.Record, error] {
	return s.each(ctx, docstore.Query{Index: byCluster})
}

// each reads all records that q selects, page by page. The error comes last.
func (s *Records) each(ctx context.Context, q docstore.Query) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		q := q
		q.Limit = cmp.Or(q.Limit, recordPage)
		for {
			page, next, err := s.documents.List(ctx, q)
			if err != nil {
				yield(record.Record{}, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.After = next
		}
	}
}

// Purge deletes records that are older than KeepRecords or beyond MaxRecords, at
// most purgeMost in one call beyond those that are too old.
func (s *Records) Purge(ctx context.Context, now time.Time) error {
	if _, err := s.purge(ctx, docstore.TimeKey(now.Add(-KeepRecords)), 0); err != nil {
		return err
	}
	for {
		n, err := s.store.Count(ctx, docstore.Query{Kind: recordKind, Index: byTold}, s.most+purgeMost)
		if err != nil || n <= s.most {
			return err
		}
		if deleted, err := s.purge(ctx, "", n-s.most); err != nil || deleted == 0 {
			return err
		}
	}
}

// purge deletes the records told first: those before until, and at most most of
// them unless that is 0.
func (s *Records) purge(ctx context.Context, until string, most int) (deleted int, err error) {
	for most == 0 || deleted < most {
		q := docstore.Query{Kind: recordKind, Index: byTold, Until: until, Limit: recordPage}
		if most > 0 {
			q.Limit = min(q.Limit, most-deleted)
		}
		page, err := s.store.List(ctx, q)
		if err != nil || len(page.Docs) == 0 {
			return deleted, err
		}
		writes := make([]docstore.Write, len(page.Docs))
		for i, doc := range page.Docs {
			writes[i] = docstore.Write{Kind: recordKind, ID: doc.ID, Revision: docstore.AnyRevision}
		}
		if err := s.store.Commit(ctx, writes...); err != nil {
			return deleted, err
		}
		deleted += len(writes)
	}
	return deleted, nil
}
