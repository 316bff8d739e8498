package ledger_test

import (
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// lower is a proposal for all jobs of a type that sets their memory.
func lower(to float64) patch.Draft {
	d := raise("", to)
	d.Scope, d.Propose = patch.Scope{Type: etlType}, true
	return d
}

func TestAProposalAppliesOnceItIsApproved(t *testing.T) {
	f := open(t, ledger.Options{})
	active := lower(400)
	active.Propose = false
	old := f.create(active, "", now)
	p := f.create(lower(300), "r1", now)
	if p.State != patch.Proposed || f.memory("jobs/a", now) != 400.0 || f.state(old.ID, now) != patch.Active {
		t.Fatalf("proposed %v, memory %v, the active patch %v", p.State, f.memory("jobs/a", now), f.state(old.ID, now))
	}
	at := now.Add(time.Hour)
	if _, err := f.Approve(t.Context(), p.ID, "", p.Revision+1, at); !errs.Is(err, errs.Conflict) {
		t.Errorf("Approve with another revision = %v, want Conflict", err)
	}
	for range 2 { // a call may be told twice, with the etag that it had
		got, err := f.Approve(t.Context(), p.ID, "ann: fine", p.Revision, at)
		if err != nil || got.State != patch.Active || got.Revision != 2 || got.ApproveReason != "ann: fine" {
			t.Errorf("Approve = %+v, %v", got, err)
		}
	}
	if f.memory("jobs/a", at) != 300.0 || f.state(old.ID, at) != patch.Superseded {
		t.Errorf("memory %v, the patch before it %v", f.memory("jobs/a", at), f.state(old.ID, at))
	}
	if again := f.create(lower(100), "r1", at); again.ID != p.ID || again.State != patch.Active {
		t.Errorf("the request told again = %s, %v, want the approved patch", again.ID, again.State)
	}
	// A proposal after it leaves it alone.
	f.create(lower(200), "r2", at)
	if f.memory("jobs/a", at) != 300.0 || f.told() != 5 {
		t.Errorf("memory %v, %d events", f.memory("jobs/a", at), f.told())
	}
	if _, err := f.Approve(t.Context(), "nope", "", 0, at); !errs.Is(err, errs.NotFound) {
		t.Errorf("Approve of nothing = %v, want NotFound", err)
	}
}

func TestANewerProposalReplacesTheOlderOne(t *testing.T) {
	f := open(t, ledger.Options{})
	first, second := f.create(lower(400), "", now), f.create(lower(300), "", now)
	if f.state(first.ID, now) != patch.Superseded || f.state(second.ID, now) != patch.Proposed {
		t.Errorf("states %v and %v", f.state(first.ID, now), f.state(second.ID, now))
	}
	if _, err := f.Approve(t.Context(), first.ID, "", 0, now); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Approve of a superseded proposal = %v, want FailedPrecondition", err)
	}
	for range 2 {
		got, err := f.Reject(t.Context(), second.ID, "ann: no", second.Revision, now)
		if err != nil || got.State != patch.Rejected || got.RevokeReason != "ann: no" || got.Revision != 2 {
			t.Errorf("Reject = %+v, %v", got, err)
		}
	}
	if _, err := f.Approve(t.Context(), second.ID, "", 0, now); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Approve of a rejected proposal = %v, want FailedPrecondition", err)
	}
	if got := f.memory("jobs/a", now); got != 512.0 {
		t.Errorf("memory = %v, want the original", got)
	}
	if got := f.told(); got != 4 {
		t.Errorf("%d events, want 4", got)
	}
}

func TestRacingAnswersGiveOne(t *testing.T) {
	f := open(t, ledger.Options{})
	p := f.create(lower(300), "", now)
	race(16, func(i int) {
		var err error
		switch i % 4 {
		case 0, 1:
			_, err = f.Approve(t.Context(), p.ID, "", 0, now)
		case 2:
			_, err = f.Reject(t.Context(), p.ID, "", 0, now)
		default:
			_, err = f.Create(t.Context(), raise("jobs/a", 1024), "r1", false, now)
		}
		if err != nil && !errs.Is(err, errs.FailedPrecondition) {
			t.Error(err)
		}
	})
	got := f.state(p.ID, now)
	want := map[patch.State]any{patch.Active: 300.0, patch.Rejected: 512.0}[got]
	if memory := f.memory("jobs/b", now); want == nil || memory != want {
		t.Errorf("the proposal is %v and memory %v", got, memory)
	}
	if told := f.told(); told != 3 {
		t.Errorf("%d events, want 3: proposed, answered, and the job's", told)
	}
}

func TestProposalsExpireAndAreBounded(t *testing.T) {
	f := open(t, ledger.Options{Keep: 2, KeepFor: 24 * time.Hour})
	d := lower(300)
	d.TTL = time.Hour
	p := f.create(d, "", now)
	end := now.Add(time.Hour)
	if _, err := f.Approve(t.Context(), p.ID, "", 0, end); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Approve past the expiry = %v, want FailedPrecondition", err)
	}
	f.sweep(end)
	if got, err := f.Get(t.Context(), p.ID, now); err != nil || got.State != patch.Expired || got.Revision != 2 {
		t.Errorf("swept %v at revision %d, %v", got.State, got.Revision, err)
	}
	f.sweep(end.Add(25 * time.Hour))
	if slots, err := f.docs.List(t.Context(), docstore.Query{Kind: "configsvc.slot"}); err != nil || len(slots.Docs) != 0 {
		t.Errorf("%d slots after the last patch was purged, %v", len(slots.Docs), err)
	}
	// Beyond Keep the oldest ends, also a proposal.
	oldest := f.create(lower(300), "", end)
	for _, job := range []string{"jobs/a", "jobs/b"} {
		f.create(raise(job, 1024), "", end.Add(time.Minute))
	}
	f.sweep(end.Add(time.Hour))
	if got := f.state(oldest.ID, end.Add(time.Hour)); got != patch.Expired {
		t.Errorf("the oldest of three is %v, want expired", got)
	}
	f.sweep(end.Add(time.Hour))
	if all := f.list(store.Filter{}, end.Add(time.Hour)); len(all) != 2 {
		t.Errorf("%d patches, want 2", len(all))
	}
}
