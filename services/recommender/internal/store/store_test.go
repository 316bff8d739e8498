package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	kind  = failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}
)

func attempt(i int) history.Attempt {
	return history.Attempt{
		ID: fmt.Sprintf("id-%d", i), Previous: "p", Outcome: history.Failed, End: start.Add(time.Duration(i) * time.Second), Seconds: 1.5,
		Sizes: map[engine.Part]int64{engine.Tree: 5, engine.Heap: 4}, Limit: 5, Peak: 6, Killed: true, Class: failure.MemoryContainer, Fingerprint: "f", Setting: "s",
	}
}

func row(t failure.Type, a history.Attempt) record.Record {
	return record.Record{Attempt: a, Type: t, Told: a.End}
}

func TestWhatIsLearntIsKeptWhole(t *testing.T) {
	s := store.New(storetest.Open(t), 0)
	if _, err := s.Get(t.Context(), kind); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of nothing = %v, want NotFound", err)
	}
	if err := s.Learn(t.Context(), row(kind, attempt(1)), start); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), kind)
	want := history.History{Type: kind, Attempts: []history.Attempt{attempt(1)}, Updated: start}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get = %+v, %v, want %+v", got, err, want)
	}
}

// The bus may deliver an event again after later ones, and after the attempt
// that it tells of was forgotten for newer ones.
func TestTheSameLessonAgainWritesNothing(t *testing.T) {
	c := &counter{Store: storetest.Open(t)}
	s := store.New(c, 0)
	const lessons = history.MaxAttempts + 3
	for range 2 {
		for i := range lessons {
			if err := s.Learn(t.Context(), row(kind, attempt(i)), start.Add(time.Duration(c.commits)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Get(t.Context(), kind)
		if err != nil || c.commits != lessons || len(got.Attempts) != history.MaxAttempts || got.Attempts[0].ID != "id-3" {
			t.Errorf("%d commits, %v; %d attempts, the first %+v", c.commits, err, len(got.Attempts), got.Attempts[0])
		}
	}
}

// counter counts the commits.
type counter struct {
	docstore.Store
	commits int
}

func (c *counter) Commit(ctx context.Context, writes ...docstore.Write) error {
	c.commits++
	return c.Store.Commit(ctx, writes...)
}

// What another replica wrote or deleted is seen at once.
func TestNothingOldIsRemembered(t *testing.T) {
	shared := storetest.Open(t)
	one, other := store.New(shared, 0), store.New(shared, 0)
	for i := range 3 {
		for _, s := range []*store.Histories{one, other} {
			if err := s.Learn(t.Context(), row(kind, attempt(2*i)), start); err != nil {
				t.Fatal(err)
			}
		}
		if err := other.Learn(t.Context(), row(kind, attempt(2*i+1)), start); err != nil {
			t.Fatal(err)
		}
		if got, err := one.Get(t.Context(), kind); err != nil || len(got.Attempts) != 2*i+2 {
			t.Errorf("attempts = %+v, %v, want %d", got.Attempts, err, 2*i+2)
		}
	}
	if err := other.Purge(t.Context(), start.Add(2*store.KeepFor)); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Get(t.Context(), kind); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of what another deleted = %v, want NotFound", err)
	}
	if err := other.Learn(t.Context(), row(kind, attempt(9)), start); err != nil {
		t.Fatal(err)
	}
	if got, err := one.Get(t.Context(), kind); err != nil || len(got.Attempts) != 1 {
		t.Errorf("attempts = %+v, %v, want the one that was learnt since", got.Attempts, err)
	}
}

func TestMoreTypesThanAreCachedAreKept(t *testing.T) {
	s := store.New(storetest.Open(t), 0)
	const types = 1024 + 50
	var wg sync.WaitGroup
	for n := range types {
		wg.Go(func() {
			k := kind
			k.Step = fmt.Sprint(n)
			if err := s.Learn(t.Context(), row(k, attempt(n)), start); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := range types {
		k := kind
		k.Step = fmt.Sprint(n)
		if got, err := s.Get(t.Context(), k); err != nil || len(got.Attempts) != 1 || got.Attempts[0].ID != attempt(n).ID {
			t.Fatalf("history %d = %+v, %v", n, got, err)
		}
	}
}

// Two replicas share one store and learn everything twice, at the same time.
func TestReplicasLearnTheSame(t *testing.T) {
	shared := storetest.Open(t)
	var want history.History
	for i := range history.MaxAttempts + 8 {
		want = want.Learn(attempt(i))
	}
	var wg sync.WaitGroup
	for replica := range 2 {
		s := store.New(shared, 0)
		for _, i := range rand.New(rand.NewPCG(1, uint64(replica))).Perm(history.MaxAttempts + 8) {
			wg.Go(func() {
				for {
					err := s.Learn(t.Context(), row(kind, attempt(i)), start)
					if errs.Is(err, errs.Conflict) {
						continue // the bus delivers it again
					}
					if err != nil {
						t.Error(err)
					}
					return
				}
			})
		}
	}
	wg.Wait()
	got, err := store.New(shared, 0).Get(t.Context(), kind)
	if err != nil || !reflect.DeepEqual(got.Attempts, want.Attempts) {
		t.Errorf("attempts = %+v, %v\nwant %+v", got.Attempts, err, want.Attempts)
	}
}

func TestPurgeForgetsWhatIsOld(t *testing.T) {
	s := store.New(storetest.Open(t), 0)
	other := kind
	other.Step = "other"
	now := start.Add(store.KeepFor + time.Minute)
	if err := s.Learn(t.Context(), row(kind, attempt(1)), start); err != nil {
		t.Fatal(err)
	}
	if err := s.Learn(t.Context(), row(other, attempt(1)), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), kind); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of an old job type = %v, want NotFound", err)
	}
	if _, err := s.Get(t.Context(), other); err != nil {
		t.Errorf("Get of a newer job type = %v", err)
	}
}

// reader counts the documents that are read.
type reader struct {
	docstore.Store
	read int
}

func (r *reader) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	page, err := r.Store.List(ctx, q)
	r.read += len(page.Docs)
	return page, err
}

func TestPurgeKeepsTheTypesThatWereHeardOfLastAndReadsNoOthers(t *testing.T) {
	const types, most = 1000, 300
	r := &reader{Store: storetest.Open(t)}
	s := store.New(r, 0).WithMaxTypes(most)
	of := func(n int) failure.Type {
		k := kind
		k.Step = fmt.Sprintf("step-%d", n)
		return k
	}
	var wg sync.WaitGroup
	for n := range types {
		wg.Go(func() {
			if err := s.Learn(t.Context(), row(of(n), attempt(1)), start.Add(time.Duration(n)*time.Hour)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, surplus := range []int{types - most, 0} { // the second time there is nothing to do
		r.read = 0
		if err := s.Purge(t.Context(), start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if r.read != surplus {
			t.Errorf("%d documents were read to delete %d", r.read, surplus)
		}
	}
	for n, want := range map[int]errs.Kind{0: errs.NotFound, types - most - 1: errs.NotFound, types - most: errs.None, types - 1: errs.None} {
		if _, err := s.Get(t.Context(), of(n)); errs.KindOf(err) != want {
			t.Errorf("job type %d of %d: %v, want %v", n, types, err, want)
		}
	}
}

// moody fails every other commit.
type moody struct {
	docstore.Store
	commits atomic.Int64
}

func (m *moody) Commit(ctx context.Context, writes ...docstore.Write) error {
	if m.commits.Add(1)%2 == 1 {
		return errs.New(errs.Unavailable, "not now")
	}
	return m.Store.Commit(ctx, writes...)
}

// A commit that fails fails nobody for good, and teaches nobody twice.
func TestLessonsOutliveTheFailuresOfOthers(t *testing.T) {
	shared := storetest.Open(t)
	s := store.New(&moody{Store: shared}, 0)
	var want history.History
	var wg sync.WaitGroup
	for i := range 40 {
		want = want.Learn(attempt(i))
		for range 2 {
			wg.Go(func() {
				for {
					err := s.Learn(t.Context(), row(kind, attempt(i)), start)
					if err == nil {
						return
					}
					if !errs.Is(err, errs.Unavailable) {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	got, err := s.Get(t.Context(), kind)
	if err != nil || !reflect.DeepEqual(got.Attempts, want.Attempts) {
		t.Errorf("attempts = %+v, %v\nwant %+v", got.Attempts, err, want.Attempts)
	}
}
