package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

func (f fixture) sweep(at time.Time) {
	f.t.Helper()
	if err := f.Expire(f.t.Context(), at); err != nil {
		f.t.Fatal(err)
	}
	if err := f.Purge(f.t.Context(), at); err != nil {
		f.t.Fatal(err)
	}
}

func TestAnExpiredPatchIsSoForEverybodyBeforeTheSweep(t *testing.T) {
	f := open(t, ledger.Options{})
	d := raise("jobs/a", 1024)
	d.TTL = time.Hour
	p := f.create(d, "", now)
	end := now.Add(time.Hour)
	if f.memory("jobs/a", end.Add(-1)) != 1024.0 || f.memory("jobs/a", end) != 512.0 {
		t.Errorf("memory = %v just before the end and %v at it", f.memory("jobs/a", end.Add(-1)), f.memory("jobs/a", end))
	}
	if got := f.state(p.ID, end); got != patch.Expired {
		t.Errorf("state = %v", got)
	}
	for state, want := range map[patch.State]int{patch.Active: 0, patch.Expired: 1, patch.NoState: 1} {
		if got := f.list(store.Filter{State: state}, end); len(got) != want {
			t.Errorf("%d patches are %v, want %d", len(got), state, want)
		}
	}
	f.sweep(end.Add(-1))
	if got, err := f.Get(t.Context(), p.ID, now); err != nil || got.Revision != 1 {
		t.Errorf("swept before its end: %+v, %v", got, err)
	}
	for range 2 {
		f.sweep(end)
	}
	got, err := f.Get(t.Context(), p.ID, now)
	if err != nil || got.State != patch.Expired || got.Revision != 2 || f.told() != 2 {
		t.Errorf("after the sweep %v at revision %d, %d events, %v", got.State, got.Revision, f.told(), err)
	}
}

func TestEndedPatchesArePurgedByAge(t *testing.T) {
	f := open(t, ledger.Options{KeepFor: 24 * time.Hour})
	old := f.create(raise("jobs/a", 1024), "r1", now)
	newest := f.create(raise("jobs/a", 2048), "", now.Add(time.Hour))
	other := f.create(raise("jobs/b", 2048), "", now)
	if _, err := f.Revoke(t.Context(), other.ID, "", 0, now); err != nil {
		t.Fatal(err)
	}
	f.sweep(now.Add(24*time.Hour + time.Minute))
	if _, err := f.Get(t.Context(), other.ID, now); !errs.Is(err, errs.NotFound) {
		t.Errorf("the revoked patch = %v, want it gone", err)
	}
	if got := f.state(old.ID, now.Add(25*time.Hour)); got != patch.Superseded {
		t.Errorf("a patch that ended 23 hours ago is %v", got)
	}
	f.sweep(now.Add(25*time.Hour + time.Minute))
	if all := f.list(store.Filter{}, now); len(all) != 1 || all[0].ID != newest.ID {
		t.Errorf("left = %+v, want the active patch", all)
	}
	// The slot of jobs/b went with its last patch, that of jobs/a stays.
	slots, err := f.docs.List(t.Context(), docstore.Query{Kind: "configsvc.slot"})
	if err != nil || len(slots.Docs) != 1 {
		t.Errorf("%d slots, %v, want 1", len(slots.Docs), err)
	}
	// A scope that was purged takes new patches.
	f.create(raise("jobs/b", 4096), "", now.Add(26*time.Hour))
	if got := f.memory("jobs/b", now.Add(26*time.Hour)); got != 4096.0 {
		t.Errorf("memory = %v after a new patch", got)
	}
}

func TestTheNumberOfPatchesIsBounded(t *testing.T) {
	f := open(t, ledger.Options{Keep: 5})
	promoted := f.promote(f.create(raise("jobs/p", 1024), "", now).ID, now)
	for i := range 12 {
		f.create(raise(fmt.Sprintf("jobs/j%d", i), 2048), "", now.Add(time.Duration(1+i)*time.Second))
	}
	at := now.Add(time.Hour)
	f.sweep(at) // ends the oldest
	f.sweep(at) // deletes them
	left := f.list(store.Filter{}, at)
	if len(left) != 6 || left[5].ID != promoted.ID || left[5].State != patch.Active {
		t.Fatalf("%d patches left, the oldest %+v: want the newest 5 and the promoted one", len(left), left[len(left)-1])
	}
	for i := range 12 {
		want := 1024.0 // by the promoted patch
		if i >= 7 {
			want = 2048
		}
		if got := f.memory(fmt.Sprintf("jobs/j%d", i), at); got != want {
			t.Errorf("memory of job %d = %v, want %v", i, got, want)
		}
	}
}

