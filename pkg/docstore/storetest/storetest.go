// Package storetest is the conformance suite of docstore drivers, and gives
// other tests a store.
package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Open returns a fresh store that lives until the test ends: an embedded one, or
// with REDRIVE_TEST_STORE=redis in the environment one on a Redis of its own.
func Open(t testing.TB) docstore.Store {
	t.Helper()
	if os.Getenv("REDRIVE_TEST_STORE") == "redis" {
		return redistest.Open(t)
	}
	return OpenFolder(t, filepath.Join(t.TempDir(), "store"))
}

// OpenFolder returns the embedded store of a folder. When the test ends, the
// store is closed, if it is not closed yet, and its files are checked.
func OpenFolder(t testing.TB, dir string) docstore.Store {
	t.Helper()
	s, err := pebblestore.Open(dir, pebblestore.Options{})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
		checkFiles(t, dir)
	})
	return s
}

// checkFiles runs Pebble's own check of a closed store.
func checkFiles(t testing.TB, dir string) {
	db, err := pebble.Open(dir, &pebble.Options{ReadOnly: true, Logger: quiet{t}})
	if err != nil {
		t.Errorf("open the store for its check: %v", err)
		return
	}
	if err := errors.Join(db.CheckLevels(nil), db.Close()); err != nil {
		t.Errorf("check of the store: %v", err)
	}
}

// quiet is a pebble.Logger that tells what goes wrong.
type quiet struct{ testing.TB }

// Infof implements pebble.Logger.
func (quiet) Infof(string, ...any) {}

// Run is the conformance suite. open returns a fresh, empty store and closes it
// when the test ends.
func Run(t *testing.T, open func(t *testing.T) docstore.Store) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, s docstore.Store)
	}{
		{"a document counts its writes", revisions},
		{"a write asks for a revision", expectations},
		{"a value may be empty and is the caller's own", values},
		{"a commit over several kinds is all or nothing", atomicity},
		{"a document is written once in a commit", duplicates},
		{"limits are enforced", limits},
		{"an index orders by value as bytes and then by id", indexOrder},
		{"an index follows its documents", indexUpkeep},
		{"a query may be bounded", ranges},
		{"pages follow each other in both directions", pages},
		{"a page ends with the documents that fill it", pageBytes},
		{"pages stand what changes between them", pagesUnderChange},
		{"every document is a place to go on from", cursors},
		{"a count is of what a query selects", counts},
		{"a bad query is invalid", badQueries},
		{"a thousand increments count a thousand", counter},
		{"readers see whole commits only", wholeCommits},
		{"an ended context commits nothing", endedContext},
		{"random operations do what the model does", random},
		{"a closed store is unavailable", closed},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// Reopen is the part of the suite for stores that outlive a Close: every call
// of the returned function opens the same data.
func Reopen(t *testing.T, open func(t *testing.T) func() docstore.Store) {
	again := open(t)
	s := again()
	for i := range 50 {
		mustCommit(t, s, put("job", name(i), docstore.Absent, name(i), docstore.Entry{Name: "due", Value: name(50 - i)}))
	}
	mustCommit(t, s, del("job", name(7), 1), put("job", name(8), 1, "changed"))
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	s = again()
	want := list(t, s, docstore.Query{Kind: "job"})
	if len(want) != 49 {
		t.Errorf("documents after reopening = %d, want 49", len(want))
	}
	wantDoc(t, s, "job", name(8), 2, "changed")
	wantKind(t, "Get of the deleted", get(s, "job", name(7)), errs.NotFound)
	byDue := ids(list(t, s, docstore.Query{Kind: "job", Index: "due"}))
	if len(byDue) != 48 || byDue[0] != name(49) || byDue[47] != name(0) {
		t.Errorf("index after reopening = %v, want 48 from %s down to %s", byDue, name(49), name(0))
	}
	mustCommit(t, s, put("job", name(8), 2, "goes on"))
}

// The words of the suite.

func put(kind, id string, rev int64, value string, index ...docstore.Entry) docstore.Write {
	return docstore.Write{Kind: kind, ID: id, Revision: rev, Value: []byte(value), Index: index}
}

func del(kind, id string, rev int64) docstore.Write {
	return docstore.Write{Kind: kind, ID: id, Revision: rev}
}

func get(s docstore.Store, kind, id string) error {
	_, err := s.Get(context.Background(), kind, id)
	return err
}

func mustCommit(t *testing.T, s docstore.Store, writes ...docstore.Write) {
	t.Helper()
	if err := s.Commit(t.Context(), writes...); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func wantKind(t *testing.T, what string, err error, want errs.Kind) {
	t.Helper()
	if got := errs.KindOf(err); got != want {
		t.Errorf("%s: kind = %v (%v), want %v", what, got, err, want)
	}
}

func wantDoc(t *testing.T, s docstore.Store, kind, id string, rev int64, value string) {
	t.Helper()
	doc, err := s.Get(t.Context(), kind, id)
	if err != nil {
		t.Errorf("Get %s %q: %v", kind, id, err)
		return
	}
	if doc.ID != id || doc.Revision != rev || string(doc.Value) != value {
		t.Errorf("Get %s %q = %q at %d, %.40q; want revision %d, %.40q", kind, id, doc.ID, doc.Revision, doc.Value, rev, value)
	}
}

// list follows the pages to their end.
func list(t *testing.T, s docstore.Store, q docstore.Query) []docstore.Doc {
	t.Helper()
	var all []docstore.Doc
	for {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatalf("List %+v: %v", q, err)
		}
		if q.Limit > 0 && len(page.Docs) > q.Limit {
			t.Fatalf("List returned %d documents, want at most %d", len(page.Docs), q.Limit)
		}
		all = append(all, page.Docs...)
		if page.Next == "" {
			return all
		}
		if len(page.Docs) == 0 {
			t.Fatalf("List %+v returned an empty page that is not the last", q)
		}
		q.After = page.Next
	}
}

func ids(docs []docstore.Doc) []string {
	all := make([]string, 0, len(docs))
	for _, d := range docs {
		all = append(all, d.ID)
	}
	return all
}

// name returns names that sort as their numbers do.
func name(i int) string {
	return strings.Repeat("0", 3-len(digits(i))) + digits(i)
}

func digits(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return digits(i/10) + digits(i%10)
}
