package rightsize

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
)

// Outcome is how a run of the type ended.
type Outcome struct {
	Failure string         // "failures/{failure}", of one that failed
	Config  map[string]any // the job's own configuration: what the engine knows of it
	// Own and Ran are bytes of each part: by the job's own configuration, and what
	// the run had.
	Own, Ran map[engine.Part]int64
	Lacked   engine.Part // what it had too little of; NoPart for anything else
	Peak     int64       // bytes of that part that were measured; 0 for none
}

// LookEvery is how long outcomes wait for others before a look, and CountEvery
// while measured runs are counted: then the next one may be enough.
const (
	LookEvery  = 10 * time.Minute
	CountEvery = time.Minute
)

// Heard returns z after an outcome; changed is false when it says nothing new. A
// failure that a step caused is looked at now, and so is a proposal after a run
// that it is not for.
func (z Sizing) Heard(o Outcome, now time.Time) (heard Sizing, changed bool) {
	if z.Blame == nil && (z.Working.Caused(o) || z.Waiting.Caused(o) || z.Asking.Caused(o)) {
		z.Blame = &Blame{Failure: o.Failure, Part: o.Lacked, Bytes: max(o.Ran[o.Lacked], o.Peak)}
		z.Due = now
		return z, true
	}
	if doubted, changed := z.doubt(o, now); changed {
		return doubted, true
	}
	if !z.Due.IsZero() {
		return z, false
	}
	wait := LookEvery
	if z.Runs > 0 && (z.State == Learning || z.State == Applied) {
		wait = CountEvery
	}
	z.Due, z.Offered = now.Add(wait), o.Config
	if z.Config == nil {
		z.Config, z.Created, z.Due = o.Config, now, now
		z = z.rest(Learning, "nothing is known yet")
	}
	return z, true
}

// doubt returns z after a run that asked for a configuration that what is proposed
// is not for, and that was not known to be in use beside it: maybe the jobs were
// changed, and what was proposed is nothing to approve any more.
func (z Sizing) doubt(o Outcome, now time.Time) (doubted Sizing, changed bool) {
	step := cmp.Or(z.Waiting, z.Asking)
	if step == nil || step.fits(o.Config) || slices.Contains(z.Others, step.kindOf(o.Config)) {
		return z, false
	}
	others := append(slices.Clone(z.Others), step.kindOf(o.Config))
	z.Others = others[max(len(others)-MostOthers, 0):]
	z.Doubted, z.Offered, z.Due = now, o.Config, now
	return z, true
}

// Adopts reports whether z is to size the configuration that was offered last,
// since no recent run has what it sized so far.
func (z Sizing) Adopts(f Facts) bool {
	return !f.Alike() && z.Offered != nil && !reflect.DeepEqual(z.Offered, z.Config)
}

// Adopt returns z sizing the configuration that was offered last, and the steps
// of the old one: their patches are to be ended.
func (z Sizing) Adopt() (adopted Sizing, ended []*Step) {
	for _, s := range []*Step{z.Waiting, z.Working} {
		if s != nil {
			ended = append(ended, s)
		}
	}
	z.Config, z.Waiting, z.Working, z.Refused = z.Offered, nil, nil, nil
	z.Doubted, z.Others = time.Time{}, nil
	return z.began(time.Time{}), ended
}

// PatchState is what became of a step's patch.
type PatchState int

// The states of patches.
const (
	Waits     PatchState = iota
	Applies              // it is active
	Refused              // a human rejected or revoked it
	Withdrawn            // right-sizing itself did
	Gone                 // it was superseded, has expired, or was deleted
)

