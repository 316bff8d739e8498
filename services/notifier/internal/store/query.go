package store

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
)

// Filter selects alerts; zero fields select all.
type Filter struct {
	State alert.State
	Job   string
}

// List returns a page of alerts, newest first, and the token of the next.
func (s *Store) List(ctx context.Context, f Filter, page docstore.Paging) ([]alert.Alert, string, error) {
	q := docstore.Query{Index: byCreated, Descending: true}
	var keep func(alert.Alert) bool
	switch {
	case f.Job != "":
		q.Index, q.From, q.Until = byJob, f.Job+"\x00", f.Job+"\x01"
		if f.State != alert.StateUnset {
			keep = func(a alert.Alert) bool { return a.State == f.State }
		}
	case f.State != alert.StateUnset:
		q.Index, q.From, q.Until = byState, f.State.String()+"/", f.State.String()+"0" // '0' follows '/'
	}
	items, next, err := s.alerts.Find(ctx, page.Query(q), keep)
	return items, page.Token(next), err
}

// maxLanes bounds the receivers of one alert that are looked at.
const maxLanes = 200

// Lanes returns what all receivers are told of one alert.
func (s *Store) Lanes(ctx context.Context, alertID string) ([]delivery.Lane, error) {
	lanes, _, err := s.lanes.List(ctx, docstore.Query{From: alertID + ".", Until: alertID + "/", Limit: maxLanes}) // '/' follows '.'
	return lanes, err
}

// Due returns the lane with the earliest due time of a receiver; ok is false
// when there is none with anything to send.
func (s *Store) Due(ctx context.Context, receiver string) (l delivery.Lane, ok bool, err error) {
	lanes, _, err := s.lanes.List(ctx, docstore.Query{Index: byDue, From: receiver + "/", Until: receiver + "0", Limit: 1})
	if err != nil || len(lanes) == 0 {
		return l, false, err
	}
	return lanes[0], true, nil
}

// mostCounted bounds what a count of alerts or lanes costs.
const mostCounted = 100_000

// CountState returns how many alerts are in a state; at most 100,000 are
// counted.
func (s *Store) CountState(ctx context.Context, state alert.State) (int, error) {
	name := state.String()
	return s.db.Count(ctx, docstore.Query{Kind: s.alerts.Kind(), Index: byState, From: name + "/", Until: name + "0"}, mostCounted)
}

// CountDue returns how many lanes of a receiver have something to send; at most
// 100,000 are counted.
func (s *Store) CountDue(ctx context.Context, receiver string) (int, error) {
	return s.db.Count(ctx, docstore.Query{Kind: s.lanes.Kind(), Index: byDue, From: receiver + "/", Until: receiver + "0"}, mostCounted)
}

// Stranded returns some lanes with something to send that was due before a time,
// to receivers that are not known, and the place to look on from; the end is no
// lanes and no place.
func (s *Store) Stranded(ctx context.Context, known map[string]bool, before time.Time, place string) (lanes []delivery.Lane, next string, err error) {
	page, _, err := s.lanes.List(ctx, docstore.Query{Index: byDue, From: place, Limit: sweepPage})
	if err != nil || len(page) == 0 {
		return nil, "", err
	}
	for _, l := range page {
		if head, _ := l.Head(); known[l.Receiver] || !head.Due.Before(before) {
			return lanes, l.Receiver + "0", nil // pass over the rest of this one's
		}
		lanes = append(lanes, l)
	}
	return lanes, place, nil
}

// PutLane writes a lane alone, and is errs.Conflict when it was changed
// meanwhile.
func (s *Store) PutLane(ctx context.Context, l delivery.Lane) error {
	w, err := s.lanes.Write(laneID(l.Alert, l.Receiver), l.Revision, l)
	if err != nil {
		return err
	}
	return s.db.Commit(ctx, w)
}

// sweepPage is how many documents a sweep looks at at a time.
const sweepPage = 200

// Resolved returns the alerts that were resolved before a time, earliest first,
// a page after cursor.
func (s *Store) Resolved(ctx context.Context, before time.Time, cursor string) ([]alert.Alert, string, error) {
	return s.alerts.List(ctx, docstore.Query{Index: byResolved, Until: docstore.TimeKey(before), After: cursor, Limit: sweepPage})
}

// Standing returns the open alerts that did not change since before a time,
// earliest first, a page after cursor.
func (s *Store) Standing(ctx context.Context, before time.Time, cursor string) ([]alert.Alert, string, error) {
	return s.alerts.List(ctx, docstore.Query{Index: byUpdated, Until: docstore.TimeKey(before), After: cursor, Limit: sweepPage})
}

// Count counts the open alerts and the resolved ones.
func (s *Store) Count(ctx context.Context) (open, resolved int, err error) {
	if open, err = s.db.Count(ctx, docstore.Query{Kind: s.alerts.Kind(), Index: byUpdated}, 0); err != nil {
		return 0, 0, err
	}
	resolved, err = s.db.Count(ctx, docstore.Query{Kind: s.alerts.Kind(), Index: byResolved}, 0)
	return open, resolved, err
}

// Delete deletes a resolved alert with all that was told of it. An alert of
// which something is still to be told stays, and deleted is false.
func (s *Store) Delete(ctx context.Context, a alert.Alert) (deleted bool, err error) {
	lanes, err := s.Lanes(ctx, a.ID)
	if err != nil {
		return false, err
	}
	writes := []docstore.Write{s.alerts.Delete(a.ID, a.Revision)}
	for _, l := range lanes {
		if _, pending := l.Head(); pending {
			return false, nil
		}
		writes = append(writes, s.lanes.Delete(laneID(l.Alert, l.Receiver), l.Revision))
	}
	return true, s.db.Commit(ctx, writes...)
}

// Forget deletes the histories that did not change since before a time and have
// no alert any more, and returns how many there were.
func (s *Store) Forget(ctx context.Context, before time.Time) (int, error) {
	deleted, cursor := 0, ""
	for {
		page, next, err := s.histories.List(ctx, docstore.Query{Index: byUpdated, Until: docstore.TimeKey(before), After: cursor, Limit: sweepPage})
		if err != nil {
			return deleted, err
		}
		for _, h := range page {
			job := h.Facts.Job
			alerts, err := s.db.Count(ctx, docstore.Query{Kind: s.alerts.Kind(), Index: byJob, From: job + "\x00", Until: job + "\x01"}, 1)
			if err != nil {
				return deleted, err
			}
			if alerts > 0 {
				continue
			}
			if err := s.db.Commit(ctx, s.histories.Delete(historyID(job), h.Revision)); err != nil {
				return deleted, err
			}
			deleted++
		}
		if cursor = next; cursor == "" {
			return deleted, nil
		}
	}
}
