package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// pairs commits pairs of documents from many goroutines until ctx ends, and
// returns the ids of those that were acknowledged. Unavailable is what a
// commit may be; then it may or may not have happened.
func pairs(ctx context.Context, t *testing.T, s docstore.Store, tag string, acked *atomic.Int64) (ids map[string]bool) {
	var mu sync.Mutex
	ids = map[string]bool{}
	var wait sync.WaitGroup
	for w := range 16 {
		wait.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%s-%d-%d", tag, w, n)
				err := s.Commit(context.WithoutCancel(ctx), pair(id)...)
				switch {
				case err == nil:
					acked.Add(1)
				case !errs.Is(err, errs.Unavailable):
					t.Errorf("Commit = %v, want nil or Unavailable", err)
				}
				mu.Lock()
				ids[id] = err == nil
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return ids
}

func pair(id string) []docstore.Write {
	return []docstore.Write{
		{Kind: "left", ID: id, Value: []byte(id), Index: []docstore.Entry{{Name: "i", Value: id}}},
		{Kind: "right", ID: id, Value: []byte(id)},
	}
}

// wantPairs checks that all that was acknowledged is there, and everything
// whole.
func wantPairs(t *testing.T, s docstore.Store, ids map[string]bool) {
	t.Helper()
	found := map[string]int{}
	for _, q := range []docstore.Query{{Kind: "left"}, {Kind: "right"}, {Kind: "left", Index: "i"}} {
		for {
			page, err := s.List(t.Context(), q)
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			for _, d := range page.Docs {
				found[d.ID]++
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
	}
	for id, acked := range ids {
		if n := found[id]; n != 3 && (acked || n != 0) {
			t.Errorf("%s, acknowledged %v, is found in %d of 3 places", id, acked, n)
		}
		delete(found, id)
	}
	if len(found) != 0 {
		t.Errorf("found what was never written: %v", found)
	}
}

// until returns when cond does; it fails the test when ctx ends first.
func until(ctx context.Context, t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not yet: %s", what)
		}
	}
}

// wait returns when n has reached want.
func wait(t *testing.T, what string, n *atomic.Int64, want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	until(ctx, t, what, func() bool { return n.Load() >= want })
}

func TestWhatWasAcknowledgedOutlivesAKillDuringCommits(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	all := map[string]bool{}
	for round := range 3 {
		var acked atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var ids map[string]bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			ids = pairs(ctx, t, s, strconv.Itoa(round), &acked)
		}()
		wait(t, "commits before the kill", &acked, 300)
		server.Kill()
		before := acked.Load()
		server.Restart()
		wait(t, "commits after it", &acked, before+50)
		cancel()
		<-done
		maps.Copy(all, ids)
		wantPairs(t, s, all)
	}
}

