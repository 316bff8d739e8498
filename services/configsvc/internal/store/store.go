// Package store keeps patches. Each scope has a slot with the newest patch of
// the scope: a new patch takes the slot and ends the one before it in one
// commit, so a scope never has two active patches.
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
	byEnd      = "end"      // ended ones
)

// Slot is the newest patch of a scope.
type Slot struct {
	Scope    patch.Scope
	PatchID  string // empty when the scope never had a patch, or its last is purged
	Revision int64  // of the slot's document
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
				return Slot{PatchID: string(d.Value), Revision: d.Revision}, nil
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
	if p.State == patch.Active {
		return append(entries, docstore.Entry{Name: byExpiry, Value: docstore.TimeKey(p.Expires)})
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

// Slot returns the slot of a scope.
func (s *Store) Slot(ctx context.Context, scope patch.Scope) (Slot, error) {
	slot, err := s.slots.Get(ctx, scope.Key())
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Slot{}, err
	}
	slot.Scope = scope
	return slot, nil
}

// Change is what one commit does.
type Change struct {
	New   *patch.Patch  // takes Slot
	Slot  Slot          // as it was read
	Ended []patch.Patch // with the revision that was read
}

// Commit writes a change and the events about it, and returns the new patch
// with its revision. It is errs.Conflict when the slot or a patch has changed
// since it was read.
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
		w, err := s.slots.Write(c.Slot.Scope.Key(), c.Slot.Revision, c.Slot)
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	return s.outbox.Commit(ctx, told, writes...)
}

// Delete removes an ended patch, and its scope's slot when it holds it. It is
// errs.Conflict when one has changed since it was read.
func (s *Store) Delete(ctx context.Context, p patch.Patch) error {
	slot, err := s.Slot(ctx, p.Scope)
	if err != nil {
		return err
	}
	writes := []docstore.Write{s.patches.Delete(p.ID, p.Revision)}
	if slot.PatchID == p.ID {
		writes = append(writes, s.slots.Delete(p.Scope.Key(), slot.Revision))
	}
	return s.docs.Commit(ctx, writes...)
}
