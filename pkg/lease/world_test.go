package lease_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/lease"
)

const ttl = lease.DefaultTTL

// world is some replicas over one store and one time, which goes on only when
// the test says so. Every replica reads it from a clock that is off by hours.
type world struct {
	*storeWithOutages
	t        *testing.T
	now      time.Time
	replicas []*replica
}

type replica struct {
	*lease.Leases
	name string
	gone bool // dead, stopped, or not running now: it takes no steps
}

// storeWithOutages refuses while down, and lets something happen around each
// Commit.
type storeWithOutages struct {
	docstore.Store
	down          bool
	before, after func()
	commits       int
}

func (s *storeWithOutages) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	if s.down {
		return docstore.Page{}, errs.New(errs.Unavailable, "down")
	}
	return s.Store.List(ctx, q)
}

func (s *storeWithOutages) Commit(ctx context.Context, writes ...docstore.Write) error {
	if s.down {
		return errs.New(errs.Unavailable, "down")
	}
	if s.before != nil {
		s.before()
	}
	err := s.Store.Commit(ctx, writes...)
	s.commits++
	if s.after != nil {
		s.after()
	}
	return err
}

func newWorld(t *testing.T) *world {
	return &world{storeWithOutages: &storeWithOutages{Store: storetest.Open(t)}, t: t, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

// start adds a replica; a name that is there already is another process of
// that name.
func (w *world) start(name string) *replica {
	off := time.Duration(len(w.replicas)*7) * time.Hour
	r := &replica{name: name, Leases: lease.New(w.storeWithOutages, "test", name, lease.Options{}).WithClock(func() time.Time { return w.now.Add(off) })}
	w.replicas = append(w.replicas, r)
	return r
}

// steps lets everybody who runs take a step, n times, a quarter of TTL apart.
func (w *world) steps(n int) {
	w.t.Helper()
	for range n {
		for _, r := range w.replicas {
			if !r.gone {
				_ = r.Step(w.t.Context())
			}
			w.check()
		}
		w.now = w.now.Add(ttl / 4)
		w.check()
	}
}

// check fails when two hold one shard.
func (w *world) check() {
	w.t.Helper()
	for s := range lease.Shards {
		var who []string
		for i, r := range w.replicas {
			if r.HoldsShard(s) {
				who = append(who, fmt.Sprintf("%s (process %d)", r.name, i))
			}
		}
		if len(who) > 1 {
			w.t.Fatalf("shard %d is held by %v", s, who)
		}
	}
}

// shares returns how many shards each process holds.
func (w *world) shares() []int {
	all := make([]int, len(w.replicas))
	for i, r := range w.replicas {
		for s := range lease.Shards {
			if r.HoldsShard(s) {
				all[i]++
			}
		}
	}
	return all
}

func (w *world) wantShares(what string, want ...int) {
	w.t.Helper()
	if got := w.shares(); !slices.Equal(got, want) {
		w.t.Fatalf("%s: shares = %v, want %v", what, got, want)
	}
}

func find(t *testing.T, r *replica, name string) lease.Replica {
	t.Helper()
	all := r.Replicas()
	i := slices.IndexFunc(all, func(r lease.Replica) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("%s knows %+v, but not %s", r.name, all, name)
	}
	return all[i]
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
