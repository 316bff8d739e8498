// Package store keeps the notifier's documents: alerts, what they are made
// from, and what each receiver is told.
package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/wire"
)

// The indexes.
const (
	byCreated  = "created"  // alerts: creation time
	byState    = "state"    // alerts: state, creation time
	byJob      = "job"      // alerts: job, creation time
	byResolved = "resolved" // resolved alerts: when
	byUpdated  = "updated"  // alerts that are not resolved, and histories: last change
	byDue      = "due"      // lanes with something to send: receiver, due time
)

// Outbox is where changes go: documents and events in one commit.
// *outbox.Outbox is one. Its errors are those of docstore.Store.Commit.
type Outbox interface {
	Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error
}

// History is what is known of one job.
type History struct {
	Facts    alert.Facts
	Revision int64 // 0 for one that is not stored
}

// Store keeps the notifier's documents.
type Store struct {
	out       Outbox
	db        docstore.Store
	alerts    docstore.Collection[alert.Alert]
	histories docstore.Collection[History]
	lanes     docstore.Collection[delivery.Lane]
}

// New returns the documents of db; changes go through out.
func New(db docstore.Store, out Outbox) *Store {
	return &Store{
		out: out, db: db,
		alerts: docstore.NewCollection(db, "notifier.alert", docstore.Codec[alert.Alert]{
			Encode: func(a alert.Alert) ([]byte, error) { return proto.Marshal(wire.Record(a)) },
			Decode: func(d docstore.Doc) (alert.Alert, error) {
				var r redrivev1.AlertRecord
				err := proto.Unmarshal(d.Value, &r)
				return wire.FromRecord(&r, d.Revision), err
			},
			Index: alertIndex,
		}),
		histories: docstore.NewCollection(db, "notifier.history", docstore.Codec[History]{
			Encode: func(h History) ([]byte, error) { return proto.Marshal(wire.History(h.Facts)) },
			Decode: func(d docstore.Doc) (History, error) {
				var r redrivev1.AlertHistory
				err := proto.Unmarshal(d.Value, &r)
				return History{wire.FromHistory(&r), d.Revision}, err
			},
			Index: func(h History) []docstore.Entry {
				// To the hour, so that most changes leave it: it is looked at after days.
				return []docstore.Entry{{Name: byUpdated, Value: docstore.TimeKey(h.Facts.Updated.Truncate(time.Hour))}}
			},
		}),
		lanes: docstore.NewCollection(db, "notifier.lane", docstore.Codec[delivery.Lane]{
			Encode: func(l delivery.Lane) ([]byte, error) { return proto.Marshal(wire.Lane(l)) },
			Decode: func(d docstore.Doc) (delivery.Lane, error) {
				var r redrivev1.AlertLane
				err := proto.Unmarshal(d.Value, &r)
				return wire.FromLane(&r, d.Revision), err
			},
			Index: laneIndex,
		}),
	}
}

func alertIndex(a alert.Alert) []docstore.Entry {
	created := docstore.TimeKey(a.Created)
	all := []docstore.Entry{
		{Name: byCreated, Value: created},
		{Name: byState, Value: a.State.String() + "/" + created},
		{Name: byJob, Value: a.Job + "\x00" + created},
	}
	if a.State == alert.Resolved {
		return append(all, docstore.Entry{Name: byResolved, Value: docstore.TimeKey(a.Resolved)})
	}
	return append(all, docstore.Entry{Name: byUpdated, Value: docstore.TimeKey(a.Updated)})
}

func laneIndex(l delivery.Lane) []docstore.Entry {
	head, pending := l.Head()
	if !pending {
		return nil
	}
	return []docstore.Entry{{Name: byDue, Value: l.Receiver + "/" + docstore.TimeKey(head.Due)}}
}

// laneID is the id of a lane. Neither part has a dot.
func laneID(alertID, receiver string) string { return alertID + "." + receiver }

// History returns what is known of a job; nothing of one that is unknown.
func (s *Store) History(ctx context.Context, job string) (History, error) {
	h, err := s.histories.Get(ctx, historyID(job))
	if errs.Is(err, errs.NotFound) {
		return History{Facts: alert.Facts{Job: job}}, nil
	}
	return h, err
}

// historyID returns the id of what is known of a job; of what is none, an id
// that no job has.
func historyID(job string) string {
	if id, ok := strings.CutPrefix(job, "jobs/"); ok {
		return id
	}
	return "~" + job
}

// Alert returns one alert, or errs.NotFound.
func (s *Store) Alert(ctx context.Context, id string) (alert.Alert, error) {
	a, err := s.alerts.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return a, errs.New(errs.NotFound, "alert %q does not exist", id)
	}
	return a, err
}

// Lane returns what one receiver is told of one alert; an empty lane when that
// is nothing yet.
func (s *Store) Lane(ctx context.Context, alertID, receiver string) (delivery.Lane, error) {
	l, err := s.lanes.Get(ctx, laneID(alertID, receiver))
	if errs.Is(err, errs.NotFound) {
		return delivery.Lane{Alert: alertID, Receiver: receiver}, nil
	}
	return l, err
}

// Change is what one decision changes, with the revisions that it was made
// from.
type Change struct {
	History *History
	Alerts  []alert.Alert
	Lanes   []delivery.Lane
	// Tell are the ids of the alerts that the world is told of.
	Tell map[string]bool
}

// Commit writes a change, and the events about it, in one put. It is
// errs.Conflict when something was changed meanwhile.
func (s *Store) Commit(ctx context.Context, c Change, now time.Time) error {
	var events []bus.Event
	var writes []docstore.Write
	add := func(w docstore.Write, err error) error {
		writes = append(writes, w)
		return err
	}
	if c.History != nil {
		if err := add(s.histories.Write(historyID(c.History.Facts.Job), c.History.Revision, *c.History)); err != nil {
			return err
		}
	}
	for _, a := range c.Alerts {
		if err := add(s.alerts.Write(a.ID, a.Revision, a)); err != nil {
			return err
		}
		if !c.Tell[a.ID] {
			continue
		}
		a.Revision++
		e, err := wire.Changed(a, now)
		if err != nil {
			return fmt.Errorf("tell of alert %q: %w", a.ID, err)
		}
		events = append(events, e)
	}
	for _, l := range c.Lanes {
		if err := add(s.lanes.Write(laneID(l.Alert, l.Receiver), l.Revision, l)); err != nil {
			return err
		}
	}
	return s.out.Commit(ctx, events, writes...)
}
