package redistest

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
)

// Open returns a fresh store on a server of its own; both live until the test
// ends.
func Open(t testing.TB) docstore.Store {
	t.Helper()
	return OpenOn(t, Start(t))
}

// OpenOn returns the store on a server, which lives until the test ends.
func OpenOn(t testing.TB, s *Server) docstore.Store {
	t.Helper()
	store, err := redisstore.Open(t.Context(), redisstore.Options{Addrs: []string{s.Addr}})
	if err != nil {
		t.Fatalf("open the store on Redis: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close the store on Redis: %v", err)
		}
	})
	return store
}
