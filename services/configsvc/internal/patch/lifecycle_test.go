package patch

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	etlType = failure.Type{Workflow: "etl", Step: "load", Engine: engine.Process}
)

func draft(change func(*Draft)) Draft {
	d := Draft{Scope: Scope{Job: "jobs/etl-7"}, Type: etlType, Operations: raise(512, 1024), Failure: "failures/f1", Reason: "it needs more"}
	if change != nil {
		change(&d)
	}
	return d
}

func mustNew(t testing.TB, id string, change func(*Draft)) Patch {
	t.Helper()
	p, err := New(draft(change), id, Ceilings{}, now)
	if err != nil {
		t.Fatal(err)
	}
	p.Revision = 1
	return p
}

func TestNew(t *testing.T) {
	got := mustNew(t, "p1", nil)
	want := Patch{
		ID: "p1", Scope: Scope{Job: "jobs/etl-7"}, Type: etlType, Operations: raise(512, 1024), State: Active,
		Failure: "failures/f1", Reason: "it needs more", Created: now, Updated: now, Expires: now.Add(DefaultTTL), Revision: 1,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("New = %+v\nwant  %+v", got, want)
	}
	secret := mustNew(t, "p1", func(d *Draft) { d.Reason = "password=hunter2-and-more" })
	if strings.Contains(secret.Reason, "hunter2") {
		t.Errorf("reason = %q, want the secret taken out", secret.Reason)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Draft)
		want   []string
	}{
		{"scope by type", func(d *Draft) { d.Scope = Scope{Type: d.Type} }, nil},
		{"no failure, no reason", func(d *Draft) { d.Failure, d.Reason = "", "" }, nil},
		{"longest life", func(d *Draft) { d.TTL = MaxTTL }, nil},
		{"no scope", func(d *Draft) { d.Scope = Scope{} }, []string{"patch.scope"}},
		{"two scopes", func(d *Draft) { d.Scope.Type = d.Type }, []string{"patch.scope"}},
		{"scope of another type", func(d *Draft) { d.Scope = Scope{Type: failure.Type{Workflow: "x", Step: "y", Engine: "jvm"}} }, []string{"patch.scope.type"}},
		{"no type", func(d *Draft) { d.Type = failure.Type{} }, []string{"patch.type.workflow", "patch.type.step", "patch.type.engine"}},
		{"unknown engine", func(d *Draft) { d.Type.Engine = "ray" }, []string{"patch.type.engine"}},
		{"bad operation", func(d *Draft) { d.Operations = nil }, []string{"patch.operations"}},
		{"not a failure", func(d *Draft) { d.Failure = "jobs/x" }, []string{"patch.failure"}},
		{"long reason", func(d *Draft) { d.Reason = strings.Repeat("x", MaxReason+1) }, []string{"patch.reason"}},
		{"lives too long", func(d *Draft) { d.TTL = MaxTTL + 1 }, []string{"ttl"}},
		{"never lives", func(d *Draft) { d.TTL = -1 }, []string{"ttl"}},
		{"all at once", func(d *Draft) { d.Scope, d.Operations, d.TTL = Scope{}, nil, -1 }, []string{"patch.scope", "patch.operations", "ttl"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(draft(tc.change), "p1", Ceilings{}, now)
			if got := fieldsOf(err); !slices.Equal(got, tc.want) {
				t.Errorf("wrong fields = %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

// inState returns a patch of a job that came into a state an hour after now.
func inState(t testing.TB, s State) Patch {
	p := mustNew(t, "p1", nil)
	later := now.Add(time.Hour)
	switch s {
	case Revoked:
		p, _, _ = Revoke(p, "wrong", later)
	case Superseded:
		p, _ = Supersede(p, later)
	case Expired:
		p, _ = Expire(p, p.Expires)
	case Proposed, Rejected:
		p = mustNew(t, "p1", func(d *Draft) { d.Propose = true })
		if s == Rejected {
			p, _, _ = Reject(p, "too small", later)
		}
	}
	if p.State != s {
		t.Fatalf("state = %v, want %v", p.State, s)
	}
	return p
}

func TestPromote(t *testing.T) {
	later := now.Add(2 * time.Hour)
	got, err := Promote(inState(t, Active), "patches/p1", "p2", "it held", 0, later)
	want := mustNew(t, "p2", func(d *Draft) { d.Scope, d.TTL, d.Reason = Scope{Type: etlType}, DefaultPromoteTTL, "it held" })
	want.Created, want.Updated, want.Expires, want.Revision = later, later, later.Add(DefaultPromoteTTL), 0
	want.PromotedFrom = "patches/p1"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Promote = %+v, %v\nwant %+v", got, err, want)
	}
	for _, s := range []State{Revoked, Superseded, Expired, Proposed, Rejected} {
		if _, err := Promote(inState(t, s), "patches/p9", "p2", "", 0, later); !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("Promote of a %v patch = %v, want FailedPrecondition", s, err)
		}
	}
	if _, err := Promote(inState(t, Superseded), "patches/p9", "p2", "", 0, later); err == nil || !strings.Contains(err.Error(), "patches/p9") {
		t.Errorf("Promote of a superseded patch = %v, want the newer one named", err)
	}
	if _, err := Promote(got, "patches/p2", "p3", "", 0, later); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Promote of a promoted patch = %v, want FailedPrecondition", err)
	}
	if _, err := Promote(inState(t, Active), "", "p2", "", MaxTTL+1, later); !errs.Is(err, errs.Invalid) {
		t.Errorf("Promote for too long = %v, want Invalid", err)
	}
}

func TestAPatchEndsOnce(t *testing.T) {
	type end func(Patch, time.Time) (Patch, bool, error)
	ends := map[State]end{
		Revoked:    func(p Patch, at time.Time) (Patch, bool, error) { return Revoke(p, "wrong", at) },
		Superseded: func(p Patch, at time.Time) (Patch, bool, error) { q, c := Supersede(p, at); return q, c, nil },
	}
	for _, from := range []State{Active, Revoked, Superseded, Expired} {
		for to, end := range ends {
			p := inState(t, from)
			at := now.Add(3 * time.Hour)
			got, changed, err := end(p, at)
			switch {
			case from == Active:
				if err != nil || !changed || got.State != to || !got.Updated.Equal(at) {
					t.Errorf("%v → %v = %v at %v, changed %v, %v", from, to, got.State, got.Updated, changed, err)
				}
			case to == Revoked && from != Revoked:
				if !errs.Is(err, errs.FailedPrecondition) {
					t.Errorf("%v → %v = %v, want FailedPrecondition", from, to, err)
				}
			case err != nil || changed || !reflect.DeepEqual(got, p):
				t.Errorf("%v → %v = %+v, %v, %v, want no change", from, to, got, changed, err)
			}
		}
	}
}

func TestExpireAndEvict(t *testing.T) {
	p := inState(t, Active)
	if got, changed := Expire(p, p.Expires.Add(-1)); changed || got.State != Active {
		t.Errorf("Expire before the expiry = %v, %v", got.State, changed)
	}
	if got, changed := Expire(p, p.Expires); !changed || got.State != Expired {
		t.Errorf("Expire at the expiry = %v, %v", got.State, changed)
	}
	got, changed := Evict(p, now.Add(time.Minute))
	if !changed || got.State != Expired || !got.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("Evict = %+v, %v", got, changed)
	}
	for _, s := range []State{Revoked, Superseded, Expired, Rejected} {
		p := inState(t, s)
		if _, changed := Expire(p, p.Expires.Add(time.Hour)); changed {
			t.Errorf("Expire changes a %v patch", s)
		}
		if _, changed := Evict(p, now); changed {
			t.Errorf("Evict changes a %v patch", s)
		}
	}
}

func TestAnExpiredPatchIsNeitherRevokedNorSupersededNorPromoted(t *testing.T) {
	p := inState(t, Active) // as it is stored: nobody has written its end down
	after := p.Expires
	if _, _, err := Revoke(p, "", after); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Revoke = %v", err)
	}
	if _, changed := Supersede(p, after); changed {
		t.Error("Supersede changes it")
	}
	if _, err := Promote(p, p.Name(), "p2", "", 0, after); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Promote = %v", err)
	}
}
