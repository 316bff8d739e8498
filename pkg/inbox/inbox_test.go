package inbox_test

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/inbox"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func seen(t *testing.T, b *inbox.Inbox, key string, want bool) {
	t.Helper()
	if got, err := b.Seen(t.Context(), key); err != nil || got != want {
		t.Errorf("Seen(%.40q) = %v, %v; want %v", key, got, err, want)
	}
}

func TestAKeyIsTakenOnce(t *testing.T) {
	store := storetest.Open(t)
	b, other := inbox.New(store, "test"), inbox.New(store, "other")
	long := strings.Repeat("k", 10_000)
	for _, key := range []string{"", "a", "h:a", "k:a", "\x00", long, long + "k", strings.Repeat("k", docstore.MaxKey)} {
		seen(t, b, key, false)
		if err := store.Commit(t.Context(), b.Write(key, now)); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		seen(t, b, key, true)
		seen(t, other, key, false)
		effect := docstore.Write{Kind: "test.job", ID: "j", Value: []byte("twice")}
		if err := store.Commit(t.Context(), b.Write(key, now.Add(time.Hour)), effect); !errs.Is(err, errs.Conflict) {
			t.Errorf("second Commit of %.40q = %v, want Conflict", key, err)
		}
	}
	if _, err := store.Get(t.Context(), "test.job", "j"); !errs.Is(err, errs.NotFound) {
		t.Errorf("the effect of an event seen before = %v, want none", err)
	}
}

func TestOfManyDeliveriesOneActs(t *testing.T) {
	store := storetest.Open(t)
	b := inbox.New(store, "test")
	var acted atomic.Int32
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			switch err := store.Commit(t.Context(), b.Write("event", now)); {
			case err == nil:
				acted.Add(1)
			case !errs.Is(err, errs.Conflict):
				t.Errorf("Commit = %v, want nil or Conflict", err)
			}
		})
	}
	wait.Wait()
	if acted.Load() != 1 {
		t.Errorf("acted %d times, want once", acted.Load())
	}
}

func TestEntriesOutliveTheEvents(t *testing.T) {
	if inbox.Keep <= bus.EventMaxAge {
		t.Errorf("the inbox keeps %v, want more than the stream's %v", inbox.Keep, bus.EventMaxAge)
	}
}

func TestPurge(t *testing.T) {
	store := storetest.Open(t)
	b := inbox.New(store, "test")
	const n = 1200
	for i := range n {
		if err := store.Commit(t.Context(), b.Write(strconv.Itoa(i), now.Add(time.Duration(i)*time.Second))); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		before time.Duration
		want   int
	}{{0, 0}, {time.Second, 1}, {1100 * time.Second, 1099}, {1100 * time.Second, 0}} {
		if got, err := b.Purge(t.Context(), now.Add(tc.before)); err != nil || got != tc.want {
			t.Errorf("Purge of what is older than %v = %d, %v; want %d", tc.before, got, err, tc.want)
		}
	}
	seen(t, b, "1099", false)
	seen(t, b, "1100", true)
	if err := store.Commit(t.Context(), b.Write("0", now)); err != nil {
		t.Errorf("a purged key cannot be taken again: %v", err)
	}
}
