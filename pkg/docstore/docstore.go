// Package docstore keeps documents: values under (kind, id) with a revision and
// ordered secondary indexes. It is the truth of every service; events are only
// the nudge. Drivers live in folders of their own and pass the one conformance
// suite in storetest.
package docstore

import "context"

// Revisions that a Write may ask for instead of a number.
const (
	Absent      int64 = 0  // the document must not exist
	AnyRevision int64 = -1 // whatever is there
)

// Doc is one stored document.
type Doc struct {
	ID       string
	Revision int64 // counts the writes of this document, from 1
	Value    []byte
	// Cursor is a Query.After that continues behind this document; only List
	// sets it.
	Cursor string
}

// Write puts or deletes one document.
type Write struct {
	Kind, ID string
	// Revision is what the stored document must have: a number, Absent or
	// AnyRevision. The new one is one more.
	Revision int64
	// Value is the new value, at most MaxValue bytes; nil deletes the document.
	// Deleting a document that is not there does nothing, as far as Revision
	// allows it; put again, it counts from 1.
	Value []byte
	// Index replaces the document's index entries, at most MaxEntries.
	Index []Entry
}

// Entry places a document in an index. Entries are ordered by Value as bytes,
// then by the document's id. A document has at most one entry in an index.
type Entry struct {
	Name  string
	Value string // at most MaxKey bytes
}

// Limits that every driver enforces; beyond them a write is errs.Invalid.
const (
	MaxValue   = 4 << 20
	MaxKey     = 512 // of a kind, an id, an index name or an index value; all but the last need 1 byte
	MaxWrites  = 1024
	MaxCommit  = 32 << 20 // of all values of one Commit
	MaxEntries = 16       // index entries of one document
	// DefaultLimit is the Limit of a Query that has none, and MaxLimit the
	// largest that has an effect.
	DefaultLimit = 1000
	MaxLimit     = 10_000
	// MaxPage bounds the values of one Page: it ends with the document that
	// reaches it.
	MaxPage = 16 << 20
)

// Query selects documents of one kind in order.
type Query struct {
	Kind string
	// Index orders by this index and leaves out documents without an entry in
	// it; empty orders by id.
	Index string
	// From and Until bound the index value (or the id): From ≤ value < Until.
	// Empty is unbounded.
	From, Until string
	// Descending turns the order round; the bounds keep their meaning.
	Descending bool
	// Limit is the largest number of documents returned; 0 is DefaultLimit.
	Limit int
	// After is Page.Next of the page before, or Doc.Cursor, of the same query.
	// A document is found once if it keeps its place in the order, whatever
	// comes and goes around it. What is no cursor is errs.Invalid.
	After string
}

// Page is a part of a query's answer.
type Page struct {
	// Docs may be fewer than Query.Limit although there are more.
	Docs []Doc
	// Next continues the query; empty, and only then, is the end.
	Next string
}

// Store keeps documents. All methods may be called concurrently. A store that
// cannot answer now returns errs.Unavailable; then a Commit may or may not have
// happened.
type Store interface {
	// Get returns a document, or errs.NotFound.
	Get(ctx context.Context, kind, id string) (Doc, error)
	// Commit does all writes or none. When it returns nil they are durable
	// (fsynced) and seen by every later Get and List. It is errs.Conflict, and
	// nothing is written, when a document does not have the revision that its
	// write asks for. Writing the same document twice in one Commit is
	// errs.Invalid.
	Commit(ctx context.Context, writes ...Write) error
	// List returns the documents that q selects.
	List(ctx context.Context, q Query) (Page, error)
	// Count returns how many documents q selects, whatever its Limit, After and
	// Descending. It stops counting at most, unless most is 0, and reads no
	// values. A negative most is errs.Invalid.
	Count(ctx context.Context, q Query, most int) (int, error)
	// Close releases the store; calls after it are errs.Unavailable.
	Close() error
}
