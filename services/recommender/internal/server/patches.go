package server

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// patchLife is how long a patch of right-sizing applies, and how long it waits
// for an answer: as long as a promoted one. When it ends, the next look proposes
// again what is right then.
const patchLife = 365 * 24 * time.Hour

// Patches asks the config service. It implements tailor.Patches.
type Patches struct{ client redrivev1.ConfigServiceClient }

// NewPatches returns the patches behind a client.
func NewPatches(client redrivev1.ConfigServiceClient) Patches { return Patches{client} }

var _ tailor.Patches = Patches{}

// Resolve implements tailor.Patches.
func (p Patches) Resolve(ctx context.Context, t failure.Type, config map[string]any) (present map[string]any, active string, err error) {
	own, err := structpb.NewStruct(config)
	if err != nil {
		return nil, "", fmt.Errorf("encode the configuration: %w", err)
	}
	r, err := p.client.Resolve(ctx, &redrivev1.ResolveRequest{Type: t.Proto(), Config: own})
	if err != nil {
		return nil, "", errs.FromStatus(err)
	}
	for _, name := range r.GetApplied() { // a type has one at most
		active = name
	}
	for _, skipped := range r.GetSkipped() { // it has ended, or is for other configurations
		other, err := p.Get(ctx, skipped.GetPatch())
		if err != nil {
			return nil, "", err
		}
		if other.State == rightsize.Applies {
			active = skipped.GetPatch()
		}
	}
	return wire.Config(r.GetConfig()), active, nil
}

// Propose implements tailor.Patches.
func (p Patches) Propose(ctx context.Context, d tailor.Draft) (tailor.Patch, error) {
	ops, err := wire.Operations(d.Operations)
	if err != nil {
		return tailor.Patch{}, err
	}
	return patched(p.client.CreatePatch(ctx, &redrivev1.CreatePatchRequest{
		Patch: &redrivev1.Patch{
			Scope: &redrivev1.PatchScope{Type: d.Type.Proto()}, Type: d.Type.Proto(), Operations: ops, Reason: d.Reason, Saving: wire.Saving(d.Saving),
			MadeOn: &d.MadeOn,
		},
		RequestId: d.Request, Ttl: durationpb.New(patchLife), Propose: true,
	}))
}

// Approve implements tailor.Patches.
func (p Patches) Approve(ctx context.Context, name, reason string) (tailor.Patch, error) {
	return patched(p.client.ApprovePatch(ctx, &redrivev1.ApprovePatchRequest{Name: name, Reason: reason}))
}

func patched(r *redrivev1.Patch, err error) (tailor.Patch, error) {
	if err != nil {
		return tailor.Patch{}, errs.FromStatus(err)
	}
	return tailor.Patch{Name: r.GetName(), State: wire.PatchState(r), Found: wire.Found(r)}, nil
}

// Get implements tailor.Patches.
func (p Patches) Get(ctx context.Context, name string) (tailor.Patch, error) {
	r, err := patched(p.client.GetPatch(ctx, &redrivev1.GetPatchRequest{Name: name}))
	if errs.Is(err, errs.NotFound) {
		return tailor.Patch{Name: name, State: rightsize.Gone}, nil
	}
	return r, err
}

// End implements tailor.Patches.
func (p Patches) End(ctx context.Context, name string, applies bool, reason string) error {
	var err error
	if applies {
		_, err = p.client.RevokePatch(ctx, &redrivev1.RevokePatchRequest{Name: name, Reason: reason})
	} else {
		_, err = p.client.RejectPatch(ctx, &redrivev1.RejectPatchRequest{Name: name, Reason: reason})
	}
	if err == nil {
		return nil
	}
	switch err := errs.FromStatus(err); errs.KindOf(err) {
	case errs.NotFound:
		return nil
	case errs.FailedPrecondition:
		other, err := p.Get(ctx, name)
		if err == nil && (other.State == rightsize.Applies || other.State == rightsize.Waits) {
			return errs.New(errs.Conflict, "%s was approved meanwhile", name)
		}
		return err
	default:
		return err
	}
}
