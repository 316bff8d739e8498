// Package store keeps the histories of job types, one document each, the records
// of attempts, and models. Learning the same again changes nothing.
package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

const (
	// Service is the name under which the recommender keeps things.
	Service   = "recommender"
	kind      = Service + ".model"
	byUpdated = "updated"
)

// Bounds of what is kept.
const (
	// KeepFor is how long the history of a job type outlives its last attempt.
	KeepFor = 400 * 24 * time.Hour
	// MaxTypes is how many job types are kept, the last heard of; a document has
	// some 40 KiB at most.
	MaxTypes = 100_000
)

// Histories keeps the histories of all job types.
type Histories struct {
	store     docstore.Store
	documents docstore.Collection[stored]
	records   *Records
	classes   classes
	cache     cache
	maxTypes  int // MaxTypes, and less in tests
}

// stored is a history and the revision of its document.
type stored struct {
	history.History
	revision int64
}

// New returns the histories in s, beside which the records are put. What is to be
// learnt waits a moment for more, so that much of it is one commit; 0 is no
// moment.
func New(s docstore.Store, moment time.Duration) *Histories {
	return &Histories{
		store: s, records: NewRecords(s), classes: classes{moment: moment}, cache: newCache(), maxTypes: MaxTypes,
		documents: docstore.NewCollection(s, kind, docstore.Codec[stored]{Encode: encode, Decode: decode, Index: index}),
	}
}

func encode(h stored) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(wire.History(h.History))
}

func decode(doc docstore.Doc) (stored, error) {
	var p redrivev1.JobTypeHistory
	if err := proto.Unmarshal(doc.Value, &p); err != nil {
		return stored{}, err
	}
	return stored{wire.HistoryFromProto(&p), doc.Revision}, nil
}

// index is to the hour, so that most changes leave it.
func index(h stored) []docstore.Entry {
	hour := docstore.TimeKey(h.Updated.Truncate(time.Hour))
	return append(kinIndex(h, hour), docstore.Entry{Name: byUpdated, Value: hour})
}

// Get returns the history of a job type; it is errs.NotFound when nothing is
// known of it.
func (s *Histories) Get(ctx context.Context, t failure.Type) (history.History, error) {
	h, err := s.read(ctx, t)
	return h.History, err
}

// read reads a history.
func (s *Histories) read(ctx context.Context, t failure.Type) (stored, error) {
	doc, err := s.store.Get(ctx, kind, t.Key())
	if err != nil {
		return stored{}, fmt.Errorf("read the history of %s: %w", t.Key(), err)
	}
	return s.decoded(doc)
}

// decoded decodes a document, unless it is in the cache as it is stored.
func (s *Histories) decoded(doc docstore.Doc) (stored, error) {
	if h, ok := s.cache.get(doc.ID, doc.Value); ok {
		return stored{h, doc.Revision}, nil
	}
	h, err := decode(doc)
	if err != nil {
		return stored{}, errs.New(errs.Internal, "decode the history %s at revision %d: %w", doc.ID, doc.Revision, err)
	}
	s.cache.put(doc.ID, doc.Value, h.History)
	return h, nil
}

// purgeBatch histories are deleted at a time, and purgeMost beyond MaxTypes in
// one Purge.
const (
	purgeBatch = 200
	purgeMost  = 10_000
)

// Purge forgets job types of which nothing was heard for KeepFor, and those
// beyond MaxTypes. It reads little more than it deletes.
func (s *Histories) Purge(ctx context.Context, now time.Time) error {
	return purge(ctx, s.store, kind, s.maxTypes, now)
}

// Purge does as Histories.Purge.
func (s *Rightsizings) Purge(ctx context.Context, now time.Time) error {
	return purge(ctx, s.store, rightsizings, s.maxTypes, now)
}

func purge(ctx context.Context, s docstore.Store, kind string, most int, now time.Time) error {
	if _, err := purgeUntil(ctx, s, kind, docstore.TimeKey(now.Add(-KeepFor)), math.MaxInt); err != nil {
		return err
	}
	for {
		n, err := s.Count(ctx, docstore.Query{Kind: kind, Index: byUpdated}, most+purgeMost)
		if err != nil || n <= most {
			return err
		}
		if deleted, err := purgeUntil(ctx, s, kind, "", n-most); err != nil || deleted == 0 {
			return err
		}
	}
}

// purgeUntil deletes the documents of a kind that nobody wrote since before
// until, at most most of them, those first of which was heard least.
func purgeUntil(ctx context.Context, s docstore.Store, kind, until string, most int) (deleted int, err error) {
	q := docstore.Query{Kind: kind, Index: byUpdated, Until: until}
	for deleted < most {
		q.Limit = min(purgeBatch, most-deleted)
		page, err := s.List(ctx, q)
		if err != nil {
			return deleted, err
		}
		for _, doc := range page.Docs {
			// One that was heard of since is a conflict, and stays.
			err := s.Commit(ctx, docstore.Write{Kind: kind, ID: doc.ID, Revision: doc.Revision})
			switch {
			case err == nil:
				deleted++
			case !errs.Is(err, errs.Conflict):
				return deleted, err
			}
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	return deleted, nil
}
