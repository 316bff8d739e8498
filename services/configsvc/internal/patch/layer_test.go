package patch

import (
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

// made returns a patch of all jobs of a type, with a reason.
func made(t *testing.T, id string, propose bool) Patch {
	t.Helper()
	return mustNew(t, id, func(d *Draft) { d.Scope, d.Propose, d.Reason = Scope{Type: etlType}, propose, "reason of "+id })
}

// approved returns a proposal that was made on the newest patch and approved then.
func approved(t *testing.T, id string, newest *Patch, at time.Time) Patch {
	t.Helper()
	p, err := Made(made(t, id, true), newest, nil, at)
	if err != nil {
		t.Fatal(err)
	}
	if p, _, err = Approve(p, "fine", at); err == nil {
		p, err = Put(p, newest, at)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAProposalIsApprovedOnWhatItWasMadeOnAlone(t *testing.T) {
	one, two := made(t, "p1", false), made(t, "p2", false)
	ended, _, _ := Revoke(one, "", now)
	late := one.Expires
	for _, tc := range []struct {
		name       string
		made, then *Patch
		at         time.Time
		ok         bool
	}{
		{"nothing then, nothing now", nil, nil, now, true},
		{"the same", &one, &one, now, true},
		{"another was promoted", &one, &two, now, false},
		{"one was promoted where none was", nil, &one, now, false},
		{"it was revoked", &one, &ended, now, false},
		{"what had ended before does not count", &ended, nil, now, true},
		{"it expired", &one, &one, late, false},
	} {
		p, err := Made(made(t, "p9", true), tc.made, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Put(p, tc.then, tc.at)
		if tc.ok != (err == nil) || !tc.ok && !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("%s: %v, want it to be approved: %v", tc.name, err, tc.ok)
		}
		if restores := got.Restores != nil; tc.ok && restores != (tc.then != nil) {
			t.Errorf("%s: it restores %+v", tc.name, got.Restores)
		}
	}
	for want, ok := range map[string]bool{"patches/p1": true, "patches/p2": false, "": false} {
		if _, err := Made(made(t, "p9", true), &one, &want, now); ok != (err == nil) || !ok && !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("made on %q while patches/p1 is active: %v", want, err)
		}
	}
	if _, err := Put(made(t, "p9", true), &one, now); err != nil {
		t.Errorf("one that does not say what it was made on: %v", err)
	}
}

func TestARevokedProposalMakesAnewWhatWasBeforeTheFirst(t *testing.T) {
	promoted := made(t, "p1", false)
	promoted.PromotedFrom, promoted.Revision = "patches/p0", 1
	first := approved(t, "p2", &promoted, now.Add(time.Hour))
	second := approved(t, "p3", &first, now.Add(2*time.Hour))
	at := now.Add(3 * time.Hour)
	for _, step := range []Patch{first, second} {
		got, ok := Restore(step, "p4", at)
		if !ok || got.ID != "p4" || got.State != Active || got.PromotedFrom != "patches/p0" || got.Revision != 0 || !got.Created.Equal(at) || !got.Expires.Equal(promoted.Expires) {
			t.Errorf("after %s: %+v, %v", step.Name(), got, ok)
		}
		if want := "patches/p1 again, since " + step.Name() + " was revoked: reason of p1"; got.Reason != want {
			t.Errorf("reason %q, want %q", got.Reason, want)
		}
		if _, ok := Restore(step, "p4", promoted.Expires); ok {
			t.Errorf("after %s: it comes back past its end", step.Name())
		}
	}
	for name, p := range map[string]Patch{"no proposal": promoted, "one on nothing": approved(t, "p5", nil, now)} {
		if got, ok := Restore(p, "p4", at); ok {
			t.Errorf("%s restores %+v", name, got)
		}
	}
	onNothing := approved(t, "p5", nil, now)
	if got := approved(t, "p6", &onNothing, now); got.Restores != nil {
		t.Errorf("the second step on nothing restores %+v", got.Restores)
	}
	promoted.Reason = strings.Repeat("é", MaxReason/2)
	if got, ok := Restore(approved(t, "p2", &promoted, now), "p4", at); !ok || len(got.Reason) > MaxReason {
		t.Errorf("a reason of %d bytes", len(got.Reason))
	}
}

func TestWhatAProposalIsMadeOnIsChecked(t *testing.T) {
	for _, change := range []func(*Draft){
		func(d *Draft) { d.MadeOn = new("") },
		func(d *Draft) { d.Propose, d.MadeOn = true, new("p1") },
	} {
		if _, err := New(draft(change), "p1", Ceilings{}, now); !errs.Is(err, errs.Invalid) || fieldsOf(err)[0] != "patch.made_on" {
			t.Errorf("New = %v, want patch.made_on named", err)
		}
	}
}
