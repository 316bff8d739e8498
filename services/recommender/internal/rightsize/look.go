package rightsize

import (
	"fmt"
	"slices"
	"time"
)

// Order is what a look asks to be done. At most one is set: a newer proposal
// takes the place of the one that waits.
type Order struct {
	Withdraw string // the proposal that waits, and why
	Propose  *Step  // without its patch
}

// mostlyAlike is the share of the newest runs that must have what is sized.
const (
	mostlyAlike = 0.5
	differing   = "runs ask for different amounts of memory, and a patch is for one of them"
)

// Look returns z by what is known now, and what is to be done. The steps of z
// must be as their patches are.
func (z Sizing) Look(f Facts, s Settings, now time.Time) (Sizing, Order) {
	if f.Active != z.Active {
		known := z.Updated.IsZero() || z.Working != nil && z.Working.Patch == f.Active
		if z.Active = f.Active; !known { // somebody else changed what jobs have
			z, f.Fresh = z.began(now), 0
		}
	}
	z.Updated, z.Due = now, time.Time{}
	z.Fresh += f.Fresh
	if f.Newest.After(z.Counted) {
		z.Counted = f.Newest
	}
	if len(f.Parts) == 0 {
		z = z.rest(Learning, f.Note)
		return z, z.withdrawn(f.Note)
	}
	p := best(f.Parts, s, z.Raised)
	z = z.showing(p, s)
	switch {
	case z.Waiting != nil && z.Waiting.MadeOn != f.Active:
		return z, z.withdrawn("another patch applies by now than when it was made")
	case !z.Doubted.IsZero() && f.Since < newest:
		z = z.wait(fmt.Sprintf("a run asked for another configuration; %d of the %d runs that tell which one goes on", f.Since, newest))
		return z, z.withdrawn("jobs may have another configuration by now")
	}
	z.Doubted = time.Time{}
	if z.Waiting != nil {
		return z.reconsider(f, p, s)
	}
	return z.decide(p, s)
}

// showing returns z with what a plan says.
func (z Sizing) showing(p plan, s Settings) Sizing {
	z.Part, z.Own, z.Present, z.Next, z.Target, z.Floor = p.Part, p.Own, p.Present, p.next, p.target, p.floor
	z.Saving, z.Runs, z.RunsPerDay = p.saving, p.Runs, p.RunsPerDay
	z.AppliedDollars = 0
	if z.Working != nil {
		z.AppliedDollars = p.Evidence.saving(z.Working.without(p.Part, p.Own), p.Present, s).DollarsPerMonth
	}
	return z
}

// decide says what becomes of a plan when no proposal waits.
func (z Sizing) decide(p plan, s Settings) (Sizing, Order) {
	switch fresh, enough := z.Fresh, z.enough(s); {
	case p.Runs < s.MinRuns:
		return z.rest(Learning, fmt.Sprintf("%d of the %d measured runs that it takes", p.Runs, s.MinRuns)), Order{}
	case !p.up() && fresh < enough && (p.changes() || z.Working != nil):
		return z.wait(fmt.Sprintf("%d of the %d runs with %s that it takes before the next step", fresh, enough, size(p.Present))), Order{}
	case p.Alike < mostlyAlike:
		return z.rest(Learning, differing), Order{}
	case !p.changes():
		return z.rest(Settled, p.reason), Order{}
	case z.refuses(p):
		return z.rest(Rejected, fmt.Sprintf("what would be proposed, %s, is less than a step away from what was refused", size(p.next))), Order{}
	case s.Mode == Off:
		return z.rest(Learning, "right-sizing is switched off; "+p.reason), Order{}
	}
	return z, z.propose(p)
}

// refuses reports whether a human said no to what is less than a step away from
// what a plan asks for.
func (z Sizing) refuses(p plan) bool {
	return slices.ContainsFunc(z.Refused, func(r Refusal) bool {
		return r.Part == p.Part && float64(distance(p.next, r.Bytes)) <= MaxStep*float64(r.Bytes)
	})
}

// reconsider says what becomes of the proposal that waits.
func (z Sizing) reconsider(f Facts, p plan, s Settings) (Sizing, Order) {
	w := z.Waiting
	for i := range f.Parts {
		e := &f.Parts[i]
		if e.Part != w.Part || e.Present != w.Before {
			continue
		}
		now := e.plan(s, z.Raised[e.Part])
		switch lower := w.After < w.Before; {
		case e.Alike < mostlyAlike:
			return z, z.withdrawn(differing)
		case lower && w.After < now.floor:
			return z, z.withdrawn(fmt.Sprintf("a run lacked memory since; nothing below %s will do", size(now.floor)))
		case lower && e.risk(w.After) > hysteresis*s.MaxRisk:
			return z, z.withdrawn(fmt.Sprintf("with %s a run would lack memory with probability %.2g by now", size(w.After), e.risk(w.After)))
		case !now.changes():
			return z, z.withdrawn(now.reason)
		case now.up() == lower || float64(distance(now.next, w.After)) >= Converged*float64(e.Present):
			if s.Mode == Off || z.refuses(now) {
				return z, z.withdrawn("another step would be proposed by now")
			}
			z = z.showing(now, s)
			return z, z.propose(now)
		}
		z = z.showing(now, s)
		now.next, now.saving = w.After, e.saving(w.Before, w.After, s)
		z.Next, z.Saving, z.Reason = now.next, now.saving, now.why() // by the runs of today
		return z, Order{}
	}
	return z, z.withdrawn(fmt.Sprintf("runs have %s by now, not %s", size(p.Present), size(w.Before)))
}

// withdrawn returns the order to take back what waits, if anything does.
func (z Sizing) withdrawn(reason string) Order {
	if z.Waiting == nil {
		return Order{}
	}
	return Order{Withdraw: reason}
}

// propose returns the order to propose a plan's step.
func (z Sizing) propose(p plan) Order {
	return Order{Propose: &Step{Part: p.Part, Before: p.Present, After: p.next, Saving: p.saving, Reason: p.reason}}
}

// rest returns z in a state in which nothing waits.
func (z Sizing) rest(state State, reason string) Sizing {
	z.State, z.Reason = state, reason
	if state == Learning {
		z.Next, z.Saving = z.Present, Saving{}
	}
	return z
}

// wait returns z while there are too few runs with what they have now.
func (z Sizing) wait(reason string) Sizing {
	state := Learning
	switch {
	case z.Working != nil:
		state = Applied
	case z.State == Reverted || z.State == Rejected:
		state = z.State
	}
	next, saving := z.Next, z.Saving
	z = z.rest(state, reason)
	z.Next, z.Saving = next, saving
	return z
}
