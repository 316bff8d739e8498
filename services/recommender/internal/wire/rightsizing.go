package wire

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
)

// Rightsizing writes what is known of a job type for callers.
func Rightsizing(z rightsize.Sizing) *redrivev1.Rightsizing {
	return &redrivev1.Rightsizing{
		Type: z.Type.Proto(), State: redrivev1.Rightsizing_State(z.State), Reason: z.Reason, Part: string(z.Part),
		PresentBytes: z.Present, NextBytes: z.Next, TargetBytes: z.Target, FloorBytes: z.Floor, Saving: Saving(z.Saving), Patch: z.Patch,
		Runs: int32(z.Runs), RunsPerDay: z.RunsPerDay, UpdateTime: moment(z.Updated), Reverts: int32(z.Reverts),
		OwnBytes: z.Own, AppliedDollarsPerMonth: z.AppliedDollars,
	}
}

// StoredRightsizing writes what is stored of a job type.
func StoredRightsizing(z rightsize.Sizing) (*redrivev1.StoredRightsizing, error) {
	p := &redrivev1.StoredRightsizing{
		Rightsizing: Rightsizing(z), RaisedBytes: partBytes(z.Raised), Active: z.Active,
		BeganTime: moment(z.Began), Fresh: int32(z.Fresh), CountedTime: moment(z.Counted), Rounds: int32(z.Rounds),
		DueTime: moment(z.Due), CreateTime: moment(z.Created), DoubtedTime: moment(z.Doubted), Others: z.Others,
	}
	for _, s := range []struct {
		from *rightsize.Step
		to   **redrivev1.RightsizingStep
	}{{z.Asking, &p.Asking}, {z.Waiting, &p.Waiting}, {z.Working, &p.Working}} {
		var err error
		if *s.to, err = step(s.from); err != nil {
			return nil, err
		}
	}
	if b := z.Blame; b != nil {
		p.Blame = &redrivev1.RightsizingBlame{Failure: b.Failure, Part: string(b.Part), Bytes: b.Bytes}
	}
	for _, r := range z.Refused {
		p.Refused = append(p.Refused, &redrivev1.RightsizingRefusal{Part: string(r.Part), Bytes: r.Bytes})
	}
	var err error
	if p.Config, err = object(z.Config); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if p.Offered, err = object(z.Offered); err != nil {
		return nil, fmt.Errorf("offered configuration: %w", err)
	}
	return p, nil
}

// RightsizingFromProto reads what is stored of a job type.
func RightsizingFromProto(p *redrivev1.StoredRightsizing, revision int64) rightsize.Sizing {
	v := p.GetRightsizing()
	z := rightsize.Sizing{
		Type: failure.TypeFromProto(v.GetType()), State: rightsize.State(v.GetState()), Reason: v.GetReason(), Part: engine.Part(v.GetPart()),
		Own: v.GetOwnBytes(), Present: v.GetPresentBytes(), Next: v.GetNextBytes(), Target: v.GetTargetBytes(), Floor: v.GetFloorBytes(),
		Saving: SavingFromProto(v.GetSaving()), AppliedDollars: v.GetAppliedDollarsPerMonth(), Patch: v.GetPatch(), Runs: int(v.GetRuns()),
		RunsPerDay: v.GetRunsPerDay(), Reverts: int(v.GetReverts()), Created: instant(p.GetCreateTime()), Updated: instant(v.GetUpdateTime()),
		Waiting: stepFromProto(p.GetWaiting()), Working: stepFromProto(p.GetWorking()), Raised: partsFromProto(p.GetRaisedBytes()),
		Began: instant(p.GetBeganTime()), Fresh: int(p.GetFresh()), Counted: instant(p.GetCountedTime()), Rounds: int(p.GetRounds()),
		Due: instant(p.GetDueTime()), Revision: revision, Asking: stepFromProto(p.GetAsking()), Active: p.GetActive(),
		Doubted: instant(p.GetDoubtedTime()), Others: p.GetOthers(),
	}
	if p.GetConfig() != nil {
		z.Config = p.GetConfig().AsMap()
	}
	if p.GetOffered() != nil {
		z.Offered = p.GetOffered().AsMap()
	}
	if b := p.GetBlame(); b != nil {
		z.Blame = &rightsize.Blame{Failure: b.GetFailure(), Part: engine.Part(b.GetPart()), Bytes: b.GetBytes()}
	}
	for _, r := range p.GetRefused() {
		z.Refused = append(z.Refused, rightsize.Refusal{Part: engine.Part(r.GetPart()), Bytes: r.GetBytes()})
	}
	return z
}

