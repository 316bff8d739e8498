package pebblestore

import (
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/recent"
)

// builder puts the commits of a group into one batch, each on top of those
// before it.
type builder struct {
	db    *pebble.DB
	batch *pebble.Batch
	known *recent.Values[state]
}

// mostKnown documents that were written last are known without a look into the
// database: these are probably the next to be changed or deleted. What a batch
// has changed is not in the database yet, so they are more than a group may have.
const mostKnown = 2 * maxGroupWrites

// state is what is known about a stored document.
type state struct {
	stored   bool
	revision int64
	entries  []docstore.Entry
}

// add adds all writes of a commit, or none: then it returns why.
func (b *builder) add(writes []docstore.Write) error {
	keys := make([][]byte, len(writes))
	before := make([]state, len(writes))
	for i, w := range writes {
		var err error
		keys[i] = docKey(w.Kind, w.ID)
		if before[i], err = b.current(keys[i]); err != nil {
			return err
		}
		if err := check(w, before[i]); err != nil {
			return err
		}
	}
	for i, w := range writes {
		b.write(keys[i], w, before[i])
	}
	return nil
}

// current returns a document as the commits before leave it.
func (b *builder) current(key []byte) (state, error) {
	if s, ok := b.known.Get(string(key)); ok {
		return s, nil
	}
	stored, closer, err := b.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return state{}, nil
	}
	if err != nil {
		return state{}, readError(err)
	}
	r, err := driver.DecodeRecord(stored, true)
	if err := errors.Join(err, closer.Close()); err != nil {
		return state{}, errs.New(errs.Internal, "%q: %w", key, err)
	}
	return state{stored: true, revision: r.Revision, entries: r.Entries}, nil
}

// check compares a write with what is stored.
func check(w docstore.Write, s state) error {
	switch {
	case w.Revision == docstore.AnyRevision:
	case w.Revision == docstore.Absent && s.stored:
		return errs.New(errs.Conflict, "%s %q exists, at revision %d", w.Kind, w.ID, s.revision)
	case w.Revision != docstore.Absent && !s.stored:
		return errs.New(errs.Conflict, "%s %q does not exist; revision %d was expected", w.Kind, w.ID, w.Revision)
	case w.Revision != s.revision:
		return errs.New(errs.Conflict, "%s %q is at revision %d; %d was expected", w.Kind, w.ID, s.revision, w.Revision)
	}
	return nil
}

// write adds one write. A batch in memory takes everything, so the errors of its
// methods are of no use.
func (b *builder) write(key []byte, w docstore.Write, before state) {
	if w.Value == nil {
		if before.stored {
			b.replaceEntries(w.Kind, w.ID, before.entries, nil)
			_ = b.batch.Delete(key, nil)
			b.known.Put(string(key), state{})
		}
		return
	}
	b.replaceEntries(w.Kind, w.ID, before.entries, w.Index)
	next := driver.Record{Revision: before.revision + 1, Entries: w.Index, Value: w.Value}
	op := b.batch.SetDeferred(len(key), next.Size())
	copy(op.Key, key)
	next.AppendTo(op.Value[:0])
	_ = op.Finish()
	b.known.Put(string(key), state{stored: true, revision: next.Revision, entries: slices.Clone(w.Index)})
}

// replaceEntries touches only what differs: most writes leave most entries.
func (b *builder) replaceEntries(kind, id string, old, want []docstore.Entry) {
	for _, e := range old {
		if !slices.Contains(want, e) {
			_ = b.batch.Delete(entryKey(kind, id, e), nil)
		}
	}
	for _, e := range want {
		if !slices.Contains(old, e) {
			_ = b.batch.Set(entryKey(kind, id, e), nil, nil)
		}
	}
}

func entryKey(kind, id string, e docstore.Entry) []byte {
	return driver.AppendIndexKey(indexPrefix(kind, e.Name, len(e.Value)+len(id)+2), e.Value, id)
}
