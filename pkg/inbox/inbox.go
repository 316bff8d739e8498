// Package inbox remembers which events a service has handled, by business key.
// The entry is one of the writes of the commit that the event causes, so that
// the effect and its memory are one. Entries outlive the stream's oldest event
// and are purged by age.
package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Keep is how long a service keeps its entries: a day more than the stream
// keeps its events, so that none is delivered again after it was forgotten.
const Keep = 8 * 24 * time.Hour

const (
	byTime = "time"
	// purgeBatch entries are deleted in one commit.
	purgeBatch = 500
)

// Inbox is the memory of one service.
type Inbox struct {
	store docstore.Store
	kind  string
}

// New returns the inbox of a service: documents of kind "<service>.inbox".
func New(store docstore.Store, service string) *Inbox {
	return &Inbox{store: store, kind: service + ".inbox"}
}

// Write returns the write that remembers key. A commit with it is
// errs.Conflict when key is known already.
func (b *Inbox) Write(key string, now time.Time) docstore.Write {
	return docstore.Write{
		Kind: b.kind, ID: idOf(key), Revision: docstore.Absent, Value: []byte(key),
		Index: []docstore.Entry{{Name: byTime, Value: docstore.TimeKey(now)}},
	}
}

// Seen reports whether key is known.
func (b *Inbox) Seen(ctx context.Context, key string) (bool, error) {
	_, err := b.store.Get(ctx, b.kind, idOf(key))
	switch {
	case err == nil:
		return true, nil
	case errs.Is(err, errs.NotFound):
		return false, nil
	default:
		return false, fmt.Errorf("read inbox: %w", err)
	}
}

// Purge forgets the keys that were written before a time, and returns how
// many. With an error, those before it are forgotten.
func (b *Inbox) Purge(ctx context.Context, before time.Time) (int, error) {
	purged := 0
	for {
		page, err := b.store.List(ctx, docstore.Query{
			Kind: b.kind, Index: byTime, Until: docstore.TimeKey(before), Limit: purgeBatch,
		})
		if err != nil {
			return purged, fmt.Errorf("list old inbox entries: %w", err)
		}
		if len(page.Docs) == 0 {
			return purged, nil
		}
		writes := make([]docstore.Write, 0, len(page.Docs))
		for _, doc := range page.Docs {
			writes = append(writes, docstore.Write{Kind: b.kind, ID: doc.ID, Revision: docstore.AnyRevision})
		}
		if err := b.store.Commit(ctx, writes...); err != nil {
			return purged, fmt.Errorf("delete old inbox entries: %w", err)
		}
		purged += len(writes)
	}
}

// idOf keeps short keys readable and gives long ones a digest.
func idOf(key string) string {
	if key != "" && len(key) <= 200 {
		return "k:" + key
	}
	sum := sha256.Sum256([]byte(key))
	return "h:" + hex.EncodeToString(sum[:])
}
