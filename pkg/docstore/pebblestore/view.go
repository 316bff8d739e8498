package pebblestore

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Pebble shows a commit before its log is synced. A reader must not: it may act
// on what it has read, and a crash would take that back. So readers read
// snapshots, and a snapshot is shown when all that is in it is synced.

// views is the snapshot that is shown, and how many read those before it.
type views struct {
	mu      sync.Mutex
	shown   *view // nil: the store is closed
	reading sync.WaitGroup
}

type view struct {
	*pebble.Snapshot
	readers int // under views.mu; the one that shows it counts as one
}

// show replaces the snapshot that is shown.
func (v *views) show(s *pebble.Snapshot) {
	v.mu.Lock()
	before := v.shown
	v.shown = &view{Snapshot: s, readers: 1}
	v.mu.Unlock()
	if before != nil {
		v.leave(before)
	}
}

// enter returns the snapshot that is shown, for one reader; nil when the store
// is closed.
func (v *views) enter() *view {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown != nil {
		v.shown.readers++
		v.reading.Add(1)
	}
	return v.shown
}

func (v *views) exit(w *view) {
	v.leave(w)
	v.reading.Done()
}

// leave closes a snapshot that nobody reads or shows any more.
func (v *views) leave(w *view) {
	v.mu.Lock()
	w.readers--
	last := w.readers == 0
	v.mu.Unlock()
	if last {
		_ = w.Close() // it can only be closed already
	}
}

// close waits for all readers.
func (v *views) close() error {
	v.mu.Lock()
	last := v.shown
	v.shown = nil
	v.mu.Unlock()
	v.reading.Wait()
	return last.Close()
}

// view runs fn on what is synced.
func (s *Store) view(fn func(*pebble.Snapshot) error) error {
	v := s.views.enter()
	if v == nil {
		return closedError()
	}
	defer s.views.exit(v)
	return fn(v.Snapshot)
}
