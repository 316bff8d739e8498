package store_test

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type away struct{}

func (away) Publish(context.Context, ...bus.Event) error { return errs.New(errs.Unavailable, "away") }

func (away) Sync(context.Context) error { return errs.New(errs.Unavailable, "away") }

func open(t testing.TB) (*store.Store, *outbox.Outbox) {
	docs := storetest.Open(t)
	box := outbox.New(docs, away{}, "configsvc", nil, slog.New(slog.DiscardHandler))
	return store.New(docs, box), box
}

// put stores a new patch of a workflow and returns it as it is read.
func put(t testing.TB, s *store.Store, p patch.Patch) patch.Patch {
	t.Helper()
	slot, err := s.Slot(t.Context(), p.Scope, p.State == patch.Proposed)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), store.Change{New: &p, Slot: slot}, now); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func patchOf(id string, kind failure.Type) patch.Patch {
	return patch.Patch{ID: id, Scope: patch.Scope{Type: kind}, Type: kind, State: patch.Active, Created: now, Updated: now, Expires: now.Add(time.Hour)}
}

func TestTheLargestPatchIsKept(t *testing.T) {
	s, box := open(t)
	long := strings.Repeat("x", 128)
	p := patchOf("p1", failure.Type{Workflow: long, Step: long, Engine: "process"})
	p.Scope = patch.Scope{Job: "jobs/" + long}
	p.Reason, p.Failure = strings.Repeat("é", patch.MaxReason/2), "failures/"+long
	for range patch.MaxOperations {
		p.Operations = append(p.Operations, patch.Operation{Op: "test", Path: "/" + long, Value: strings.Repeat("y", 100)})
	}
	want := p
	want.Revision = 1
	if got := put(t, s, p); !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v\nwant %+v", got, want)
	}
	if n, err := box.Backlog(t.Context()); n != 1 || err != nil {
		t.Errorf("%d events, %v, want 1", n, err)
	}
}

func TestWorkflowsAreNotMixedUp(t *testing.T) {
	s, _ := open(t)
	for id, workflow := range map[string]string{"p1": "etl", "p2": "etl\x00b", "p3": "etl2", "p4": "et"} {
		put(t, s, patchOf(id, failure.Type{Workflow: workflow, Step: id, Engine: "process"}))
	}
	page, err := docstore.NewPaging(0, "")
	if err != nil {
		t.Fatal(err)
	}
	got, next, err := s.List(t.Context(), store.Filter{Workflow: "etl"}, page, now)
	if err != nil || next != "" || len(got) != 1 || got[0].ID != "p1" {
		t.Errorf("List = %+v, %q, %v, want p1 alone", got, next, err)
	}
}

func TestACommitOnAnOldSlotIsAConflict(t *testing.T) {
	s, box := open(t)
	kind := failure.Type{Workflow: "etl", Step: "load", Engine: "process"}
	old, err := s.Slot(t.Context(), patch.Scope{Type: kind}, false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, patchOf("p1", kind))
	p := patchOf("p2", kind)
	if err := s.Commit(t.Context(), store.Change{New: &p, Slot: old}, now); !errs.Is(err, errs.Conflict) {
		t.Errorf("Commit = %v, want Conflict", err)
	}
	if _, err := s.Get(t.Context(), "p2"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of what was not committed = %v, want NotFound", err)
	}
	if n, err := box.Backlog(t.Context()); n != 1 || err != nil {
		t.Errorf("%d events, %v, want the first one's", n, err)
	}
}

func TestDeleteFreesTheSlotOfItsPatchAlone(t *testing.T) {
	s, _ := open(t)
	kind := failure.Type{Workflow: "etl", Step: "load", Engine: "process"}
	first, second := put(t, s, patchOf("p1", kind)), put(t, s, patchOf("p2", kind))
	stale := first
	stale.Revision++
	if err := s.Delete(t.Context(), stale); !errs.Is(err, errs.Conflict) {
		t.Errorf("Delete of another revision = %v, want Conflict", err)
	}
	for _, step := range []struct {
		gone patch.Patch
		left string
	}{{first, "p2"}, {second, ""}} {
		if err := s.Delete(t.Context(), step.gone); err != nil {
			t.Fatal(err)
		}
		slot, err := s.Slot(t.Context(), first.Scope, false)
		if err != nil || slot.PatchID != step.left {
			t.Errorf("slot after Delete of %s = %q, %v, want %q", step.gone.ID, slot.PatchID, err, step.left)
		}
	}
}

func TestAProposalHasASlotOfItsOwn(t *testing.T) {
	s, _ := open(t)
	kind := failure.Type{Workflow: "etl", Step: "load", Engine: "process"}
	proposal := patchOf("p2", kind)
	proposal.State = patch.Proposed
	proposal.Saving = patch.Saving{DollarsPerMonth: 1.5, Before: 2 << 30, After: 1 << 30, FailAfter: 0.01, Runs: 20}
	active, proposal := put(t, s, patchOf("p1", kind)), put(t, s, proposal)
	for proposed, want := range map[bool]patch.Patch{false: active, true: proposal} {
		slot, err := s.Slot(t.Context(), want.Scope, proposed)
		if err != nil || slot.PatchID != want.ID {
			t.Errorf("slot (proposed %v) = %q, %v, want %s", proposed, slot.PatchID, err, want.ID)
		}
	}
	if err := s.Delete(t.Context(), proposal); err != nil {
		t.Fatal(err)
	}
	if slot, err := s.Slot(t.Context(), proposal.Scope, true); err != nil || slot.PatchID != "" {
		t.Errorf("slot of a deleted proposal = %q, %v", slot.PatchID, err)
	}
	if slot, err := s.Slot(t.Context(), active.Scope, false); err != nil || slot.PatchID != active.ID {
		t.Errorf("slot of the active patch = %q, %v", slot.PatchID, err)
	}
}