// Answered returns z after a patch came into a state; changed is false when that
// is no news, or about no step of z.
func (z Sizing) Answered(patch string, state PatchState, now time.Time) (answered Sizing, changed bool) {
	switch {
	case patch == "" || state == Waits:
		return z, false
	case z.Waiting != nil && z.Waiting.Patch == patch:
		step := z.Waiting
		z.Waiting, z.Updated = nil, now
		switch state {
		case Applies:
			z.Working, z.AppliedDollars = step, z.AppliedDollars+step.Saving.DollarsPerMonth
			z.Present, z.Next, z.Saving, z.Active = step.After, step.After, Saving{}, step.Patch
			z = z.rest(Applied, fmt.Sprintf("runs have %s since it was approved", size(step.After))).began(now)
		case Refused:
			z = z.refused(step, "rejected")
		default:
			z = z.rest(Learning, "the proposal has ended without an answer")
		}
	case z.Working != nil && z.Working.Patch == patch && state != Applies && z.Blame == nil:
		step := z.Working
		z.Working, z.Active, z.Updated, z.AppliedDollars = nil, "", now, 0
		z.Present = step.without(z.Part, z.Own)
		if state == Refused {
			z = z.refused(step, "revoked")
		} else {
			z = z.rest(Learning, "the patch has ended")
		}
		z = z.began(now)
	default:
		return z, false
	}
	if z.Due.IsZero() {
		z.Due = now.Add(LookEvery)
	}
	return z, true
}

func (z Sizing) refused(step *Step, how string) Sizing {
	all := append(slices.Clone(z.Refused), Refusal{step.Part, step.After})
	z.Refused = all[max(len(all)-MostRefusals, 0):]
	return z.rest(Rejected, fmt.Sprintf("%s was %s by hand; nothing less than a step away from it is proposed", size(step.After), how))
}

// Ask returns z with a proposal that is to be made.
func (z Sizing) Ask(step Step, now time.Time) Sizing {
	z.Asking, z.Due = &step, now
	return z
}

// Unasked returns z after no patch could be made of what it asks for.
func (z Sizing) Unasked(why string) Sizing {
	z.Asking = nil
	return z.rest(Learning, why)
}

// Beside returns z after something became of a patch of the type that is none of
// its own; changed is false where nothing is proposed. What is proposed is for
// what jobs had before, so it is looked at now.
func (z Sizing) Beside(patch string, now time.Time) (beside Sizing, changed bool) {
	for _, s := range []*Step{z.Waiting, z.Working} {
		if s != nil && s.Patch == patch {
			return z, false
		}
	}
	if z.Waiting == nil || !z.Due.IsZero() && !z.Due.After(now) {
		return z, false
	}
	z.Due = now
	return z, true
}

// Asked returns z with a proposal made.
func (z Sizing) Asked(step Step) Sizing {
	z.State, z.Reason = Proposed, step.Reason
	step.Reason = ""
	z.Asking, z.Waiting, z.Patch, z.Rounds = nil, &step, step.Patch, z.Rounds+1
	z.Next, z.Saving = step.After, step.Saving
	return z
}

// Guilty reports whether the patch that applies is what the failure is blamed on.
func (z Sizing) Guilty() bool {
	if z.Blame == nil || z.Working == nil {
		return false
	}
	given, lowered := z.Working.Lowered[z.Blame.Part]
	return lowered && z.Blame.Bytes >= given
}

// Acquitted returns z without blame: no patch applied when the run failed.
func (z Sizing) Acquitted() Sizing {
	z.Blame = nil
	return z
}

// Reverted returns z after the patch that a failure is blamed on was taken back,
// and with it what waits. The floor goes half way from what was too little to
// what held before the step, so that the next try is another one; and the runs
// before it double.
func (z Sizing) Reverted(now time.Time) Sizing {
	b, step := z.Blame, z.Working
	held := step.without(b.Part, z.Own)
	if b.Part == step.Part {
		held = step.Before
	}
	raised := ceil(float64(b.Bytes) + float64(max(held-b.Bytes, 0))/2)
	z.Raised = with(z.Raised, b.Part, max(raised, floor(float64(b.Bytes))+mib, z.Raised[b.Part]))
	z.Floor = max(z.Floor, z.Raised[b.Part])
	z.Blame, z.Working, z.Waiting, z.Active, z.AppliedDollars = nil, nil, nil, "", 0
	z.Present = step.without(z.Part, z.Own)
	z.Next, z.Saving = z.Present, Saving{}
	z.Reverts++
	z.Updated, z.Due = now, now.Add(LookEvery)
	return z.rest(Reverted, fmt.Sprintf("%s lacked memory with %s; nothing below %s is proposed again", b.Failure, size(b.Bytes), size(z.Raised[b.Part]))).began(now)
}
