package boltstore

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
)

// A store that was closed in order knows its free pages when it is opened again;
// one that was not is opened all the same.
func TestTheFreelistIsKeptWhenTheStoreIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for round := range 3 {
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"one", "two"} {
			if err := s.Commit(context.Background(), docstore.Write{Kind: "k", ID: "a", Revision: docstore.AnyRevision, Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
		}
		if hasFreelist(t, path) {
			t.Errorf("round %d: the list of free pages is written with a commit", round)
		}
		if doc, err := s.Get(context.Background(), "k", "a"); err != nil || doc.Revision != int64(2*round+2) {
			t.Errorf("round %d: Get = revision %d (%v)", round, doc.Revision, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !hasFreelist(t, path) {
			t.Errorf("round %d: the list of free pages is not there after Close", round)
		}
	}
}

// hasFreelist reads the younger of bbolt's two meta pages: behind the header of
// the page come magic, version, page size, flags, the root bucket, the page of
// the free list, the number of pages and the transaction.
func hasFreelist(t *testing.T, path string) bool {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header, freelist, transaction = 16, 32, 48
	size := int(binary.NativeEndian.Uint32(file[header+8:]))
	var newest, page uint64
	for _, meta := range [][]byte{file[header:], file[size+header:]} {
		if tx := binary.NativeEndian.Uint64(meta[transaction:]); tx >= newest {
			newest, page = tx, binary.NativeEndian.Uint64(meta[freelist:])
		}
	}
	return page != 1<<64-1
}
