package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

func TestARightSizingComesBackFromTheStoreAsItWas(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	saving := rightsize.Saving{DollarsPerMonth: 1.5, Before: 4, After: 3, FailBefore: 0.1, FailAfter: 0.2, Runs: 5}
	part := map[engine.Part]int64{engine.Tree: 7}
	for _, want := range []rightsize.Sizing{
		{Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}},
		{
			Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, State: rightsize.Proposed, Reason: "r", Part: engine.Tree,
			Own: 1, Present: 2, Next: 3, Target: 4, Floor: 5, Saving: saving, AppliedDollars: 6, Patch: "patches/p1", Runs: 7, RunsPerDay: 8.5, Reverts: 9,
			Created: at, Updated: at.Add(1), Config: map[string]any{"memory_mb": 512.0}, Offered: map[string]any{},
			Waiting: &rightsize.Step{Patch: "patches/p1", Part: engine.Tree, Before: 4, After: 3, Lowered: part, Saving: saving},
			Working: &rightsize.Step{Patch: "patches/p0", Part: engine.Python, Before: 6, After: 4},
			Blame:   &rightsize.Blame{Failure: "failures/f", Part: engine.Tree, Bytes: 3}, Raised: part,
			Refused: []rightsize.Refusal{{Part: engine.Tree, Bytes: 2}}, Began: at.Add(2), Fresh: 10, Counted: at.Add(3), Rounds: 11, Due: at.Add(4), Revision: 12,
			Asking: &rightsize.Step{
				Part: engine.Tree, Before: 4, After: 3, Lowered: part, Without: map[engine.Part]int64{engine.Tree: 9, engine.Heap: 8}, Saving: saving,
				Operations: []engine.Operation{
					{Op: "test", Path: "/memory_mb", Value: 4.0},
					{Op: "replace", Path: "/memory_mb", Value: 3.0},
					{Op: "add", Path: "/spark.executor.memoryOverhead", Value: "819m"},
					{Op: "remove", Path: "/cores"},
				},
				MadeOn: "patches/p9", Reason: "why",
			},
			Active: "patches/p0", Doubted: at.Add(5), Others: []string{"a", "b"},
		},
	} {
		p, err := wire.StoredRightsizing(want)
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var in redrivev1.StoredRightsizing
		if err := proto.Unmarshal(bytes, &in); err != nil {
			t.Fatal(err)
		}
		if got := wire.RightsizingFromProto(&in, want.Revision); !reflect.DeepEqual(got, want) {
			t.Errorf("right-sizing = %+v\nwant %+v", got, want)
		}
	}
}

func TestStatesOfRightSizingAreThoseOfTheAPI(t *testing.T) {
	for s, want := range map[rightsize.State]redrivev1.Rightsizing_State{
		rightsize.NoState: redrivev1.Rightsizing_STATE_UNSPECIFIED, rightsize.Learning: redrivev1.Rightsizing_STATE_LEARNING,
		rightsize.Proposed: redrivev1.Rightsizing_STATE_PROPOSED, rightsize.Applied: redrivev1.Rightsizing_STATE_APPLIED,
		rightsize.Reverted: redrivev1.Rightsizing_STATE_REVERTED, rightsize.Settled: redrivev1.Rightsizing_STATE_CONVERGED,
		rightsize.Rejected: redrivev1.Rightsizing_STATE_REJECTED,
	} {
		if got := redrivev1.Rightsizing_State(s); got != want {
			t.Errorf("%d is %v on the wire, want %v", s, got, want)
		}
	}
	if len(redrivev1.Rightsizing_State_name) != 7 {
		t.Errorf("the API has %d states, the domain 7", len(redrivev1.Rightsizing_State_name))
	}
}

func TestAnEndByRightSizingItselfIsNoRefusal(t *testing.T) {
	for _, tc := range []struct {
		state  redrivev1.Patch_State
		reason string
		want   rightsize.PatchState
	}{
		{redrivev1.Patch_STATE_PROPOSED, "", rightsize.Waits},
		{redrivev1.Patch_STATE_ACTIVE, "", rightsize.Applies},
		{redrivev1.Patch_STATE_REJECTED, "ann: no", rightsize.Refused},
		{redrivev1.Patch_STATE_REVOKED, "", rightsize.Refused},
		{redrivev1.Patch_STATE_REJECTED, rightsize.Voice + "too risky", rightsize.Withdrawn},
		{redrivev1.Patch_STATE_REVOKED, rightsize.Voice + "failures/f lacked memory with it", rightsize.Withdrawn},
		{redrivev1.Patch_STATE_SUPERSEDED, "", rightsize.Gone},
		{redrivev1.Patch_STATE_EXPIRED, "", rightsize.Gone},
	} {
		if got := wire.PatchState(&redrivev1.Patch{State: tc.state, RevokeReason: tc.reason}); got != tc.want {
			t.Errorf("%v %q = %v, want %v", tc.state, tc.reason, got, tc.want)
		}
	}
}

func TestOnlyAnApprovedProposalOfRightSizingIsFound(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := func(change func(*redrivev1.Patch)) *redrivev1.Patch {
		p := &redrivev1.Patch{
			Name: "patches/p1", Reason: rightsize.Voice + "less will do", ApproveTime: timestamppb.New(at), MadeOn: new("patches/p0"),
			Operations: []*redrivev1.PatchOperation{{Op: "replace", Path: "/memory_mb", Value: structpb.NewNumberValue(3)}},
			Restores:   &redrivev1.Patch{Operations: []*redrivev1.PatchOperation{{Op: "add", Path: "/memory_mb", Value: structpb.NewNumberValue(4)}}},
		}
		change(p)
		return p
	}
	want := rightsize.Found{
		Patch: "patches/p1", MadeOn: "patches/p0", Approved: at, Operations: []engine.Operation{{Op: "replace", Path: "/memory_mb", Value: 3.0}},
		Below: []engine.Operation{{Op: "add", Path: "/memory_mb", Value: 4.0}},
	}
	if got := wire.Found(p(func(*redrivev1.Patch) {})); !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v\nwant  %+v", got, want)
	}
	for name, change := range map[string]func(*redrivev1.Patch){
		"somebody else's": func(p *redrivev1.Patch) { p.Reason = "ann: less will do" },
		"one that waits":  func(p *redrivev1.Patch) { p.ApproveTime = nil },
		"one made anew":   func(p *redrivev1.Patch) { p.Reason, p.ApproveTime = "patches/p0 again", nil },
	} {
		if got := wire.Found(p(change)); got.Patch != "" {
			t.Errorf("%s: found %+v", name, got)
		}
	}
}
