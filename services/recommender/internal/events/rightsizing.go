package events

import (
	"context"
	"errors"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// tell tells the watchers how a run ended.
func (h *Handler) tell(ctx context.Context, o observation, a history.Attempt) error {
	profile, err := engine.Lookup(o.kind.Engine)
	if err != nil || len(h.watchers) == 0 {
		return err
	}
	config := wire.Config(o.own)
	out := rightsize.Outcome{Config: profile.Known(config), Own: sizesOf(profile, config), Ran: a.Sizes, Lacked: a.Lacked(profile)}
	if o.outcome == history.Failed {
		out.Failure = "failures/" + a.ID
	}
	switch out.Lacked {
	case engine.NoPart:
	case engine.Tree:
		out.Peak = a.Peak
	default:
		out.Peak = a.Peaks[out.Lacked]
	}
	var wrong []error
	for _, w := range h.watchers {
		wrong = append(wrong, w.Heard(ctx, o.kind, out, time.Now()))
	}
	return errors.Join(wrong...)
}

// Patch implements bus.Handler: it tells the watchers what became of a patch for
// all jobs of a type.
func (h *Handler) Patch(ctx context.Context, e bus.Event) error {
	var p redrivev1.PatchChanged
	if err := e.Decode(&p); err != nil {
		return err
	}
	if p.GetPatch().GetScope().GetType() == nil {
		return nil
	}
	of := failure.TypeFromProto(p.GetPatch().GetScope().GetType())
	if err := of.Validate("patch.scope.type"); err != nil {
		return err
	}
	var wrong []error
	for _, w := range h.watchers {
		wrong = append(wrong, w.Changed(ctx, of, p.GetPatch().GetName(), wire.PatchState(p.GetPatch()), time.Now()))
	}
	return errors.Join(wrong...)
}
