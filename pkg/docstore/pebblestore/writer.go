package pebblestore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
)

// Group commit: one goroutine takes whatever commits wait, checks them one after
// the other and writes those that can be done as one batch. Another one waits
// until the batch's part of the log is synced, and answers. Meanwhile the next
// group is checked and written. Nobody waits for a clock.

const (
	// maxQueue commits wait; further ones wait to get into the queue.
	maxQueue = 1024
	// A group ends with the commit that reaches one of these.
	maxGroup       = 1024
	maxGroupWrites = 4 * docstore.MaxWrites
	maxGroupBytes  = 16 << 20
	// maxUnsynced groups are written and wait for their syncs.
	maxUnsynced = 4
)

// The states of a request: it is taken by the writer or given up by its
// caller, never both.
const (
	waiting int32 = iota
	taken
	givenUp
)

// request is one Commit.
type request struct {
	writes []docstore.Write
	state  atomic.Int32
	answer error      // set by the writer
	done   chan error // gets the answer, if the request is taken
}

// group is what was written together.
type group struct {
	requests []*request
	batch    *pebble.Batch    // nil: nothing was written
	after    *pebble.Snapshot // of what is written with it and before it
}

// Commit implements docstore.Store. When ctx ends while the commit waits, it is
// not done.
func (s *Store) Commit(ctx context.Context, writes ...docstore.Write) error {
	start := time.Now()
	err := s.commit(ctx, writes)
	s.metrics.Commit(start, err)
	return err
}

func (s *Store) commit(ctx context.Context, writes []docstore.Write) error {
	if err := docstore.Validate(writes); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	select {
	case <-s.closing:
		return closedError()
	default:
	}
	if len(writes) == 0 {
		return nil
	}
	r := &request{writes: writes, done: make(chan error, 1)}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return fmt.Errorf("commit: %w", ctx.Err())
	case <-s.closing:
		return closedError()
	case <-s.broken.done:
		return s.broken.error()
	}
	select {
	case err := <-r.done:
		return err
	case <-s.broken.done:
		return s.broken.error()
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, givenUp) {
			return fmt.Errorf("commit: %w", ctx.Err())
		}
	case <-s.stopped:
		if r.state.CompareAndSwap(waiting, givenUp) {
			return closedError()
		}
	}
	select { // it is being written: a moment more, and the answer is sure
	case err := <-r.done:
		return err
	case <-s.broken.done:
		return s.broken.error()
	}
}

// write is the writer. It returns when the store closes and the queue is empty.
func (s *Store) write() {
	defer close(s.written)
	for {
		select {
		case r := <-s.queue:
			s.writeGroup(s.gather(r))
		case <-s.closing:
			select {
			case r := <-s.queue:
				s.writeGroup(s.gather(r))
			default:
				return
			}
		}
	}
}

// gather returns first and those that wait behind it.
func (s *Store) gather(first *request) []*request {
	var group []*request
	writes, size := 0, 0
	add := func(r *request) {
		if !r.state.CompareAndSwap(waiting, taken) {
			return
		}
		group = append(group, r)
		writes += len(r.writes)
		for _, w := range r.writes {
			size += len(w.Value)
		}
	}
	add(first)
	for len(group) < maxGroup && writes < maxGroupWrites && size < maxGroupBytes {
		select {
		case r := <-s.queue:
			add(r)
		default:
			return group
		}
	}
	return group
}

// writeGroup writes every commit of the group that can be done. A conflict fails
// its own commit alone; but it may rest on what is not synced yet, so it too is
// told only after the sync.
func (s *Store) writeGroup(requests []*request) {
	g := &group{requests: requests}
	b := builder{s.db, s.db.NewBatch(), s.known}
	for _, r := range requests {
		if r.answer = b.add(r.writes); r.answer == nil {
			driver.Hit("commit.before", r.writes)
		}
	}
	if !b.batch.Empty() {
		g.batch = b.batch
		if err := s.db.ApplyNoSyncWait(b.batch, pebble.Sync); err != nil {
			s.broken.fail(fmt.Errorf("commit: %w", err))
			return
		}
		g.after = s.db.NewSnapshot()
	}
	s.written <- g
}

// settle answers groups in their order, when they are synced.
func (s *Store) settle() {
	defer close(s.stopped)
	for g := range s.written {
		if g.batch != nil {
			if err := g.batch.SyncWait(); err != nil {
				s.broken.fail(fmt.Errorf("sync: %w", err))
				return
			}
			s.views.show(g.after)
			_ = g.batch.Close() // gives its memory back
		}
		for _, r := range g.requests {
			if r.answer == nil {
				driver.Hit("commit.after", r.writes)
			}
			r.done <- r.answer
		}
	}
}