// Saving writes what a step is expected to bring; nil for nothing.
func Saving(s rightsize.Saving) *redrivev1.Saving {
	if s == (rightsize.Saving{}) {
		return nil
	}
	return &redrivev1.Saving{
		DollarsPerMonth: s.DollarsPerMonth, BeforeBytes: s.Before, AfterBytes: s.After,
		FailProbabilityBefore: s.FailBefore, FailProbabilityAfter: s.FailAfter, Runs: int32(s.Runs),
	}
}

// SavingFromProto reads what Saving wrote.
func SavingFromProto(p *redrivev1.Saving) rightsize.Saving {
	return rightsize.Saving{
		DollarsPerMonth: p.GetDollarsPerMonth(), Before: p.GetBeforeBytes(), After: p.GetAfterBytes(),
		FailBefore: p.GetFailProbabilityBefore(), FailAfter: p.GetFailProbabilityAfter(), Runs: int(p.GetRuns()),
	}
}

func step(s *rightsize.Step) (*redrivev1.RightsizingStep, error) {
	if s == nil {
		return nil, nil
	}
	ops, err := Operations(s.Operations)
	return &redrivev1.RightsizingStep{
		Patch: s.Patch, Part: string(s.Part), BeforeBytes: s.Before, AfterBytes: s.After, LoweredBytes: partBytes(s.Lowered), Saving: Saving(s.Saving),
		WithoutBytes: partBytes(s.Without), Operations: ops, MadeOn: s.MadeOn, Reason: s.Reason,
	}, err
}

func stepFromProto(p *redrivev1.RightsizingStep) *rightsize.Step {
	if p == nil {
		return nil
	}
	return &rightsize.Step{
		Patch: p.GetPatch(), Part: engine.Part(p.GetPart()), Before: p.GetBeforeBytes(), After: p.GetAfterBytes(),
		Lowered: partsFromProto(p.GetLoweredBytes()), Saving: SavingFromProto(p.GetSaving()),
		Without: partsFromProto(p.GetWithoutBytes()), Operations: operationsFromProto(p.GetOperations()), MadeOn: p.GetMadeOn(), Reason: p.GetReason(),
	}
}

func operationsFromProto(p []*redrivev1.PatchOperation) []engine.Operation {
	var ops []engine.Operation
	for _, o := range p {
		ops = append(ops, engine.Operation{Op: o.GetOp(), Path: o.GetPath(), Value: o.GetValue().AsInterface()})
	}
	return ops
}

func partBytes(m map[engine.Part]int64) map[string]int64 {
	var p map[string]int64
	for part, bytes := range m {
		if p == nil {
			p = map[string]int64{}
		}
		p[string(part)] = bytes
	}
	return p
}

func partsFromProto(p map[string]int64) map[engine.Part]int64 {
	var m map[engine.Part]int64
	for part, bytes := range p {
		if m == nil {
			m = map[engine.Part]int64{}
		}
		m[engine.Part(part)] = bytes
	}
	return m
}

func object(m map[string]any) (*structpb.Struct, error) {
	if m == nil {
		return nil, nil
	}
	return structpb.NewStruct(m)
}

func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func instant(p *timestamppb.Timestamp) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.AsTime()
}

// PatchState reads what became of a patch.
func PatchState(p *redrivev1.Patch) rightsize.PatchState {
	switch p.GetState() {
	case redrivev1.Patch_STATE_PROPOSED:
		return rightsize.Waits
	case redrivev1.Patch_STATE_ACTIVE:
		return rightsize.Applies
	case redrivev1.Patch_STATE_REJECTED, redrivev1.Patch_STATE_REVOKED:
		if !strings.HasPrefix(p.GetRevokeReason(), rightsize.Voice) {
			return rightsize.Refused
		}
		return rightsize.Withdrawn
	}
	return rightsize.Gone
}

// Found reads what an approved patch says; zero for one that right-sizing did not
// propose.
func Found(p *redrivev1.Patch) rightsize.Found {
	if !strings.HasPrefix(p.GetReason(), rightsize.Voice) || p.GetApproveTime() == nil {
		return rightsize.Found{}
	}
	return rightsize.Found{
		Patch: p.GetName(), Operations: operationsFromProto(p.GetOperations()), Below: operationsFromProto(p.GetRestores().GetOperations()),
		MadeOn: p.GetMadeOn(), Saving: SavingFromProto(p.GetSaving()), Approved: instant(p.GetApproveTime()),
	}
}
