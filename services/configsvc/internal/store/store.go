// Package store keeps patches. Each scope has a slot with the newest patch of
// the scope: a new patch takes the slot and ends the one before it in one
// commit, so a scope never has two active patches. Proposals have slots of their
// own: a scope has one at most, and it leaves what is active alone.
package store

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/outbox"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/events"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/wire"
)

// The indexes of patches.
const (
	byCreated  = "created"  // all
	byJob      = "job"      // those of one job: job, NUL, created
	byWorkflow = "workflow" // all: workflow, NUL, created
	byExpiry   = "expiry"   // active ones
	byProposal = "proposal" // proposed ones: their expiry
	byEnd      = "end"      // ended ones
)

// Slot is the newest patch of a scope, or its newest proposal.
type Slot struct {
	PatchID  string // empty when the scope never had a patch, or its last is purged
	id       string // of the slot's document
	revision int64
}

// slotOf returns the id of a slot. The keys of scopes begin with "jobs/" and
// "types/".
func slotOf(scope patch.Scope, proposed bool) string {
	if proposed {
		return "proposed/" + scope.Key()
	}
	return scope.Key()
}

// Store keeps patches and the slots of their scopes.
type Store struct {
	docs    docstore.Store
	outbox  *outbox.Outbox
	patches docstore.Collection[patch.Patch]
	slots   docstore.Collection[Slot]
}

// New returns the store over docs. All changes go through box.
func New(docs docstore.Store, box *outbox.Outbox) *Store {
	return &Store{
		docs: docs, outbox: box,
		patches: docstore.NewCollection(docs, "configsvc.patch", docstore.Codec[patch.Patch]{Encode: encode, Decode: decode, Index: index}),
		slots: docstore.NewCollection(docs, "configsvc.slot", docstore.Codec[Slot]{
			Encode: func(s Slot) ([]byte, error) { return []byte(s.PatchID), nil },
			Decode: func(d docstore.Doc) (Slot, error) {
				return Slot{PatchID: string(d.Value), id: d.ID, revision: d.Revision}, nil
			},
		}),
	}
}

func encode(p patch.Patch) ([]byte, error) {
	out, err := wire.Patch(p)
	if err != nil {
		return nil, err
	}
	out.Name, out.Revision, out.Etag = "", 0, "" // the document's own
	return proto.MarshalOptions{Deterministic: true}.Marshal(out)
}

func decode(d docstore.Doc) (patch.Patch, error) {
	var p redrivev1.Patch
	if err := proto.Unmarshal(d.Value, &p); err != nil {
		return patch.Patch{}, err
	}
	return wire.Stored(d.ID, d.Revision, &p), nil
}

func index(p patch.Patch) []docstore.Entry {
	created := docstore.TimeKey(p.Created)
	entries := []docstore.Entry{{Name: byCreated, Value: created}, {Name: byWorkflow, Value: p.Type.Workflow + "\x00" + created}}
	if p.Scope.OfJob() {
		entries = append(entries, docstore.Entry{Name: byJob, Value: p.Scope.Job + "\x00" + created})
	}
	switch p.State {
	case patch.Active:
		return append(entries, docstore.Entry{Name: byExpiry, Value: docstore.TimeKey(p.Expires)})
	case patch.Proposed:
		return append(entries, docstore.Entry{Name: byProposal, Value: docstore.TimeKey(p.Expires)})
	}
	return append(entries, docstore.Entry{Name: byEnd, Value: docstore.TimeKey(p.Updated)})
}

// Get returns a patch as it was written, or errs.NotFound.
func (s *Store) Get(ctx context.Context, id string) (patch.Patch, error) {
	p, err := s.patches.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return p, errs.New(errs.NotFound, "patches/%s does not exist", id)
	}
	return p, err
}

// Slot returns the slot of a scope, or that of its proposals.
func (s *Store) Slot(ctx context.Context, scope patch.Scope, proposed bool) (Slot, error) {
	slot, err := s.slots.Get(ctx, slotOf(scope, proposed))
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Slot{}, err
	}
	slot.id = slotOf(scope, proposed)
	return slot, nil
}

// Change is what one commit does.
type Change struct {
	New   *patch.Patch  // takes Slot; of one that is stored, with the revision that was read
	Slot  Slot          // as it was read
	Left  *Slot         // is empty from now on; as it was read
	Ended []patch.Patch // with the revision that was read
}

// Commit writes a change and the events about it. It is errs.Conflict when a slot
// or a patch has changed since it was read.
func (s *Store) Commit(ctx context.Context, c Change, now time.Time) error {
	var writes []docstore.Write
	var told []bus.Event
	put := func(p patch.Patch) error {
		w, err := s.patches.Write(p.ID, p.Revision, p)
		if err != nil {
			return err
		}
		p.Revision++
		e, err := events.Changed(p, now)
		if err != nil {
			return fmt.Errorf("event about %s: %w", p.Name(), err)
		}
		writes, told = append(writes, w), append(told, e)
		return nil
	}
	for _, p := range c.Ended {
		if err := put(p); err != nil {
			return err
		}
	}
	if c.New != nil {
		if err := put(*c.New); err != nil {
			return err
		}
		c.Slot.PatchID = c.New.ID
		w, err := s.slots.Write(c.Slot.id, c.Slot.revision, c.Slot)
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	if c.Left != nil && c.Left.revision > 0 {
		writes = append(writes, s.slots.Delete(c.Left.id, c.Left.revision))
	}
	return s.outbox.Commit(ctx, told, writes...)
}

// Delete removes an ended patch, and the slot of its scope that holds it. It is
// errs.Conflict when one has changed since it was read.
func (s *Store) Delete(ctx context.Context, p patch.Patch) error {
	writes := []docstore.Write{s.patches.Delete(p.ID, p.Revision)}
	for _, proposed := range []bool{false, true} {
		slot, err := s.Slot(ctx, p.Scope, proposed)
		if err != nil {
			return err
		}
		if slot.PatchID == p.ID {
			writes = append(writes, s.slots.Delete(slot.id, slot.revision))
		}
	}
	return s.docs.Commit(ctx, writes...)
}
