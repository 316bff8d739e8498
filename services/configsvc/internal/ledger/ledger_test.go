package ledger_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	etlType = failure.Type{Workflow: "etl", Step: "load", Engine: "process"}
)

// away is a bus that cannot be reached: what is told stays in the outbox, where
// a test counts it.
type away struct{}

func (away) Publish(context.Context, ...bus.Event) error { return errs.New(errs.Unavailable, "away") }

func (away) Sync(context.Context) error { return errs.New(errs.Unavailable, "away") }

type fixture struct {
	*ledger.Ledger
	docs   docstore.Store
	outbox *outbox.Outbox
	t      testing.TB
}

func open(t testing.TB, o ledger.Options) fixture {
	t.Helper()
	return over(t, storetest.Open(t), o)
}

func over(t testing.TB, docs docstore.Store, o ledger.Options) fixture {
	t.Helper()
	box := outbox.New(docs, away{}, "configsvc", nil, slog.New(slog.DiscardHandler))
	l, err := ledger.New(store.New(docs, box), o, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return fixture{l, docs, box, t}
}

// raise is a draft for a job that raises its memory from 512 MiB.
func raise(job string, to float64) patch.Draft {
	return patch.Draft{
		Scope: patch.Scope{Job: job}, Type: etlType,
		Operations: []patch.Operation{{Op: "test", Path: "/memory_mb", Value: 512.0}, {Op: "replace", Path: "/memory_mb", Value: to}},
	}
}

func (f fixture) create(d patch.Draft, requestID string, at time.Time) patch.Patch {
	f.t.Helper()
	p, err := f.Create(f.t.Context(), d, requestID, false, at)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f fixture) state(id string, at time.Time) patch.State {
	f.t.Helper()
	p, err := f.Get(f.t.Context(), id, at)
	if err != nil {
		f.t.Fatal(err)
	}
	return p.State
}

// memory returns what a job with 512 MiB runs with.
func (f fixture) memory(job string, at time.Time) any {
	f.t.Helper()
	r, err := f.Resolve(f.t.Context(), patch.Target{Job: job, Type: etlType}, map[string]any{"memory_mb": 512.0}, at)
	if err != nil {
		f.t.Fatal(err)
	}
	return r.Config["memory_mb"]
}

// told returns how many events have been told.
func (f fixture) told() int {
	f.t.Helper()
	n, err := f.outbox.Backlog(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f fixture) list(filter store.Filter, at time.Time) []patch.Patch {
	f.t.Helper()
	page, err := docstore.NewPaging(1000, "")
	if err != nil {
		f.t.Fatal(err)
	}
	all, next, err := f.List(f.t.Context(), filter, page, at)
	if err != nil || next != "" {
		f.t.Fatalf("List: next %q, %v", next, err)
	}
	return all
}

func TestANewPatchSupersedesTheActiveOneOfItsScope(t *testing.T) {
	f := open(t, ledger.Options{})
	first := f.create(raise("jobs/a", 1024), "r1", now)
	other := f.create(raise("jobs/b", 4096), "", now)
	second := f.create(raise("jobs/a", 2048), "r2", now.Add(time.Minute))
	for id, want := range map[string]patch.State{first.ID: patch.Superseded, other.ID: patch.Active, second.ID: patch.Active} {
		if got := f.state(id, now.Add(time.Hour)); got != want {
			t.Errorf("%s is %v, want %v", id, got, want)
		}
	}
	if got := f.memory("jobs/a", now.Add(time.Hour)); got != 2048.0 {
		t.Errorf("memory = %v, want the newer patch's 2048", got)
	}
	if got := f.told(); got != 4 {
		t.Errorf("%d events, want one for each of 4 changes", got)
	}
	if second.Revision != 1 || other.Revision != 1 {
		t.Errorf("revisions %d and %d, want 1", second.Revision, other.Revision)
	}
}

func TestTheSameRequestReturnsTheFirstPatch(t *testing.T) {
	f := open(t, ledger.Options{})
	first := f.create(raise("jobs/a", 1024), "r1", now)
	again := f.create(raise("jobs/b", 4096), "r1", now.Add(time.Minute))
	if again.ID != first.ID || again.Scope != first.Scope || again.State != patch.Active {
		t.Errorf("the second call = %+v, want the first patch", again)
	}
	newer := f.create(raise("jobs/a", 2048), "r2", now.Add(time.Hour))
	late := f.create(raise("jobs/a", 1024), "r1", now.Add(2*time.Hour))
	if late.ID != first.ID || late.State != patch.Superseded {
		t.Errorf("a call after a newer patch = %s, %v, want the first, superseded", late.ID, late.State)
	}
	if got := f.state(newer.ID, now.Add(2*time.Hour)); got != patch.Active {
		t.Errorf("the newer patch is %v, want active still", got)
	}
	if a, b := f.create(raise("jobs/c", 1024), "", now), f.create(raise("jobs/c", 1024), "", now); a.ID == b.ID {
		t.Error("two calls without a request id made one patch")
	}
	if _, err := f.Create(t.Context(), raise("jobs/a", 1024), strings.Repeat("r", 129), false, now); !errs.Is(err, errs.Invalid) {
		t.Errorf("a long request id = %v, want Invalid", err)
	}
}

// race does f n times at once.
func race(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

func TestRacingCallsOfOneRequestMakeOnePatch(t *testing.T) {
	f := open(t, ledger.Options{})
	ids := make([]string, 16)
	race(len(ids), func(i int) {
		p, err := f.Create(t.Context(), raise("jobs/a", 1024), "r1", false, now)
		if err != nil {
			t.Error(err)
		}
		ids[i] = p.ID
	})
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids = %v, want one", ids)
		}
	}
	if all, told := f.list(store.Filter{}, now), f.told(); len(all) != 1 || told != 1 {
		t.Errorf("%d patches and %d events, want one of each", len(all), told)
	}
}

func TestRacingPatchesOfOneScopeLeaveOneActive(t *testing.T) {
	f := open(t, ledger.Options{})
	const n = 16
	race(n, func(i int) {
		if _, err := f.Create(t.Context(), raise("jobs/a", float64(1024+i)), "", false, now); err != nil {
			t.Error(err)
		}
	})
	all, active := f.list(store.Filter{}, now), f.list(store.Filter{State: patch.Active}, now)
	if len(all) != n || len(active) != 1 {
		t.Errorf("%d patches, %d active, want %d and 1", len(all), len(active), n)
	}
	if got := f.told(); got != n+n-1 {
		t.Errorf("%d events, want %d", got, n+n-1)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	f := open(t, ledger.Options{Ceilings: patch.Ceilings{Memory: 1 << 30}})
	p, err := f.Create(t.Context(), raise("jobs/a", 1024), "r1", true, now)
	if err != nil || p.ID != "" || p.State != patch.Active || !p.Expires.Equal(now.Add(patch.DefaultTTL)) {
		t.Errorf("dry run = %+v, %v", p, err)
	}
	if _, err := f.Create(t.Context(), raise("jobs/a", 1025), "r1", true, now); !errs.Is(err, errs.Invalid) {
		t.Errorf("dry run beyond the ceiling = %v, want Invalid", err)
	}
	if all := f.list(store.Filter{}, now); len(all) != 0 || f.told() != 0 {
		t.Errorf("%d patches, %d events after a dry run", len(all), f.told())
	}
}

func TestRevoke(t *testing.T) {
	f := open(t, ledger.Options{})
	p := f.create(raise("jobs/a", 1024), "", now)
	if _, err := f.Revoke(t.Context(), p.ID, "ann: wrong", p.Revision+1, now); !errs.Is(err, errs.Conflict) {
		t.Errorf("Revoke with another revision = %v, want Conflict", err)
	}
	for range 2 { // a call may be told twice, with the etag that it had
		got, err := f.Revoke(t.Context(), p.ID, "ann: wrong", p.Revision, now.Add(time.Minute))
		if err != nil || got.State != patch.Revoked || got.RevokeReason != "ann: wrong" || got.Revision != 2 {
			t.Errorf("Revoke = %+v, %v", got, err)
		}
	}
	if got := f.memory("jobs/a", now.Add(time.Hour)); got != 512.0 {
		t.Errorf("memory = %v after Revoke, want the original", got)
	}
	if got := f.told(); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
	if _, err := f.Revoke(t.Context(), "nope", "", 0, now); !errs.Is(err, errs.NotFound) {
		t.Errorf("Revoke of nothing = %v, want NotFound", err)
	}
	expired := f.create(raise("jobs/b", 1024), "", now)
	if _, err := f.Revoke(t.Context(), expired.ID, "", 0, expired.Expires); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Revoke of an expired patch = %v, want FailedPrecondition", err)
	}
}

func TestRacingRevokesRevokeOnce(t *testing.T) {
	f := open(t, ledger.Options{})
	p := f.create(raise("jobs/a", 1024), "", now)
	race(8, func(int) {
		if got, err := f.Revoke(t.Context(), p.ID, "", 0, now); err != nil || got.State != patch.Revoked {
			t.Errorf("Revoke = %v, %v", got.State, err)
		}
	})
	if got := f.told(); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
}

func TestResolveWritesNothing(t *testing.T) {
	f := open(t, ledger.Options{})
	p := f.create(raise("jobs/a", 1024), "", now)
	for _, at := range []time.Time{now, p.Expires, p.Expires.Add(time.Hour)} {
		f.memory("jobs/a", at)
		f.memory("jobs/never-seen", at)
	}
	stored, err := f.docs.Get(t.Context(), "configsvc.patch", p.ID)
	if err != nil || stored.Revision != 1 || f.told() != 1 {
		t.Errorf("the patch has revision %d, %d events told, %v: want 1 and 1", stored.Revision, f.told(), err)
	}
	page, err := f.docs.List(t.Context(), docstore.Query{Kind: "configsvc.slot"})
	if err != nil || len(page.Docs) != 1 || page.Docs[0].Revision != 1 {
		t.Errorf("slots = %+v, %v, want the one that was", page.Docs, err)
	}
}

func TestPatchesOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	reopen := func() (fixture, func()) {
		docs, err := pebblestore.Open(path, pebblestore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return over(t, docs, ledger.Options{}), func() {
			if err := docs.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	f, end := reopen()
	p := f.create(raise("jobs/a", 1024), "r1", now)
	end()
	f, end = reopen()
	defer end()
	if again := f.create(raise("jobs/a", 2048), "r1", now); again.ID != p.ID || f.memory("jobs/a", now) != 1024.0 {
		t.Errorf("after a restart the request made %s and memory %v", again.ID, f.memory("jobs/a", now))
	}
	if f.told() != 1 {
		t.Errorf("%d events wait, want the one from before", f.told())
	}
}
