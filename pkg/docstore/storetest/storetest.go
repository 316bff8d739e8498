// Package storetest is the conformance suite of docstore drivers, and gives
// other tests a store.
package storetest

import (
	"path/filepath"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/boltstore"
)

// Open returns a fresh embedded store that lives until the test ends.
func Open(t testing.TB) docstore.Store {
	t.Helper()
	s, err := boltstore.Open(filepath.Join(t.TempDir(), "test.db"), boltstore.Options{})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}
