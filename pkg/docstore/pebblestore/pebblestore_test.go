package pebblestore_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) docstore.Store { return storetest.Open(t) })
}

func TestDocumentsOutliveClose(t *testing.T) {
	storetest.Reopen(t, func(t *testing.T) func() docstore.Store {
		path := filepath.Join(t.TempDir(), "store")
		return func() docstore.Store { return storetest.OpenFolder(t, path) }
	})
}

func TestTheStoreHasOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	first := storetest.OpenFolder(t, path)
	_, err := pebblestore.Open(path, pebblestore.Options{LockTimeout: time.Millisecond})
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "another redrive") {
		t.Errorf("second Open = %v, want Unavailable that names the reason", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.OpenFolder(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the folder = %v, %v; want 0700", info.Mode(), err)
	}
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a store\n", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		want       errs.Kind
	}{
		{"a text file", text, errs.FailedPrecondition},
		{"no such folder", filepath.Join(t.TempDir(), "none", "store"), errs.Unavailable},
		{"a damaged store", damaged(t), errs.FailedPrecondition},
	} {
		s, err := pebblestore.Open(tc.path, pebblestore.Options{})
		if !errs.Is(err, tc.want) {
			t.Errorf("%s: Open = %v, want kind %v", tc.name, err, tc.want)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}

// damaged returns a store whose list of files is not what it was.
func damaged(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := pebblestore.Open(dir, pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lists, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(lists) == 0 {
		t.Fatalf("lists of files: %v, %v", lists, err)
	}
	for _, list := range lists {
		if err := os.WriteFile(list, []byte(strings.Repeat("damage", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Many writers at once form groups; one conflict in a group must fail alone.
func TestAConflictFailsAlone(t *testing.T) {
	s := storetest.Open(t)
	const n = 200
	results := make([]error, n)
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			w := docstore.Write{Kind: "job", ID: string(rune('A' + i)), Value: []byte("v")}
			if i%4 == 0 {
				w.Revision = 7 // of a document that is not there
			}
			results[i] = s.Commit(t.Context(), w)
		})
	}
	close(start)
	wait.Wait()
	for i, err := range results {
		want := errs.None
		if i%4 == 0 {
			want = errs.Conflict
		}
		if got := errs.KindOf(err); got != want {
			t.Errorf("commit %d: kind = %v (%v), want %v", i, got, err, want)
		}
	}
	page, err := s.List(t.Context(), docstore.Query{Kind: "job"})
	if err != nil || len(page.Docs) != n*3/4 {
		t.Errorf("documents = %d, %v; want %d", len(page.Docs), err, n*3/4)
	}
}

// Every Commit that races with Close has one answer, and it is true.
func TestCloseAnswersEveryCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := storetest.OpenFolder(t, path)
	const n = 100
	results := make([]error, n)
	var wait sync.WaitGroup
	first := make(chan struct{}, n)
	for i := range n {
		wait.Go(func() {
			results[i] = s.Commit(t.Context(), docstore.Write{Kind: "job", ID: string(rune('A' + i)), Value: []byte("v")})
			first <- struct{}{}
		})
	}
	<-first
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	again := storetest.OpenFolder(t, path)
	for i, err := range results {
		_, getErr := again.Get(t.Context(), "job", string(rune('A'+i)))
		switch {
		case err == nil && getErr != nil:
			t.Errorf("commit %d was acknowledged and is lost: %v", i, getErr)
		case err != nil && !errs.Is(err, errs.Unavailable):
			t.Errorf("commit %d = %v, want nil or Unavailable", i, err)
		case err != nil && !errs.Is(getErr, errs.NotFound):
			t.Errorf("commit %d was refused and is there", i)
		}
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	for range 2 { // a second store of the process shares them
		s, err := pebblestore.Open(filepath.Join(t.TempDir(), "store"), pebblestore.Options{Metrics: registry})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_ = s.Commit(t.Context(), docstore.Write{Kind: "job", ID: "a", Revision: docstore.Absent, Value: []byte("v")})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	storetest.WantMetrics(t, registry, 4, map[string]float64{"commit conflict": 2})
}

func FuzzAgainstTheModel(f *testing.F) {
	f.Add([]byte("commit, list, commit, list: any text is a script"))
	f.Add([]byte{1, 2, 0, 0, 0, 1, 5, 2, 0, 7, 1, 9, 0, 0, 3, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 500 {
			script = script[:500]
		}
		storetest.Compare(t, storetest.Open(t), script)
	})
}

// BenchmarkCommit shows what sharing an fsync gives: 64 writers, 1 KB each.
func BenchmarkCommit(b *testing.B) {
	s := storetest.Open(b)
	value := make([]byte, 1024)
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := strconv.FormatInt(n.Add(1), 10)
			if err := s.Commit(b.Context(), docstore.Write{Kind: "job", ID: id, Revision: docstore.AnyRevision, Value: value}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// More documents are written than the writer knows by heart, by commits that
// form groups; then each is changed, and its old place in the index must go.
func TestManyDocumentsAreChanged(t *testing.T) {
	const commits, each = 20, docstore.MaxWrites
	s := storetest.Open(t)
	all := func(revision int64, place string) {
		t.Helper()
		var wait sync.WaitGroup
		for c := range commits {
			wait.Go(func() {
				writes := make([]docstore.Write, each)
				for i := range writes {
					writes[i] = docstore.Write{
						Kind: "job", ID: strconv.Itoa(c*each + i), Revision: revision, Value: []byte("v"),
						Index: []docstore.Entry{{Name: "place", Value: place}},
					}
				}
				if err := s.Commit(t.Context(), writes...); err != nil {
					t.Errorf("commit %d at revision %d: %v", c, revision, err)
				}
			})
		}
		wait.Wait()
	}
	all(docstore.Absent, "first")
	all(1, "second")
	for place, want := range map[string]int{"first": 0, "second": commits * each} {
		n, err := s.Count(t.Context(), docstore.Query{Kind: "job", Index: "place", From: place, Until: place + "\x00"}, 0)
		if err != nil || n != want {
			t.Errorf("%d documents (%v) are at the %s place, want %d", n, err, place, want)
		}
	}
}
