package wire_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/wire"
)

func TestAPatchComesBackFromTheWireAsItWas(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123, time.UTC)
	kind := failure.Type{Workflow: "etl", Step: "load", Engine: "process"}
	for _, want := range []patch.Patch{
		{
			ID: "p1", Scope: patch.Scope{Job: "jobs/etl-7"}, Type: kind, State: patch.Revoked, Failure: "failures/f1",
			Operations: []patch.Operation{
				{Op: "test", Path: "/a", Value: []any{nil, true, "x", map[string]any{"y": 1.5}}},
				{Op: "test", Path: "/b", Value: nil},
				{Op: "add", Path: "/memory_mb", Value: 512.0},
				{Op: "remove", Path: "/cores"},
			},
			Reason: "r", RevokeReason: "no", Created: at, Updated: at.Add(1), Expires: at.Add(time.Hour), Revision: 3,
		},
		{
			ID: "p2", Scope: patch.Scope{Type: kind}, Type: kind, State: patch.Active, PromotedFrom: "patches/p1", ApproveReason: "ann: fine",
			Saving:  patch.Saving{DollarsPerMonth: -1.5, Before: 1 << 30, After: 2 << 30, FailBefore: 0.1, FailAfter: 0.01, Runs: 20},
			Created: at, Updated: at, Expires: at.Add(time.Hour), Revision: 1,
		},
		{
			ID: "p3", Scope: patch.Scope{Type: kind}, Type: kind, State: patch.Active, MadeOn: new("patches/p2"), Approved: at.Add(2),
			Created: at, Updated: at, Expires: at.Add(time.Hour), Revision: 1,
			Restores: &patch.Patch{
				ID: "p2", Scope: patch.Scope{Type: kind}, Type: kind, State: patch.Active, Operations: []patch.Operation{{Op: "add", Path: "/memory_mb", Value: 512.0}},
				Reason: "r", Created: at, Updated: at, Expires: at.Add(time.Hour), Revision: 4,
			},
		},
		{
			ID: "p4", Scope: patch.Scope{Type: kind}, Type: kind, State: patch.Proposed, MadeOn: new(""),
			Created: at, Updated: at, Expires: at.Add(time.Hour), Revision: 1,
		},
	} {
		out, err := wire.Patch(want)
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := proto.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var in redrivev1.Patch
		if err := proto.Unmarshal(bytes, &in); err != nil {
			t.Fatal(err)
		}
		if got := wire.Stored("p"+in.GetName()[len("patches/p"):], in.GetRevision(), &in); !reflect.DeepEqual(got, want) {
			t.Errorf("patch = %+v\nwant    %+v", got, want)
		}
	}
}

func TestStatesAreThoseOfTheAPI(t *testing.T) {
	for s, want := range map[patch.State]redrivev1.Patch_State{
		patch.NoState: redrivev1.Patch_STATE_UNSPECIFIED, patch.Active: redrivev1.Patch_STATE_ACTIVE,
		patch.Revoked: redrivev1.Patch_STATE_REVOKED, patch.Superseded: redrivev1.Patch_STATE_SUPERSEDED,
		patch.Expired: redrivev1.Patch_STATE_EXPIRED, patch.Proposed: redrivev1.Patch_STATE_PROPOSED,
		patch.Rejected: redrivev1.Patch_STATE_REJECTED,
	} {
		if got := redrivev1.Patch_State(s); got != want {
			t.Errorf("%v is %v on the wire, want %v", s, got, want)
		}
	}
	if len(redrivev1.Patch_State_name) != 7 {
		t.Errorf("the API has %d states, the domain 7", len(redrivev1.Patch_State_name))
	}
}

func TestOperationsNeedTheirValues(t *testing.T) {
	for _, tc := range []struct {
		op    string
		value *structpb.Value
		want  bool
	}{
		{"replace", structpb.NewNumberValue(1), true},
		{"test", structpb.NewNullValue(), true},
		{"test", nil, false},
		{"add", &structpb.Value{}, false},
		{"remove", nil, true},
		{"remove", structpb.NewNullValue(), true}, // JSON clients write null for unset
		{"remove", structpb.NewNumberValue(1), false},
	} {
		_, err := wire.Operations("ops", []*redrivev1.PatchOperation{{Op: tc.op, Path: "/a", Value: tc.value}})
		if got := err == nil; got != tc.want {
			t.Errorf("%s with %v: good is %v (%v), want %v", tc.op, tc.value, got, err, tc.want)
		}
	}
	_, err := wire.Operations("ops", []*redrivev1.PatchOperation{nil, {Op: "test"}})
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("missing operations = %v, want Invalid", err)
	}
}

func TestResolutionOnTheWire(t *testing.T) {
	got, err := wire.Resolution(patch.Resolution{
		Config: map[string]any{"memory_mb": 512.0, "list": []any{nil}}, Applied: []string{"patches/p1"},
		Skipped: []patch.Skip{{Patch: "patches/p2", Reason: "why"}},
	})
	if err != nil || !reflect.DeepEqual(got.GetConfig().AsMap(), map[string]any{"memory_mb": 512.0, "list": []any{nil}}) ||
		!slices.Equal(got.GetApplied(), []string{"patches/p1"}) || got.GetSkipped()[0].GetReason() != "why" {
		t.Errorf("Resolution = %v, %v", got, err)
	}
}
