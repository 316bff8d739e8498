package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// approve approves a proposal twice: a call may be told twice.
func (f fixture) approve(id string, at time.Time) {
	f.t.Helper()
	for range 2 {
		if _, err := f.Approve(f.t.Context(), id, "ann: fine", 0, at); err != nil {
			f.t.Fatal(err)
		}
	}
}

// applying returns the active patches of the type.
func (f fixture) applying(at time.Time) []patch.Patch {
	return f.list(store.Filter{State: patch.Active, Workflow: etlType.Workflow}, at)
}

func TestRevokingAnApprovedProposalRestoresWhatWasPromoted(t *testing.T) {
	// What was promoted is purged long before the proposal is revoked.
	f := open(t, ledger.Options{KeepFor: time.Hour})
	source := f.create(raise("jobs/a", 2048), "", now)
	promoted := f.promote(source.ID, now)
	first := f.create(lower(1536), "r1", now)
	f.approve(first.ID, now)
	second := f.create(lower(1200), "r2", now.Add(time.Hour))
	f.approve(second.ID, now.Add(time.Hour))
	at := now.Add(24 * time.Hour)
	f.sweep(at)
	if _, err := f.Get(t.Context(), promoted.ID, at); !errs.Is(err, errs.NotFound) {
		t.Fatalf("Get of what was promoted = %v, want it purged", err)
	}
	if got := f.memory("jobs/b", at); got != 1200.0 {
		t.Fatalf("memory = %v, want that of the second proposal", got)
	}
	told := f.told()
	for range 2 {
		if p, err := f.Revoke(t.Context(), second.ID, "failures/f", 0, at); err != nil || p.State != patch.Revoked {
			t.Fatalf("Revoke = %+v, %v", p, err)
		}
	}
	if got := f.memory("jobs/b", at); got != 2048.0 {
		t.Errorf("memory = %v after it was taken back, want the promoted 2048", got)
	}
	if got := f.told() - told; got != 2 {
		t.Errorf("%d events, want 2: revoked, and made anew", got)
	}
	restored, err := f.Promote(t.Context(), source.ID, "", 0, at)
	if err != nil || restored.PromotedFrom != source.Name() || restored.ID == promoted.ID || !restored.Expires.Equal(promoted.Expires) || !strings.Contains(restored.Reason, second.Name()) {
		t.Errorf("promoted again = %+v, %v, want what was made anew", restored, err)
	}
	if _, err := f.Revoke(t.Context(), restored.ID, "", 0, at); err != nil {
		t.Fatal(err)
	}
	if got := f.memory("jobs/b", at); got != 512.0 || f.state(second.ID, at) != patch.Revoked {
		t.Errorf("memory = %v after that was revoked too, want the jobs' own", got)
	}
}

func TestAProposalIsNotApprovedOverWhatItDoesNotKnow(t *testing.T) {
	f := open(t, ledger.Options{})
	none := ""
	draft := lower(400)
	draft.MadeOn = &none
	p := f.create(draft, "r1", now)
	promoted := f.promote(f.create(raise("jobs/a", 2048), "", now).ID, now)
	for range 2 {
		_, err := f.Approve(t.Context(), p.ID, "ann: fine", 0, now)
		if !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), promoted.Name()) || !strings.Contains(err.Error(), p.Name()) {
			t.Fatalf("Approve = %v, want FailedPrecondition that names both", err)
		}
	}
	if f.memory("jobs/b", now) != 2048.0 || f.state(p.ID, now) != patch.Proposed {
		t.Errorf("memory %v, the proposal is %v", f.memory("jobs/b", now), f.state(p.ID, now))
	}
	if first := f.create(draft, "r1", now); first.ID != p.ID {
		t.Errorf("the same request = %s, want the first patch", first.ID)
	}
	if _, err := f.Create(t.Context(), draft, "r2", false, now); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Create on none = %v, want FailedPrecondition", err)
	}
	draft.MadeOn = new(promoted.Name())
	next := f.create(draft, "r2", now)
	f.approve(next.ID, now)
	if f.memory("jobs/b", now) != 400.0 || f.state(p.ID, now) != patch.Superseded {
		t.Errorf("memory %v, the older proposal is %v", f.memory("jobs/b", now), f.state(p.ID, now))
	}
	if _, err := f.Reject(t.Context(), f.create(lower(300), "", now).ID, "ann: month's end", 0, now); err != nil {
		t.Fatal(err)
	}
	last := f.list(store.Filter{State: patch.Rejected}, now)[0]
	if _, err := f.Approve(t.Context(), last.ID, "", 0, now); err == nil || !strings.Contains(err.Error(), "ann: month's end") {
		t.Errorf("Approve of a rejected one = %v, want it to say why it ended", err)
	}
}

func TestRacingPromotionsRevocationsAndApprovalsLeaveOneThatApplies(t *testing.T) {
	for range 8 {
		f := open(t, ledger.Options{})
		first := f.promote(f.create(raise("jobs/a", 2048), "", now).ID, now)
		other := f.create(raise("jobs/b", 4096), "", now)
		step := f.create(lower(1536), "", now)
		race(12, func(i int) {
			var err error
			switch i % 3 {
			case 0:
				_, err = f.Approve(t.Context(), step.ID, "", 0, now)
			case 1:
				_, err = f.Revoke(t.Context(), step.ID, "", 0, now)
			default:
				_, err = f.Promote(t.Context(), other.ID, "", 0, now)
			}
			if err != nil && !errs.Is(err, errs.FailedPrecondition) {
				t.Error(err)
			}
		})
		types := 0
		for _, p := range f.applying(now) {
			if !p.Scope.OfJob() {
				types++
			}
		}
		if got := f.memory("jobs/c", now); types != 1 || got != 4096.0 || f.state(first.ID, now) != patch.Superseded {
			t.Errorf("%d patches of the type apply, memory %v, want what was promoted last", types, got)
		}
	}
}
