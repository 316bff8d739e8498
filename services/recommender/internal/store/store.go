// Package store keeps the histories of job types: one document each, and in
// the inbox what they have learnt.
package store

import (
	"context"
	"hash/maphash"
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
	service   = "recommender"
	kind      = service + ".model"
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
	seed      maphash.Seed
	classes   [64]class
}

// stored is a history and the revision of its document.
type stored struct {
	history.History
	revision int64
}

// New returns the histories in s.
func New(s docstore.Store) *Histories {
	return &Histories{
		store: s, inbox: inbox.New(s, service), seed: maphash.MakeSeed(),
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

// Purge forgets job types of which nothing was heard for KeepFor, those beyond
// MaxTypes, and what the inbox remembers for longer than it must.
func (s *Histories) Purge(ctx context.Context, now time.Time) error {
	if _, err := s.inbox.Purge(ctx, now.Add(-keepInbox)); err != nil {
		return err
	}
	oldest, kept := now.Add(-KeepFor), 0
	q := docstore.Query{Index: byUpdated, Descending: true}
	for {
		page, next, err := s.documents.List(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range page {
			if kept++; kept <= MaxTypes && h.Updated.After(oldest) {
				continue
			}
			// One that was heard of since is a conflict, and stays.
			err := s.store.Commit(ctx, s.documents.Delete(h.Type.Key(), h.revision))
			if err != nil && !errs.Is(err, errs.Conflict) {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.After = next
	}
}
