package redisstore_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
)

// open opens a store on a server and closes it when the test ends.
func open(t testing.TB, s *redistest.Server, change ...func(*redisstore.Options)) *redisstore.Store {
	t.Helper()
	o := redisstore.Options{Addrs: []string{s.Addr}}
	for _, c := range change {
		c(&o)
	}
	store, err := redisstore.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

var prefixes atomic.Int64

// apart gives a store a prefix that no other has.
func apart(o *redisstore.Options) {
	o.Prefix = "test-" + strconv.FormatInt(prefixes.Add(1), 10) + ":"
}

func TestConformance(t *testing.T) {
	server := redistest.Start(t)
	storetest.Run(t, func(t *testing.T) docstore.Store { return open(t, server, apart) })
}

func TestDocumentsOutliveClose(t *testing.T) {
	server := redistest.Start(t)
	storetest.Reopen(t, func(t *testing.T) func() docstore.Store {
		return func() docstore.Store {
			server.Restart()
			return open(t, server)
		}
	})
}

func FuzzAgainstTheModel(f *testing.F) {
	f.Add([]byte("commit, list, commit, list: any text is a script"))
	f.Add([]byte{1, 2, 0, 0, 0, 1, 5, 2, 0, 7, 1, 9, 0, 0, 3, 1, 1, 1, 1, 1})
	server := redistest.Start(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 500 {
			script = script[:500]
		}
		storetest.Compare(t, open(t, server, apart), script)
	})
}
