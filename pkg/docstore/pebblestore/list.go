package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

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
	err = s.view(func(v *pebble.Snapshot) error {
		page, err = readPage(v, q, w)
		return err
	})
	s.metrics.Count("list", err)
	return page, err
}

// countChunk keys are counted between two looks at the context.
const countChunk = 4096

// Count implements docstore.Store. It reads no values where there is an index.
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
	err = s.view(func(v *pebble.Snapshot) error {
		walk, err := newWalker(v, q, w)
		if err != nil {
			return err
		}
		for ok := walk.first(); ok; ok = walk.next() {
			if n++; n == most {
				break
			}
			if n%countChunk == 0 && ctx.Err() != nil {
				return errors.Join(fmt.Errorf("count %s: %w", q.Kind, ctx.Err()), walk.close())
			}
		}
		return walk.close()
	})
	s.metrics.Count("count", err)
	return n, err
}

func readPage(v pebble.Reader, q docstore.Query, w driver.Window) (docstore.Page, error) {
	walk, err := newWalker(v, q, w)
	if err != nil {
		return docstore.Page{}, err
	}
	page, err := fillPage(v, q, walk)
	return page, errors.Join(err, walk.close())
}

func fillPage(v pebble.Reader, q docstore.Query, walk walker) (page docstore.Page, err error) {
	limit, size := q.PageLimit(), 0
	for ok := walk.first(); ok; ok = walk.next() {
		if len(page.Docs) == limit || size >= docstore.MaxPage {
			page.Next = page.Docs[len(page.Docs)-1].Cursor
			break
		}
		key := walk.key()
		var doc docstore.Doc
		if q.Index == "" {
			doc, err = walk.doc(string(key))
		} else {
			doc, err = indexedDoc(v, q, key)
		}
		if err != nil {
			return docstore.Page{}, err
		}
		doc.Cursor = string(key)
		page.Docs = append(page.Docs, doc)
		size += len(doc.Value)
	}
	return page, nil
}

// indexedDoc returns the document that an entry of an index names.
func indexedDoc(v pebble.Reader, q docstore.Query, key []byte) (docstore.Doc, error) {
	id, ok := driver.IDOfIndexKey(key)
	if !ok {
		return docstore.Doc{}, errs.New(errs.Internal, "index %q of %s has a damaged key", q.Index, q.Kind)
	}
	doc, err := getDoc(v, q.Kind, string(id))
	if errs.Is(err, errs.NotFound) {
		return docstore.Doc{}, errs.New(errs.Internal, "index %q of %s names %q, which does not exist", q.Index, q.Kind, id)
	}
	return doc, err
}

// walker walks a window of documents or of entries, in either direction.
type walker struct {
	iter       *pebble.Iterator
	prefix     []byte
	descending bool
}

func newWalker(v pebble.Reader, q docstore.Query, w driver.Window) (walker, error) {
	prefix := docPrefix(q.Kind, 0)
	if q.Index != "" {
		prefix = indexPrefix(q.Kind, q.Index, 0)
	}
	bounds := pebble.IterOptions{LowerBound: join(prefix, w.Low), UpperBound: after(prefix)}
	if w.High != nil {
		bounds.UpperBound = join(prefix, w.High)
	}
	if bytes.Compare(bounds.LowerBound, bounds.UpperBound) > 0 { // From is behind Until
		bounds.UpperBound = bounds.LowerBound
	}
	iter, err := v.NewIter(&bounds)
	if err != nil {
		return walker{}, readError(err)
	}
	return walker{iter: iter, prefix: prefix, descending: q.Descending}, nil
}

func join(a, b []byte) []byte { return append(a[:len(a):len(a)], b...) }

func (w walker) first() bool {
	if w.descending {
		return w.iter.Last()
	}
	return w.iter.First()
}

func (w walker) next() bool {
	if w.descending {
		return w.iter.Prev()
	}
	return w.iter.Next()
}

// key is the id or the index key where the walk is; it is good until the next
// step.
func (w walker) key() []byte { return w.iter.Key()[len(w.prefix):] }

// doc is the document where the walk is.
func (w walker) doc(id string) (docstore.Doc, error) {
	stored, err := w.iter.ValueAndErr()
	if err != nil {
		return docstore.Doc{}, readError(err)
	}
	return docOf(id, stored)
}

// close ends the walk. What went wrong on the way is told here.
func (w walker) close() error {
	if err := w.iter.Close(); err != nil {
		return readError(err)
	}
	return nil
}