func TestAServerThatHangsIsUnavailableInBoundedTime(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	write := docstore.Write{Kind: "job", ID: "a", Revision: docstore.AnyRevision, Value: []byte("v")}
	if err := s.Commit(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	server.Signal(syscall.SIGSTOP)
	const most = 20 * time.Second
	start := time.Now()
	var wait sync.WaitGroup
	for _, call := range []struct {
		name string
		do   func() error
	}{
		{"Commit", func() error { return s.Commit(t.Context(), write) }},
		{"Commit", func() error { return s.Commit(t.Context(), write) }},
		{"Get", func() error { _, err := s.Get(t.Context(), "job", "a"); return err }},
		{"List", func() error { _, err := s.List(t.Context(), docstore.Query{Kind: "job"}); return err }},
		{"Count", func() error { _, err := s.Count(t.Context(), docstore.Query{Kind: "job"}, 0); return err }},
		{"Ready", func() error { return s.Ready(t.Context()) }},
	} {
		wait.Go(func() {
			if err := call.do(); !errs.Is(err, errs.Unavailable) {
				t.Errorf("%s while the server hangs = %v, want Unavailable", call.name, err)
			}
			if took := time.Since(start); took > most {
				t.Errorf("%s took %v, want at most %v", call.name, took, most)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, "job", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get = %v, want the context's error", err)
	}
	wait.Wait()
	server.Signal(syscall.SIGCONT)
	deadline := time.Now().Add(most)
	for {
		err := s.Commit(t.Context(), write)
		if err == nil {
			break
		}
		if !errs.Is(err, errs.Unavailable) || time.Now().After(deadline) {
			t.Fatalf("Commit when the server goes on = %v", err)
		}
	}
	if _, err := s.Get(t.Context(), "job", "a"); err != nil {
		t.Errorf("Get when the server goes on = %v", err)
	}
}

func TestScriptsThatTheServerForgotAreSentAgain(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	var acked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var ids map[string]bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		ids = pairs(ctx, t, s, "a", &acked)
	}()
	for n := range int64(50) {
		wait(t, "commits", &acked, 20*n)
		server.Do("SCRIPT", "FLUSH")
		if _, err := s.List(t.Context(), docstore.Query{Kind: "left", Limit: 1}); err != nil {
			t.Errorf("List after SCRIPT FLUSH = %v", err)
		}
	}
	cancel()
	<-done
	for id, ok := range ids {
		if !ok {
			t.Errorf("commit of %s was not acknowledged", id)
		}
	}
	wantPairs(t, s, ids)
}

func TestAFullMemoryIsUnavailableAndNamesTheSetting(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	value := make([]byte, 1<<20)
	write := func(id string) docstore.Write {
		return docstore.Write{Kind: "job", ID: id, Revision: docstore.AnyRevision, Value: value, Index: []docstore.Entry{{Name: "i", Value: id}}}
	}
	if err := s.Commit(t.Context(), write("a")); err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "4mb")
	var err error
	for n := 0; err == nil && n < 20; n++ {
		err = s.Commit(t.Context(), write("more-"+strconv.Itoa(n)), write("too-"+strconv.Itoa(n)))
	}
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "maxmemory") {
		t.Errorf("Commit = %v, want Unavailable that names maxmemory", err)
	}
	if _, err := s.Get(t.Context(), "job", "a"); err != nil {
		t.Errorf("Get with full memory = %v", err)
	}
	if page, err := s.List(t.Context(), docstore.Query{Kind: "job", Index: "i"}); err != nil || len(page.Docs)%2 != 1 {
		t.Errorf("List with full memory = %d documents, %v; want whole commits", len(page.Docs), err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	if err := s.Commit(t.Context(), write("b")); err != nil {
		t.Errorf("Commit when there is room = %v", err)
	}
}

// A server that becomes a replica under way takes no writes.
func TestAServerThatBecomesAReplicaIsUnavailable(t *testing.T) {
	server, other := redistest.Start(t), redistest.Start(t)
	s := open(t, server)
	write := docstore.Write{Kind: "job", ID: "a", Revision: docstore.AnyRevision, Value: []byte("v")}
	if err := s.Commit(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(other.Addr, ":")
	server.Do("REPLICAOF", host, port)
	for range 2 {
		if err := s.Commit(t.Context(), write); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "replica") {
			t.Errorf("Commit = %v, want Unavailable that says why", err)
		}
	}
	server.Do("REPLICAOF", "NO", "ONE")
	if err := s.Commit(t.Context(), write); err != nil {
		t.Errorf("Commit when it is a primary again = %v", err)
	}
}

func TestStoresOfDifferentPrefixesDoNotSeeEachOther(t *testing.T) {
	server := redistest.Start(t)
	a, b := open(t, server, apart), open(t, server, apart)
	c := open(t, server, func(o *redisstore.Options) { o.DB = 1 })
	d := open(t, server)
	for i, s := range []docstore.Store{a, b, c, d} {
		if n, err := s.Count(t.Context(), docstore.Query{Kind: "job"}, 0); err != nil || n != 0 {
			t.Errorf("store %d has %d documents before its first, %v", i, n, err)
		}
		w := docstore.Write{Kind: "job", ID: "x", Value: []byte(strconv.Itoa(i)), Index: []docstore.Entry{{Name: "i", Value: "v"}}}
		if err := s.Commit(t.Context(), w); err != nil {
			t.Errorf("Commit to store %d = %v", i, err)
		}
	}
	for i, s := range []docstore.Store{a, b, c, d} {
		page, err := s.List(t.Context(), docstore.Query{Kind: "job", Index: "i"})
		if err != nil || len(page.Docs) != 1 || string(page.Docs[0].Value) != strconv.Itoa(i) {
			t.Errorf("store %d has %+v, %v; want its own document", i, page.Docs, err)
		}
	}
}

// Somebody else's keys in our place are found before anything is written.
func TestKeysOfAnotherTypeSpoilNothing(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	entry := []docstore.Entry{{Name: "i", Value: "v"}}
	put := func(id string) docstore.Write {
		return docstore.Write{Kind: "job", ID: id, Value: []byte("v"), Index: entry}
	}
	for _, tc := range []struct {
		name, word string
		spoil      []any
	}{
		{"an index", "redrive:x:3:job:i", []any{"SET", "redrive:x:3:job:i", "text"}},
		{"the ids", "redrive:i:3:job", []any{"RPUSH", "redrive:i:3:job", "text"}},
		{"a document that is a list", "WRONGTYPE", []any{"RPUSH", "redrive:d:3:job:b", "text"}},
		{"a document that is no record", "redrive:d:3:job:b", []any{"SET", "redrive:d:3:job:b", "\xff\xff"}},
	} {
		server.Do(tc.spoil...)
		if err := s.Commit(t.Context(), put("a"), put("b")); !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), tc.word) {
			t.Errorf("%s: Commit = %v, want Internal that says %s", tc.name, err, tc.word)
		}
		if keys, ok := server.Do("KEYS", "redrive:*").([]any); !ok || len(keys) != 2 {
			t.Errorf("%s: keys = %v, want the spoiled one and the format", tc.name, keys)
		}
		server.Do("DEL", tc.spoil[1])
	}
	if err := s.Commit(t.Context(), put("a"), put("b")); err != nil {
		t.Errorf("Commit when they are gone = %v", err)
	}
	server.Do("DEL", "redrive:d:3:job:b")
	for _, index := range []string{"", "i"} {
		if _, err := s.List(t.Context(), docstore.Query{Kind: "job", Index: index}); !errs.Is(err, errs.Internal) {
			t.Errorf("List by %q of a set that names nothing = %v, want Internal", index, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	server := redistest.Start(t)
	registry := prometheus.NewRegistry()
	for i := range 2 { // a second store of the process shares them
		s := open(t, server, apart, func(o *redisstore.Options) { o.Metrics = registry })
		for range 2 {
			_ = s.Commit(t.Context(), docstore.Write{Kind: "job", ID: "a", Revision: docstore.Absent, Value: []byte("v")})
		}
		if _, err := s.Get(t.Context(), "job", "none"); !errs.Is(err, errs.NotFound) {
			t.Errorf("Get %d = %v", i, err)
		}
		if _, err := s.List(t.Context(), docstore.Query{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("List %d = %v", i, err)
		}
	}
	storetest.WantMetrics(t, registry, 4, map[string]float64{"commit conflict": 2, "list invalid": 2})
}

// What is queued when the store closes is committed or refused, and the answer
// says which.
func TestCloseAnswersWhatIsQueued(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	var acked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan map[string]bool)
	go func() { done <- pairs(ctx, t, s, "a", &acked) }()
	wait(t, "commits", &acked, 100)
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	cancel()
	ids := <-done
	again := open(t, server)
	wantPairs(t, again, ids)
	for id, ok := range ids {
		_, err := again.Get(t.Context(), "left", id)
		if !ok && !errs.Is(err, errs.NotFound) {
			t.Errorf("%s was refused and is there: %v", id, err)
		}
	}
}
