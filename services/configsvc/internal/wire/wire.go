// Package wire translates patches to and from protobuf. Store, server and
// events use it.
package wire

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/jsonvalue"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
)

// Patch writes a patch for callers.
func Patch(p patch.Patch) (*redrivev1.Patch, error) {
	ops, err := operations(p.Operations)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name(), err)
	}
	out := &redrivev1.Patch{
		Scope: scope(p.Scope), Type: p.Type.Proto(), Operations: ops, State: redrivev1.Patch_State(p.State),
		Failure: p.Failure, PromotedFrom: p.PromotedFrom, Reason: p.Reason, CreateTime: wellknown.Timestamp(p.Created),
		UpdateTime: wellknown.Timestamp(p.Updated), ExpireTime: wellknown.Timestamp(p.Expires), RevokeReason: p.RevokeReason,
		ApproveReason: p.ApproveReason, Saving: saving(p.Saving), MadeOn: p.MadeOn, ApproveTime: wellknown.Timestamp(p.Approved),
	}
	if p.Restores != nil {
		if out.Restores, err = Patch(*p.Restores); err != nil {
			return nil, err
		}
	}
	if p.ID != "" {
		out.Name = p.Name()
	}
	if p.Revision > 0 {
		out.Revision, out.Etag = p.Revision, Etag(p.Revision)
	}
	return out, nil
}

// Stored reads back what Patch wrote.
func Stored(id string, revision int64, p *redrivev1.Patch) patch.Patch {
	out := patch.Patch{
		ID: id, Scope: Scope(p.GetScope()), Type: failure.TypeFromProto(p.GetType()), Operations: values(p.GetOperations()),
		State: patch.State(p.GetState()), Failure: p.GetFailure(), PromotedFrom: p.GetPromotedFrom(), Reason: p.GetReason(),
		Created: p.GetCreateTime().AsTime(), Updated: p.GetUpdateTime().AsTime(), Expires: p.GetExpireTime().AsTime(),
		Revision: revision, RevokeReason: p.GetRevokeReason(), ApproveReason: p.GetApproveReason(), Saving: Saving(p.GetSaving()),
		MadeOn: p.MadeOn, Approved: wellknown.Time(p.GetApproveTime()),
	}
	if below := p.GetRestores(); below != nil {
		b := Stored(strings.TrimPrefix(below.GetName(), "patches/"), below.GetRevision(), below)
		out.Restores = &b
	}
	return out
}

// Saving reads what a patch is expected to bring.
func Saving(p *redrivev1.Saving) patch.Saving {
	return patch.Saving{
		DollarsPerMonth: p.GetDollarsPerMonth(), Before: p.GetBeforeBytes(), After: p.GetAfterBytes(),
		FailBefore: p.GetFailProbabilityBefore(), FailAfter: p.GetFailProbabilityAfter(), Runs: int(p.GetRuns()),
	}
}

func saving(s patch.Saving) *redrivev1.Saving {
	if s == (patch.Saving{}) {
		return nil
	}
	return &redrivev1.Saving{
		DollarsPerMonth: s.DollarsPerMonth, BeforeBytes: s.Before, AfterBytes: s.After,
		FailProbabilityBefore: s.FailBefore, FailProbabilityAfter: s.FailAfter, Runs: int32(s.Runs),
	}
}

// Scope reads a scope.
func Scope(p *redrivev1.PatchScope) patch.Scope {
	return patch.Scope{Job: p.GetJob(), Type: failure.TypeFromProto(p.GetType())}
}

func scope(s patch.Scope) *redrivev1.PatchScope {
	if s.OfJob() {
		return &redrivev1.PatchScope{Job: s.Job}
	}
	return &redrivev1.PatchScope{Type: s.Type.Proto()}
}

// Operations reads operations and names those whose value is missing or must
// not be there; field is the name of the list in the request.
func Operations(field string, list []*redrivev1.PatchOperation) ([]patch.Operation, error) {
	var wrong []error
	for i, o := range list {
		at := func() string { return fmt.Sprintf("%s[%d].value", field, i) }
		_, isNull := o.GetValue().GetKind().(*structpb.Value_NullValue)
		none := o.GetValue().GetKind() == nil
		switch {
		case o.GetOp() == "remove" && !none && !isNull:
			wrong = append(wrong, errs.Field(at(), `must be unset in a "remove"`))
		case o.GetOp() != "remove" && none:
			wrong = append(wrong, errs.Field(at(), "is required; null is a value"))
		case !none:
			if err := jsonvalue.CheckValue(o.GetValue()); err != nil {
				wrong = append(wrong, errs.Field(at(), "is not JSON: %w", err))
			}
		}
	}
	return values(list), errs.Fields(wrong...)
}

// Config reads a configuration; nil is an empty one.
func Config(field string, p *structpb.Struct) (map[string]any, error) {
	if err := jsonvalue.CheckStruct(p); err != nil {
		return nil, errs.Field(field, "is not JSON: %w", err)
	}
	return p.AsMap(), nil
}

func values(list []*redrivev1.PatchOperation) []patch.Operation {
	var ops []patch.Operation
	for _, o := range list {
		ops = append(ops, patch.Operation{Op: o.GetOp(), Path: o.GetPath(), Value: o.GetValue().AsInterface()})
	}
	return ops
}

func operations(ops []patch.Operation) ([]*redrivev1.PatchOperation, error) {
	var list []*redrivev1.PatchOperation
	for i, o := range ops {
		out := &redrivev1.PatchOperation{Op: o.Op, Path: o.Path}
		if o.Op != "remove" {
			v, err := structpb.NewValue(o.Value)
			if err != nil {
				return nil, fmt.Errorf("operation %d: %w", i, err)
			}
			out.Value = v
		}
		list = append(list, out)
	}
	return list, nil
}

// Resolution writes an answer of Resolve.
func Resolution(r patch.Resolution) (*redrivev1.ResolveResponse, error) {
	config, err := structpb.NewStruct(r.Config)
	if err != nil {
		return nil, fmt.Errorf("resolved configuration: %w", err)
	}
	out := &redrivev1.ResolveResponse{Config: config, Applied: r.Applied}
	for _, s := range r.Skipped {
		out.Skipped = append(out.Skipped, &redrivev1.SkippedPatch{Patch: s.Patch, Reason: s.Reason})
	}
	return out, nil
}

// Etag names a revision for callers.
func Etag(revision int64) string { return strconv.FormatInt(revision, 10) }
