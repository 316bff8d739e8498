package boltstore

import (
	"bytes"
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
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
	w, err := driver.WindowOf(q)
	if err != nil {
		return docstore.Page{}, err
	}
	var page docstore.Page
	err = s.view(func(tx *bolt.Tx) error {
		page, err = readPage(tx, q, w)
		return err
	})
	s.metrics.Count("list", err)
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
	w, err := driver.WindowOf(q)
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
	s.metrics.Count("count", err)
	return n, err
}

func readPage(tx *bolt.Tx, q docstore.Query, w driver.Window) (docstore.Page, error) {
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
			if id, ok = driver.IDOfIndexKey(key); !ok {
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
	window     driver.Window
	descending bool
}

func (w walker) first() (key, value []byte) {
	switch {
	case !w.descending && w.window.Low == nil:
		return w.inside(w.cursor.First())
	case !w.descending:
		return w.inside(w.cursor.Seek(w.window.Low))
	case w.window.High == nil:
		return w.inside(w.cursor.Last())
	}
	if key, _ := w.cursor.Seek(w.window.High); key == nil {
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
		!w.descending && w.window.High != nil && bytes.Compare(key, w.window.High) >= 0,
		w.descending && bytes.Compare(key, w.window.Low) < 0:
		return nil, nil
	}
	return key, value
}
