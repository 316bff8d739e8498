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
	z, err := t.answers(ctx, z, now)
	if err != nil {
		return z, err
	}
	if z.Blame != nil {
		if !z.Guilty() {
			z = z.Acquitted()
		} else {
			return t.revert(ctx, z, now)
		}
	}
	f, present, err := t.gather(ctx, z, s, now)
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
		if f, present, err = t.gather(ctx, z, s, now); err != nil {
			return z, err
		}
	}
	return t.obey(ctx, z, f, present, s, now)
}

// answers takes in what became of the patches of z.
func (t *Tailor) answers(ctx context.Context, z rightsize.Sizing, now time.Time) (rightsize.Sizing, error) {
	for _, step := range []*rightsize.Step{z.Working, z.Waiting} {
		if step == nil {
			continue
		}
		state, err := t.patches.State(ctx, step.Patch)
		if err != nil {
			return z, err
		}
		z, _ = z.Answered(step.Patch, state, now)
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

// gather returns what is known of z, and what its jobs run with.
func (t *Tailor) gather(ctx context.Context, z rightsize.Sizing, s rightsize.Settings, now time.Time) (rightsize.Facts, map[string]any, error) {
	present, err := t.patches.Resolve(ctx, z.Type, z.Config)
	if err != nil {
		return rightsize.Facts{}, nil, fmt.Errorf("resolve the configuration: %w", err)
	}
	h, err := t.histories.Get(ctx, z.Type)
	if errs.Is(err, errs.NotFound) {
		h, err = history.History{Type: z.Type}, nil
	}
	if err != nil {
		return rightsize.Facts{}, nil, err
	}
	f, err := rightsize.Gather(h, z, present, s, now)
	return f, present, err
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
		z, err := t.propose(ctx, z, *order.Propose, present, now)
		if s.Mode == rightsize.Apply && z.Waiting != nil {
			z.Due = now // it is approved at the next look: what applies must be known here before
		}
		return z, err
	}
	if s.Mode == rightsize.Apply && z.Waiting != nil {
		p, err := t.patches.Approve(ctx, z.Waiting.Patch, rightsize.Voice+"the cost policy applies what is proposed")
		if errs.Is(err, errs.FailedPrecondition) {
			z.Due = now // it has ended: look again
			return z, nil
		}
		if err != nil {
			return z, err
		}
		t.observe(Approved)
		z, _ = z.Answered(p.Name, p.State, now)
	}
	return z, nil
}

// propose makes the patch of a step.
func (t *Tailor) propose(ctx context.Context, z rightsize.Sizing, step rightsize.Step, present map[string]any, now time.Time) (rightsize.Sizing, error) {
	profile, err := engine.Lookup(z.Type.Engine)
	if err != nil {
		return z, err
	}
	ops, lowered, err := rightsize.Change(profile, z.Config, present, step.Part, step.After)
	if err != nil {
		return z, err
	}
	p, err := t.patches.Propose(ctx, Draft{
		Type: z.Type, Operations: ops, Reason: rightsize.Voice + step.Reason, Saving: step.Saving,
		Request: fmt.Sprintf("rightsizing-%s-%d-%d", z.Type.Key(), z.Created.UnixMilli(), z.Rounds),
	})
	if err != nil {
		return z, err
	}
	if p.State != rightsize.Waits && p.State != rightsize.Applies {
		z.Rounds, z.Due = z.Rounds+1, now // of a request that was forgotten; the next one is another
		return z, nil
	}
	if p.Saving.After != step.After { // the same request was told before, and what it said holds
		step.Before, step.After, step.Saving = p.Saving.Before, p.Saving.After, p.Saving
		if _, lowered, err = rightsize.Change(profile, z.Config, present, step.Part, step.After); err != nil {
			return z, err
		}
	}
	t.observe(Proposed)
	step.Patch, step.Lowered = p.Name, lowered
	z, _ = z.Asked(step).Answered(p.Name, p.State, now)
	return z, nil
}
