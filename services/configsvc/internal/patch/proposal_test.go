package patch

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

func TestAnApprovedProposalBeginsItsTimeThen(t *testing.T) {
	p := mustNew(t, "p1", func(d *Draft) { d.Propose, d.TTL = true, 48*time.Hour })
	if p.State != Proposed || !p.Expires.Equal(now.Add(48*time.Hour)) {
		t.Fatalf("proposed %+v", p)
	}
	later := now.Add(47 * time.Hour)
	got, changed, err := Approve(p, "ann: fine, token=abcdefgh12345678", later)
	if err != nil || !changed || got.State != Active || !got.Updated.Equal(later) || !got.Expires.Equal(later.Add(48*time.Hour)) {
		t.Errorf("Approve = %+v, %v, %v", got, changed, err)
	}
	if !strings.HasPrefix(got.ApproveReason, "ann: fine") || strings.Contains(got.ApproveReason, "abcdefgh12345678") {
		t.Errorf("approve reason = %q, want it without the secret", got.ApproveReason)
	}
	if again, changed, err := Approve(got, "twice", later.Add(time.Hour)); err != nil || changed || !reflect.DeepEqual(again, got) {
		t.Errorf("approved again = %+v, %v, %v, want no change", again, changed, err)
	}
}

// TestAnswersFollowTheStates has, for each state and answer, the state after it;
// NoState is errs.FailedPrecondition.
func TestAnswersFollowTheStates(t *testing.T) {
	answers := map[string]func(Patch, time.Time) (Patch, bool, error){
		"approve": func(p Patch, at time.Time) (Patch, bool, error) { return Approve(p, "", at) },
		"reject":  func(p Patch, at time.Time) (Patch, bool, error) { return Reject(p, "", at) },
		"revoke":  func(p Patch, at time.Time) (Patch, bool, error) { return Revoke(p, "", at) },
	}
	for from, want := range map[State]map[string]State{
		Proposed:   {"approve": Active, "reject": Rejected, "revoke": NoState},
		Active:     {"approve": Active, "reject": NoState, "revoke": Revoked},
		Rejected:   {"approve": NoState, "reject": Rejected, "revoke": NoState},
		Revoked:    {"approve": NoState, "reject": NoState, "revoke": Revoked},
		Superseded: {"approve": NoState, "reject": NoState, "revoke": NoState},
		Expired:    {"approve": NoState, "reject": NoState, "revoke": NoState},
	} {
		for name, answer := range answers {
			p := inState(t, from)
			got, changed, err := answer(p, now.Add(2*time.Hour))
			switch to := want[name]; {
			case to == NoState:
				if !errs.Is(err, errs.FailedPrecondition) || changed {
					t.Errorf("%s of a patch that is %v = %v, want FailedPrecondition", name, from, err)
				}
			case err != nil || got.State != to || changed != (from != to):
				t.Errorf("%s of a patch that is %v = %v, changed %v, %v, want %v", name, from, got.State, changed, err, to)
			}
		}
	}
	late := inState(t, Proposed)
	for name, answer := range answers {
		if _, _, err := answer(late, late.Expires); !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("%s of a proposal past its expiry = %v, want FailedPrecondition", name, err)
		}
	}
	for name, answer := range map[string]func(Patch, string, time.Time) (Patch, bool, error){"approve": Approve, "reject": Reject} {
		if _, _, err := answer(inState(t, Proposed), strings.Repeat("x", MaxReason+1), now); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s with a long reason = %v, want Invalid", name, err)
		}
	}
}

func TestAProposalIsSupersededExpiredAndEvictedOnce(t *testing.T) {
	p := inState(t, Proposed)
	if got, changed := Supersede(p, now); !changed || got.State != Superseded {
		t.Errorf("Supersede = %v, %v", got.State, changed)
	}
	if got, changed := Expire(p, p.Expires); !changed || got.State != Expired {
		t.Errorf("Expire = %v, %v", got.State, changed)
	}
	if got, changed := Evict(p, now); !changed || got.State != Expired {
		t.Errorf("Evict = %v, %v", got.State, changed)
	}
	if _, changed := Supersede(inState(t, Rejected), now); changed {
		t.Error("Supersede changes a rejected proposal")
	}
}

func TestAProposalDoesNotApply(t *testing.T) {
	got, err := Resolve([]Patch{inState(t, Proposed)}, target, config{"memory_mb": 512.0}, Ceilings{}, now)
	if err != nil || got.Config["memory_mb"] != 512.0 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0].Reason, "proposed") {
		t.Errorf("Resolve = %+v, %v", got, err)
	}
}

func TestWhatASavingCannotBeIsNamed(t *testing.T) {
	_, err := New(draft(func(d *Draft) {
		d.Saving = Saving{DollarsPerMonth: math.NaN(), Before: -1, After: -1, FailBefore: 1.1, FailAfter: math.NaN(), Runs: -1}
	}), "p1", Ceilings{}, now)
	want := []string{
		"patch.saving.dollars_per_month", "patch.saving.before_bytes", "patch.saving.after_bytes",
		"patch.saving.fail_probability_before", "patch.saving.fail_probability_after", "patch.saving.runs",
	}
	if got := fieldsOf(err); !slices.Equal(got, want) {
		t.Errorf("wrong fields = %q, want %q", got, want)
	}
}
