package boltstore

import (
	"bytes"
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// List implements docstore.Store. A page is one moment of the store.
func (s *Store) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	if err := q.Validate(); err != nil {
		return docstore.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return docstore.Page{}, fmt.Errorf("list %s: %w", q.Kind, err)
	}
	w, err := windowOf(q)
	if err != nil {
		return docstore.Page{}, err
	}
	var page docstore.Page
	err = s.view(func(tx *bolt.Tx) error {
		page, err = readPage(tx, q, w)
		return err
	})
	return page, err
}

// countChunk keys are counted between two looks at the context.
const countChunk = 4096

// Count implements docstore.Store. It walks keys alone: the values stay on the
// pages that they are on.
func (s *Store) Count(ctx context.Context, q docstore.Query, most int) (int, error) {
	q, err := q.ForCount(most)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("count %s: %w", q.Kind, err)
	}
	w, err := windowOf(q)
	if err != nil {
		return 0, err
	}
	n := 0
	err = s.view(func(tx *bolt.Tx) error {
		ordered := tx.Bucket(docBucket(q.Kind))
		if q.Index != "" {
			ordered = tx.Bucket(indexBucket(q.Kind, q.Index))
		}
		if ordered == nil {
			return nil
		}
		walk := walker{cursor: ordered.Cursor(), window: w}
		for key, _ := walk.first(); key != nil; key, _ = walk.next() {
			if n++; n == most {
				return nil
			}
			if n%countChunk == 0 && ctx.Err() != nil {
				return fmt.Errorf("count %s: %w", q.Kind, ctx.Err())
			}
		}
		return nil
	})
	return n, err
}

// window is a range of keys: low ≤ key < high. nil is unbounded.
type window struct{ low, high []byte }

// windowOf turns the bounds and the cursor of q into keys of its bucket.
func windowOf(q docstore.Query) (window, error) {
	var w window
	bound := func(s string) []byte {
		switch {
		case s == "":
			return nil
		case q.Index == "":
			return []byte(s)
		default:
			return valueKey(s)
		}
	}
	w.low, w.high = bound(q.From), bound(q.Until)
	if q.After == "" {
		return w, nil
	}
	after := []byte(q.After)
	if q.Index != "" {
		if _, ok := idOfIndexKey(after); !ok {
			return w, errs.New(errs.Invalid, "query of %s: after is not a cursor of index %q", q.Kind, q.Index)
		}
	}
	if q.Descending {
		if w.high == nil || bytes.Compare(after, w.high) < 0 {
			w.high = after
		}
		return w, nil
	}
	// The least key behind after is after with a 0x00 appended.
	if next := append(after, 0); bytes.Compare(next, w.low) > 0 {
		w.low = next
	}
	return w, nil
}

func readPage(tx *bolt.Tx, q docstore.Query, w window) (docstore.Page, error) {
	docs := tx.Bucket(docBucket(q.Kind))
	ordered := docs
	if q.Index != "" {
		ordered = tx.Bucket(indexBucket(q.Kind, q.Index))
	}
	if docs == nil || ordered == nil {
		return docstore.Page{}, nil
	}
	var page docstore.Page
	limit, size := q.PageLimit(), 0
	walk := walker{cursor: ordered.Cursor(), window: w, descending: q.Descending}
	for key, value := walk.first(); key != nil; key, value = walk.next() {
		if len(page.Docs) == limit || size >= docstore.MaxPage {
			page.Next = page.Docs[len(page.Docs)-1].Cursor
			break
		}
		id := key
		if q.Index != "" {
			var ok bool
			if id, ok = idOfIndexKey(key); !ok {
				return docstore.Page{}, errs.New(errs.Internal, "index %q of %s has a damaged key", q.Index, q.Kind)
			}
			if value = docs.Get(id); value == nil {
				return docstore.Page{}, errs.New(errs.Internal, "index %q of %s names %q, which does not exist", q.Index, q.Kind, id)
			}
		}
		doc, err := docOf(id, value)
		if err != nil {
			return docstore.Page{}, err
		}
		doc.Cursor = string(key)
		page.Docs = append(page.Docs, doc)
		size += len(doc.Value)
	}
	return page, nil
}

// walker walks a window of a bucket in either direction.
type walker struct {
	cursor     *bolt.Cursor
	window     window
	descending bool
}

func (w walker) first() (key, value []byte) {
	switch {
	case !w.descending && w.window.low == nil:
		return w.inside(w.cursor.First())
	case !w.descending:
		return w.inside(w.cursor.Seek(w.window.low))
	case w.window.high == nil:
		return w.inside(w.cursor.Last())
	}
	if key, _ := w.cursor.Seek(w.window.high); key == nil {
		return w.inside(w.cursor.Last())
	}
	return w.inside(w.cursor.Prev())
}

func (w walker) next() (key, value []byte) {
	if w.descending {
		return w.inside(w.cursor.Prev())
	}
	return w.inside(w.cursor.Next())
}

// inside ends the walk at the window's far side.
func (w walker) inside(key, value []byte) ([]byte, []byte) {
	switch {
	case key == nil,
		!w.descending && w.window.high != nil && bytes.Compare(key, w.window.high) >= 0,
		w.descending && bytes.Compare(key, w.window.low) < 0:
		return nil, nil
	}
	return key, value
}
