package docstore

import (
	"context"
	"fmt"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Codec says how values of T are kept.
type Codec[T any] struct {
	// Encode returns the stored bytes.
	Encode func(T) ([]byte, error)
	// Decode reads a stored document. It gets the whole document, because a
	// value usually carries its id and revision.
	Decode func(Doc) (T, error)
	// Index returns the index entries of a value; nil for none at all.
	Index func(T) []Entry
}

// Collection keeps values of T as documents of one kind.
type Collection[T any] struct {
	store Store
	kind  string
	codec Codec[T]
}

// NewCollection returns the collection of one kind in s.
func NewCollection[T any](s Store, kind string, c Codec[T]) Collection[T] {
	return Collection[T]{store: s, kind: kind, codec: c}
}

// Kind returns the kind of the collection's documents.
func (c Collection[T]) Kind() string { return c.kind }

// Get returns one value. It is errs.NotFound, naming kind and id, when there is
// none.
func (c Collection[T]) Get(ctx context.Context, id string) (T, error) {
	var none T
	doc, err := c.store.Get(ctx, c.kind, id)
	if err != nil {
		if errs.Is(err, errs.NotFound) {
			return none, errs.New(errs.NotFound, "%s %q does not exist", c.kind, id)
		}
		return none, fmt.Errorf("get %s %q: %w", c.kind, id, err)
	}
	return c.decode(doc)
}

// Write returns the write that puts v at id, for Store.Commit or
// outbox.Commit. The revision is the stored one, Absent or AnyRevision.
func (c Collection[T]) Write(id string, rev int64, v T) (Write, error) {
	value, err := c.codec.Encode(v)
	if err != nil {
		return Write{}, fmt.Errorf("encode %s %q: %w", c.kind, id, err)
	}
	if value == nil {
		value = []byte{} // nil would delete
	}
	w := Write{Kind: c.kind, ID: id, Revision: rev, Value: value}
	if c.codec.Index != nil {
		w.Index = c.codec.Index(v)
	}
	return w, nil
}

// Delete returns the write that deletes the document at id.
func (c Collection[T]) Delete(id string, rev int64) Write {
	return Write{Kind: c.kind, ID: id, Revision: rev}
}

// List returns the values that q selects and the cursor of the next page, empty
// when there is none. q.Kind is filled in.
func (c Collection[T]) List(ctx context.Context, q Query) (items []T, next string, err error) {
	return c.Find(ctx, q, nil)
}

// Scan bounds of Find.
const (
	findChunk = 200
	findMost  = 10_000
)

// Find returns the values that q selects and keep wants, at most q.Limit of
// them, and the cursor of the next page. It reads at most 10,000 documents in
// one call: a page may be short, even empty, and still have a next one. A nil
// keep wants all.
func (c Collection[T]) Find(ctx context.Context, q Query, keep func(T) bool) (items []T, next string, err error) {
	q.Kind = c.kind
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if keep == nil {
		page, err := c.page(ctx, q)
		if err != nil {
			return nil, "", err
		}
		items, err = c.decodeAll(page.Docs)
		return items, page.Next, err
	}
	if err := q.Validate(); err != nil {
		return nil, "", err
	}
	limit := q.Limit
	for scanned := 0; scanned < findMost; {
		q.Limit = max(limit-len(items), findChunk)
		page, err := c.page(ctx, q)
		if err != nil {
			return nil, "", err
		}
		for i, doc := range page.Docs {
			v, err := c.decode(doc)
			if err != nil {
				return nil, "", err
			}
			if !keep(v) {
				continue
			}
			items = append(items, v)
			if len(items) < limit {
				continue
			}
			if i+1 == len(page.Docs) {
				return items, page.Next, nil
			}
			return items, doc.Cursor, nil
		}
		scanned += len(page.Docs)
		if page.Next == "" {
			return items, "", nil
		}
		q.After = page.Next
	}
	return items, q.After, nil
}

func (c Collection[T]) page(ctx context.Context, q Query) (Page, error) {
	page, err := c.store.List(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("list %s: %w", c.kind, err)
	}
	return page, nil
}

func (c Collection[T]) decodeAll(docs []Doc) ([]T, error) {
	values := make([]T, 0, len(docs))
	for _, doc := range docs {
		v, err := c.decode(doc)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// decode gives what cannot be decoded the kind Internal: it was written by us.
func (c Collection[T]) decode(doc Doc) (T, error) {
	v, err := c.codec.Decode(doc)
	if err != nil {
		return v, errs.New(errs.Internal, "decode %s %q at revision %d: %w", c.kind, doc.ID, doc.Revision, err)
	}
	return v, nil
}
