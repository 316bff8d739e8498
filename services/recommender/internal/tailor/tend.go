package tailor

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
)

// tend brings z up to date and does what is to be done. Whatever it calls may be
// called again: when what it returns is not written, tend begins anew with what
// was.
func (t *Tailor) tend(ctx context.Context, z rightsize.Sizing, s rightsize.Settings, now time.Time) (rightsize.Sizing, error) {
	z, err := t.ask(ctx, z, s, now)
	if err != nil {
		return z, err
	}
	if z, err = t.answers(ctx, z, now); err != nil {
		return z, err
	}
	if z.Blame != nil {
		if !z.Guilty() {
			z = z.Acquitted()
		} else {
			return t.revert(ctx, z, now)
		}
	}
	v, err := t.see(ctx, z)
	if err != nil {
		return z, err
	}
	if z, err = t.find(ctx, z, v, now); err != nil {
		return z, err
	}
	if z.Blame != nil {
		return t.revert(ctx, z, now)
	}
	f, err := v.gather(z, s, now)
	if err != nil {
		return z, err
	}
	if z.Adopts(f) {
		adopted, ended := z.Adopt()
		for _, step := range ended {
			if err := t.patches.End(ctx, step.Patch, step == z.Working, rightsize.Voice+"jobs of this type have another configuration by now"); err != nil {
				return z, err
			}
			t.observe(Withdrawn)
		}
		z = adopted
		if v, err = t.see(ctx, z); err != nil {
			return z, err
		}
		if f, err = v.gather(z, s, now); err != nil {
			return z, err
		}
	}
	return t.obey(ctx, z, f, v.present, s, now)
}

// answers takes in what became of the patches of z.
func (t *Tailor) answers(ctx context.Context, z rightsize.Sizing, now time.Time) (rightsize.Sizing, error) {
	for _, step := range []*rightsize.Step{z.Working, z.Waiting} {
		if step == nil {
			continue
		}
		p, err := t.patches.Get(ctx, step.Patch)
		if err != nil {
			return z, err
		}
		z, _ = z.Answered(step.Patch, p.State, now)
	}
	return z, nil
}

// revert takes back the patch that is to blame, and what waits.
func (t *Tailor) revert(ctx context.Context, z rightsize.Sizing, now time.Time) (rightsize.Sizing, error) {
	reason := rightsize.Voice + z.Blame.Failure + " lacked memory with it"
	if z.Waiting != nil {
		if err := t.patches.End(ctx, z.Waiting.Patch, false, reason); err != nil {
			return z, err
		}
	}
	if err := t.patches.End(ctx, z.Working.Patch, true, reason); err != nil {
		return z, err
	}
	t.observe(Reverted)
	t.log.InfoContext(ctx, "right-sizing taken back", "workflow", z.Type.Workflow, "step", z.Type.Step, "patch", z.Working.Patch, "failure", z.Blame.Failure)
	return z.Reverted(now), nil
}

// view is what is to be seen of a type: what its jobs run with, the patch that
// applies to it, and how they ran.
type view struct {
	present map[string]any
	active  string
	history history.History
}

func (t *Tailor) see(ctx context.Context, z rightsize.Sizing) (v view, err error) {
	if v.present, v.active, err = t.patches.Resolve(ctx, z.Type, z.Config); err != nil {
		return v, fmt.Errorf("resolve the configuration: %w", err)
	}
	v.history, err = t.histories.Get(ctx, z.Type)
	if errs.Is(err, errs.NotFound) {
		v.history, err = history.History{Type: z.Type}, nil
	}
	return v, err
}

func (v view) gather(z rightsize.Sizing, s rightsize.Settings, now time.Time) (rightsize.Facts, error) {
	f, err := rightsize.Gather(v.history, z, v.present, s, now)
	f.Active = v.active
	return f, err
}

// find looks whether what applies by now was proposed here, though nothing is
// kept of it: then it is watched again.
func (t *Tailor) find(ctx context.Context, z rightsize.Sizing, v view, now time.Time) (rightsize.Sizing, error) {
	if z.Working != nil || v.active == "" || v.active == z.Active {
		return z, nil
	}
	p, err := t.patches.Get(ctx, v.active)
	if err != nil || p.State != rightsize.Applies || p.Found.Patch == "" {
		return z, err
	}
	t.log.InfoContext(ctx, "right-sizing found again", "workflow", z.Type.Workflow, "step", z.Type.Step, "patch", p.Name)
	return z.Found(p.Found, v.history, now)
}

