// Package store keeps the histories of job types: one document each, and in
// the inbox what they have learnt.
package store

import (
	"context"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/inbox"
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
	// some 15 KiB at most.
	MaxTypes = 100_000
	// keepInbox outlives the oldest event of the stream.
	keepInbox = bus.EventMaxAge + 7*24*time.Hour
)

// Histories keeps the histories of all job types.
type Histories struct {
	store     docstore.Store
	documents docstore.Collection[stored]
	inbox     *inbox.Inbox
	classes   classes
	maxTypes  int // MaxTypes, and less in tests
}

// stored is a history and the revision of its document.
type stored struct {
	history.History
	revision int64
}

// New returns the histories in s. What is to be learnt waits a moment for more,
// so that much of it is one commit; 0 is no moment.
func New(s docstore.Store, moment time.Duration) *Histories {
	return &Histories{
		store: s, inbox: inbox.New(s, Service), classes: classes{moment: moment}, maxTypes: MaxTypes,
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

func index(h stored) []docstore.Entry {
	return []docstore.Entry{{Name: byUpdated, Value: docstore.TimeKey(h.Updated)}}
}

// Get returns the history of a job type; it is errs.NotFound when nothing is
// known of it.
func (s *Histories) Get(ctx context.Context, t failure.Type) (history.History, error) {
	h, err := s.documents.Get(ctx, t.Key())
	return h.History, err
}

// purgeBatch histories are deleted at a time, and purgeMost beyond MaxTypes in
// one Purge.
const (
	purgeBatch = 200
	purgeMost  = 10_000
)

// Purge forgets job types of which nothing was heard for KeepFor, those beyond
// MaxTypes, and what the inbox remembers for longer than it must. It reads
// little more than it deletes.
func (s *Histories) Purge(ctx context.Context, now time.Time) error {
	if _, err := s.inbox.Purge(ctx, now.Add(-keepInbox)); err != nil {
		return err
	}
	if _, err := s.purge(ctx, docstore.TimeKey(now.Add(-KeepFor)), math.MaxInt); err != nil {
		return err
	}
	for {
		n, err := s.store.Count(ctx, docstore.Query{Kind: kind, Index: byUpdated}, s.maxTypes+purgeMost)
		if err != nil || n <= s.maxTypes {
			return err
		}
		if deleted, err := s.purge(ctx, "", n-s.maxTypes); err != nil || deleted == 0 {
			return err
		}
	}
}

// purge deletes the histories that nobody wrote since before until, at most most
// of them, those first of which was heard least.
func (s *Histories) purge(ctx context.Context, until string, most int) (deleted int, err error) {
	q := docstore.Query{Kind: kind, Index: byUpdated, Until: until}
	for deleted < most {
		q.Limit = min(purgeBatch, most-deleted)
		page, err := s.store.List(ctx, q)
		if err != nil {
			return deleted, err
		}
		for _, doc := range page.Docs {
			// One that was heard of since is a conflict, and stays.
			err := s.store.Commit(ctx, docstore.Write{Kind: kind, ID: doc.ID, Revision: doc.Revision})
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
