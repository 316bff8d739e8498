package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

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
