package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func patchResource() resource[*redrivev1.Patch] {
	return resource[*redrivev1.Patch]{
		one: "patch", many: "patches",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Patch, error) {
			return redrivev1.NewConfigServiceClient(conn).GetPatch(ctx, &redrivev1.GetPatchRequest{Name: name})
		},
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Patch] {
			state := addEnum(cmd, "state", "only patches in this state", redrivev1.Patch_State(0))
			job := cmd.Flags().String("job", "", "only patches for this job")
			workflow := cmd.Flags().String("workflow", "", "only patches of this workflow")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Patch, string, error) {
				r, err := redrivev1.NewConfigServiceClient(conn).ListPatches(ctx, &redrivev1.ListPatchesRequest{
					PageSize: size, PageToken: token, State: redrivev1.Patch_State(state.number), Job: jobFilter(*job), Workflow: *workflow,
				})
				return r.GetPatches(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "STATE", "FOR", "CREATED", "ENDS", "CHANGE"},
		row: func(a *app, p *redrivev1.Patch) []string {
			return []string{
				p.GetName(), patchState(a.out, p.GetState()), scopeOf(p), a.when(p.GetCreateTime()), a.when(p.GetExpireTime()),
				strings.Join(operations(p.GetOperations()), ", "),
			}
		},
		show: (*app).showPatch,
	}
}

func (a *app) patches() *cobra.Command {
	r := patchResource()
	return family("patches", "List, approve, reject, promote and revoke configuration patches", r.listCommand(a), r.getCommand(a),
		a.patchApprove(r), a.patchReject(r), a.patchPromote(r), a.patchRevoke(r))
}

// answerFlags are the flags of a command that answers for the record.
func answerFlags(reason, etag *string) func(cmd *cobra.Command) {
	return func(cmd *cobra.Command) {
		cmd.Flags().StringVar(reason, "reason", "", "who and why, for the record")
		cmd.Flags().StringVar(etag, "etag", "", "only if the patch still has this etag")
	}
}

func (a *app) patchApprove(r resource[*redrivev1.Patch]) *cobra.Command {
	var reason, etag string
	return r.change(a, "approve", "Make a proposed patch apply", "Make a proposed patch apply. Its time begins then, and the patch that it replaces ends.",
		answerFlags(&reason, &etag),
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Patch, error) {
			return redrivev1.NewConfigServiceClient(conn).ApprovePatch(ctx, &redrivev1.ApprovePatchRequest{Name: name, Reason: reason, Etag: etag})
		},
		func(p *redrivev1.Patch) string { return fmt.Sprintf("%s applies to %s", p.GetName(), scopeOf(p)) })
}

func (a *app) patchReject(r resource[*redrivev1.Patch]) *cobra.Command {
	var reason, etag string
	return r.change(a, "reject", "End a proposed patch that shall not apply", "", answerFlags(&reason, &etag),
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Patch, error) {
			return redrivev1.NewConfigServiceClient(conn).RejectPatch(ctx, &redrivev1.RejectPatchRequest{Name: name, Reason: reason, Etag: etag})
		},
		func(p *redrivev1.Patch) string {
			return fmt.Sprintf("%s is %s", p.GetName(), screen.Name(p.GetState()))
		})
}

func (a *app) patchPromote(r resource[*redrivev1.Patch]) *cobra.Command {
	var reason string
	var ttl time.Duration
	return r.change(a, "promote", "Make a patch of one job apply to all jobs of its type", "",
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
			cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it lives, such as 720h (default one year)")
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Patch, error) {
			req := &redrivev1.PromotePatchRequest{Name: name, Reason: reason}
			if ttl != 0 {
				req.Ttl = durationpb.New(ttl)
			}
			return redrivev1.NewConfigServiceClient(conn).PromotePatch(ctx, req)
		},
		func(p *redrivev1.Patch) string { return fmt.Sprintf("%s applies to %s", p.GetName(), scopeOf(p)) })
}

func (a *app) patchRevoke(r resource[*redrivev1.Patch]) *cobra.Command {
	var reason, etag string
	return r.change(a, "revoke", "End a patch", "", answerFlags(&reason, &etag),
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Patch, error) {
			return redrivev1.NewConfigServiceClient(conn).RevokePatch(ctx, &redrivev1.RevokePatchRequest{Name: name, Reason: reason, Etag: etag})
		},
		func(p *redrivev1.Patch) string {
			return fmt.Sprintf("%s is %s", p.GetName(), screen.Name(p.GetState()))
		})
}

func (a *app) showPatch(p *redrivev1.Patch) error {
	ended := "revoked"
	if p.GetState() == redrivev1.Patch_STATE_REJECTED {
		ended = "rejected"
	}
	if err := a.fields(
		"name", a.out.Strong(p.GetName()),
		"state", patchState(a.out, p.GetState()),
		"for", scopeOf(p),
		"made for", typeName(p.GetType())+" ("+clean(p.GetType().GetEngine())+")",
		"reason", clean(p.GetReason()),
		"remedies", p.GetFailure(),
		"promoted from", p.GetPromotedFrom(),
		"created", a.when(p.GetCreateTime()),
		"ends", a.when(p.GetExpireTime()),
		"saves", savingOf(p.GetSaving()),
		"approved", clean(p.GetApproveReason()),
		"made on", p.GetMadeOn(),
		"if revoked", restores(p),
		ended, clean(p.GetRevokeReason()),
	); err != nil {
		return err
	}
	a.heading("Change")
	a.lines(operations(p.GetOperations())...)
	return nil
}

// restores says what an active patch makes way for again when it is revoked.
func restores(p *redrivev1.Patch) string {
	if p.GetRestores() == nil || p.GetState() != redrivev1.Patch_STATE_ACTIVE {
		return ""
	}
	return p.GetRestores().GetName() + " applies again: " + clean(p.GetRestores().GetReason())
}

// savingOf says what a patch is expected to bring, and what it risks.
func savingOf(s *redrivev1.Saving) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%s a month: %s → %s a run; a run fails for memory with %s → %s; from %s",
		screen.Dollars(s.GetDollarsPerMonth()), screen.Bytes(s.GetBeforeBytes()), screen.Bytes(s.GetAfterBytes()),
		screen.Risk(s.GetFailProbabilityBefore()), screen.Risk(s.GetFailProbabilityAfter()), screen.Count(int64(s.GetRuns()), "run"))
}

// scopeOf says which attempts a patch is for.
func scopeOf(p *redrivev1.Patch) string {
	if t := p.GetScope().GetType(); t != nil {
		return "all of " + typeName(t)
	}
	return clean(p.GetScope().GetJob())
}

// operations says what RFC 6902 operations do: "memory_mb 128 → 256". The test
// that guards an operation has its value before.
func operations(ops []*redrivev1.PatchOperation) []string {
	before := map[string]string{}
	var all []string
	for _, op := range ops {
		c := screen.Change{Path: clean(strings.TrimPrefix(op.GetPath(), "/")), Before: before[op.GetPath()]}
		switch op.GetOp() {
		case "test":
			before[op.GetPath()] = screen.Value(op.GetValue())
			continue
		case "remove":
		default:
			c.After = screen.Value(op.GetValue())
		}
		all = append(all, c.String())
	}
	return all
}

func patchState(s screen.Style, state redrivev1.Patch_State) string {
	switch state {
	case redrivev1.Patch_STATE_ACTIVE:
		return s.Good(screen.Name(state))
	case redrivev1.Patch_STATE_PROPOSED:
		return s.Strong(screen.Name(state))
	}
	return s.Faint(screen.Name(state))
}