// obey looks, and does what the look asks for.
func (t *Tailor) obey(ctx context.Context, z rightsize.Sizing, f rightsize.Facts, present map[string]any, s rightsize.Settings, now time.Time) (rightsize.Sizing, error) {
	z, order := z.Look(f, s, now)
	if order.Withdraw != "" {
		if err := t.patches.End(ctx, z.Waiting.Patch, false, rightsize.Voice+order.Withdraw); err != nil {
			return z, err
		}
		t.observe(Withdrawn)
		z, _ = z.Answered(z.Waiting.Patch, rightsize.Withdrawn, now)
		f.Fresh = 0 // they are counted
		z, order = z.Look(f, s, now)
	}
	if order.Propose != nil {
		step, err := t.step(z, *order.Propose, present, f.Active)
		if err != nil {
			return z, err
		}
		return z.Ask(step, now), nil
	}
	if s.Mode == rightsize.Apply && z.Waiting != nil {
		return t.approve(ctx, z, now)
	}
	return z, nil
}

// approve lets the cost policy approve what waits.
func (t *Tailor) approve(ctx context.Context, z rightsize.Sizing, now time.Time) (rightsize.Sizing, error) {
	p, err := t.patches.Approve(ctx, z.Waiting.Patch, rightsize.Voice+"the cost policy applies what is proposed")
	if errs.Is(err, errs.FailedPrecondition) {
		// It has ended, or another patch applies: look again.
		if err := t.patches.End(ctx, z.Waiting.Patch, false, rightsize.Voice+"another patch applies by now"); err != nil {
			return z, err
		}
		z, _ = z.Answered(z.Waiting.Patch, rightsize.Withdrawn, now)
		z.Due = now
		return z, nil
	}
	if err != nil {
		return z, err
	}
	t.observe(Approved)
	z, _ = z.Answered(p.Name, p.State, now)
	return z, nil
}

// step returns a step with what its patch is to be: on active, which gives
// present.
func (t *Tailor) step(z rightsize.Sizing, step rightsize.Step, present map[string]any, active string) (rightsize.Step, error) {
	profile, err := engine.Lookup(z.Type.Engine)
	if err != nil {
		return step, err
	}
	step.MadeOn = active
	from := present
	if z.Working != nil && z.Working.Patch == active { // what it was made on is what it goes back to
		step.Without, from = z.Working.Without, z.Config
	}
	if step.Without == nil {
		if step.Without, err = rightsize.Memory(profile, from); err != nil {
			return step, err
		}
	}
	step.Operations, step.Lowered, err = rightsize.Change(profile, z.Config, present, step.Without, step.Part, step.After)
	return step, err
}

// ask makes the patch of the step that is to be proposed, if there is one: the
// first time, and again as long as nobody noted that it was made.
func (t *Tailor) ask(ctx context.Context, z rightsize.Sizing, s rightsize.Settings, now time.Time) (rightsize.Sizing, error) {
	if z.Asking == nil {
		return z, nil
	}
	step := *z.Asking
	p, err := t.patches.Propose(ctx, Draft{
		Type: z.Type, Operations: step.Operations, Reason: rightsize.Voice + step.Reason, Saving: step.Saving, MadeOn: step.MadeOn,
		Request: fmt.Sprintf("rightsizing-%s-%d-%d", z.Type.Key(), z.Created.UnixMilli(), z.Rounds),
	})
	switch {
	case errs.Is(err, errs.FailedPrecondition): // what jobs have was changed since: look again
		z = z.Unasked("another patch applies by now")
		z.Due = now
		return z, nil
	case errs.Is(err, errs.Invalid):
		z = z.Unasked("there can be no such patch: " + err.Error())
		z.Due = now.Add(putOff)
		return z, nil
	case err != nil:
		return z, err
	}
	t.observe(Proposed)
	step.Patch = p.Name
	if z = z.Asked(step); z.Blame == nil {
		z.Due = time.Time{}
	}
	if z, _ = z.Answered(p.Name, p.State, now); s.Mode == rightsize.Apply && z.Waiting != nil {
		z.Due = now // it is approved at the next look: what applies must be known here before
	}
	return z, nil
}
