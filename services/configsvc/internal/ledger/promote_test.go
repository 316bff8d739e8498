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

func (f fixture) promote(id string, at time.Time) patch.Patch {
	f.t.Helper()
	p, err := f.Promote(f.t.Context(), id, "it held", 0, at)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func TestAPromotedPatchAppliesToAllJobsOfTheType(t *testing.T) {
	f := open(t, ledger.Options{})
	source := f.create(raise("jobs/a", 1024), "", now)
	if got := f.memory("jobs/b", now); got != 512.0 {
		t.Fatalf("memory of another job = %v before the promotion", got)
	}
	p := f.promote(source.ID, now.Add(time.Minute))
	if p.PromotedFrom != source.Name() || p.Scope != (patch.Scope{Type: etlType}) || p.Reason != "it held" || p.Revision != 1 {
		t.Errorf("promoted = %+v", p)
	}
	if got := f.memory("jobs/b", now.Add(time.Hour)); got != 1024.0 {
		t.Errorf("memory of another job = %v, want 1024", got)
	}
	// The job's own patch still outranks it.
	f.create(raise("jobs/a", 4096), "", now.Add(time.Hour))
	if got := f.memory("jobs/a", now.Add(2*time.Hour)); got != 4096.0 {
		t.Errorf("memory of the job = %v, want its own 4096", got)
	}
}

func TestPromotingTwiceReturnsTheSamePatchWhileItIsActive(t *testing.T) {
	f := open(t, ledger.Options{})
	source := f.create(raise("jobs/a", 1024), "", now)
	first := f.promote(source.ID, now)
	if again := f.promote(source.ID, now.Add(time.Minute)); again.ID != first.ID {
		t.Errorf("promoted again to %s, want %s", again.ID, first.ID)
	}
	// It stays so when the job has moved on meanwhile.
	f.create(raise("jobs/a", 2048), "", now.Add(time.Minute))
	if again := f.promote(source.ID, now.Add(time.Hour)); again.ID != first.ID {
		t.Errorf("promoted again to %s, want %s", again.ID, first.ID)
	}
	if got := f.told(); got != 4 {
		t.Errorf("%d events, want 4", got)
	}
}

func TestARevokedPromotionCanBeMadeAgain(t *testing.T) {
	f := open(t, ledger.Options{})
	source := f.create(raise("jobs/a", 1024), "", now)
	first := f.promote(source.ID, now)
	if _, err := f.Revoke(t.Context(), first.ID, "", 0, now); err != nil {
		t.Fatal(err)
	}
	if got := f.memory("jobs/b", now); got != 512.0 {
		t.Errorf("memory = %v after the promotion was revoked", got)
	}
	if second := f.promote(source.ID, now); second.ID == first.ID || f.memory("jobs/b", now) != 1024.0 {
		t.Errorf("promoted again to %s, memory %v", second.ID, f.memory("jobs/b", now))
	}
}

func TestAPromotionSupersedesTheOneOfAnotherJob(t *testing.T) {
	f := open(t, ledger.Options{})
	a, b := f.create(raise("jobs/a", 1024), "", now), f.create(raise("jobs/b", 2048), "", now)
	first, second := f.promote(a.ID, now), f.promote(b.ID, now)
	if got := f.state(first.ID, now); got != patch.Superseded {
		t.Errorf("the first promotion is %v, want superseded", got)
	}
	if got := f.memory("jobs/c", now); got != 2048.0 || f.state(second.ID, now) != patch.Active {
		t.Errorf("memory = %v, want the second promotion's", got)
	}
}

func TestAnEndedPatchIsNotPromoted(t *testing.T) {
	f := open(t, ledger.Options{})
	old := f.create(raise("jobs/a", 1024), "", now)
	newer := f.create(raise("jobs/a", 2048), "", now)
	_, err := f.Promote(t.Context(), old.ID, "", 0, now)
	if !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), newer.Name()) {
		t.Errorf("Promote of a superseded patch = %v, want FailedPrecondition that names %s", err, newer.Name())
	}
	if _, err := f.Promote(t.Context(), newer.ID, "", 0, newer.Expires); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Promote of an expired patch = %v, want FailedPrecondition", err)
	}
	if _, err := f.Promote(t.Context(), "nope", "", 0, now); !errs.Is(err, errs.NotFound) {
		t.Errorf("Promote of nothing = %v, want NotFound", err)
	}
}

func TestRacingPromotionsMakeOnePatch(t *testing.T) {
	f := open(t, ledger.Options{})
	source := f.create(raise("jobs/a", 1024), "", now)
	ids := make([]string, 8)
	race(len(ids), func(i int) {
		p, err := f.Promote(t.Context(), source.ID, "", 0, now)
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
	if all := f.list(store.Filter{}, now); len(all) != 2 {
		t.Errorf("%d patches, want the source and its promotion", len(all))
	}
}