func TestTheBoundHoldsOverManyPages(t *testing.T) {
	f := open(t, ledger.Options{Keep: 405})
	const n = 410
	race(n, func(i int) {
		if _, err := f.Create(t.Context(), raise(fmt.Sprintf("jobs/j%d", i), 2048), "", false, now.Add(time.Duration(i))); err != nil {
			t.Error(err)
		}
	})
	f.sweep(now)
	f.sweep(now)
	left := f.list(store.Filter{}, now)
	if len(left) != 405 || left[404].Scope.Job != "jobs/j5" {
		t.Errorf("%d patches left, the oldest of %s: want the newest 405", len(left), left[len(left)-1].Scope.Job)
	}
}

// TestALifeOfTheLedger does random things and looks after each whether what
// must hold holds.
func TestALifeOfTheLedger(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			live(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

func live(t *testing.T, r *rand.Rand) {
	f := open(t, ledger.Options{KeepFor: 48 * time.Hour})
	at, ended := now, map[string]bool{}
	var ids []string
	pick := func() string { return ids[r.IntN(len(ids))] }
	for i := range 80 {
		at = at.Add(time.Duration(r.IntN(180)) * time.Minute)
		var err error
		switch n := r.IntN(14); {
		case n < 4 || len(ids) == 0:
			d := raise(fmt.Sprintf("jobs/j%d", r.IntN(3)), float64(1024+r.IntN(9)))
			if r.IntN(3) == 0 {
				d = lower(float64(256 + r.IntN(9)))
			}
			d.TTL = time.Duration(1+r.IntN(48)) * time.Hour
			ids = append(ids, f.create(d, fmt.Sprintf("r%d", i/3), at).ID)
		case n < 6:
			var p patch.Patch
			if p, err = f.Promote(t.Context(), pick(), "", time.Duration(1+r.IntN(24))*time.Hour, at); err == nil {
				ids = append(ids, p.ID)
			}
		case n < 8:
			_, err = f.Revoke(t.Context(), pick(), "", 0, at)
		case n < 11:
			_, err = f.Approve(t.Context(), pick(), "", 0, at)
		case n < 12:
			_, err = f.Reject(t.Context(), pick(), "", 0, at)
		default:
			f.sweep(at)
		}
		if err != nil && !errs.Is(err, errs.FailedPrecondition) && !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
		f.mustHold(at, ended)
	}
}

// mustHold checks that no scope has two active patches or two proposals, that no
// ended patch came back, and that each job runs with what its scopes' active patches say.
func (f fixture) mustHold(at time.Time, ended map[string]bool) {
	f.t.Helper()
	active, proposed := map[string]patch.Patch{}, map[string]string{}
	for _, p := range f.list(store.Filter{}, at) {
		if !p.Open() {
			ended[p.ID] = true
			continue
		}
		if ended[p.ID] {
			f.t.Fatalf("%s came back", p.Name())
		}
		if p.State == patch.Proposed {
			if other := proposed[p.Scope.Key()]; other != "" {
				f.t.Fatalf("%s and %s are both proposed for %s", p.Name(), other, p.Scope.Key())
			}
			proposed[p.Scope.Key()] = p.Name()
			continue
		}
		if other, two := active[p.Scope.Key()]; two {
			f.t.Fatalf("%s and %s are both active for %s", p.Name(), other.Name(), p.Scope.Key())
		}
		active[p.Scope.Key()] = p
	}
	for _, job := range []string{"jobs/j0", "jobs/j1", "jobs/j2", "jobs/j3"} {
		want := any(512.0)
		if p, ok := active[patch.Scope{Type: etlType}.Key()]; ok {
			want = p.Operations[1].Value
		}
		if p, ok := active[job]; ok {
			want = p.Operations[1].Value
		}
		if got := f.memory(job, at); got != want {
			f.t.Fatalf("memory of %s = %v, want %v", job, got, want)
		}
	}
}
