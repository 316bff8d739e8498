package server

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

// Resolver asks the config service. It implements runner.Resolver.
type Resolver struct{ client redrivev1.ConfigServiceClient }

// NewResolver returns a resolver that asks through client.
func NewResolver(client redrivev1.ConfigServiceClient) Resolver { return Resolver{client} }

// Resolve implements runner.Resolver.
func (r Resolver) Resolve(ctx context.Context, j job.Job) (runner.Resolution, error) {
	config, err := j.Config.Struct()
	if err != nil {
		return runner.Resolution{}, err
	}
	res, err := r.client.Resolve(ctx, &redrivev1.ResolveRequest{Job: j.Name(), Type: j.Type.Proto(), Config: config})
	if err != nil {
		return runner.Resolution{}, errs.FromStatus(err)
	}
	out := runner.Resolution{Applied: res.GetApplied()}
	if out.Config, err = job.ConfigOf(res.GetConfig()); err != nil {
		return runner.Resolution{}, err
	}
	if out.Config.None() {
		out.Config = job.EncodedConfig(nil) // it is known, and empty
	}
	for _, s := range res.GetSkipped() {
		out.Skipped = append(out.Skipped, job.Skip{Patch: s.GetPatch(), Reason: s.GetReason()})
	}
	return out, nil
}
