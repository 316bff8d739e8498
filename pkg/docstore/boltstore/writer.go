package boltstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Group commit: one goroutine takes whatever commits wait, applies them one
// after the other in one transaction, and answers them after one fsync. While
// that fsync runs, the next group gathers. Nobody waits for a clock.

const (
	// maxQueue commits wait; further ones wait to get into the queue.
	maxQueue = 1024
	// A group ends with the commit that reaches one of these.
	maxGroup      = 1024
	maxGroupBytes = 16 << 20
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
	done   chan error // gets the one answer, if the request is taken
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
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, givenUp) {
			return fmt.Errorf("commit: %w", ctx.Err())
		}
	case <-s.stopped:
		if r.state.CompareAndSwap(waiting, givenUp) {
			return closedError()
		}
	}
	return <-r.done // it is being written: a moment more, and the answer is sure
}

// write is the writer. It returns when the store closes and the queue is empty.
func (s *Store) write() {
	defer close(s.stopped)
	for {
		select {
		case r := <-s.queue:
			s.commitGroup(s.gather(r))
		case <-s.closing:
			select {
			case r := <-s.queue:
				s.commitGroup(s.gather(r))
			default:
				return
			}
		}
	}
}

// gather returns first and those that wait behind it.
func (s *Store) gather(first *request) []*request {
	var group []*request
	size := 0
	add := func(r *request) {
		if !r.state.CompareAndSwap(waiting, taken) {
			return
		}
		group = append(group, r)
		for _, w := range r.writes {
			size += len(w.Value)
		}
	}
	add(first)
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case r := <-s.queue:
			add(r)
		default:
			return group
		}
	}
	return group
}

// commitGroup does every commit of the group that can be done, and answers all
// of them. A conflict fails its own commit alone; but it may rest on what an
// earlier one of the group wrote, so it too is told only after the fsync.
func (s *Store) commitGroup(group []*request) {
	answers := make([]error, len(group))
	err := s.db.Update(func(tx *bolt.Tx) error {
		applied := 0
		for i, r := range group {
			plans, err := check(tx, r.writes)
			if err != nil {
				answers[i] = err
				continue
			}
			if err := apply(tx, r.writes, plans); err != nil {
				return err
			}
			driver.Hit("commit.before", r.writes)
			applied++
		}
		if applied == 0 {
			return errNothing
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, errNothing):
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		err = closedError()
	default:
		err = errs.New(errs.Unavailable, "commit: %w", err)
	}
	for i, r := range group {
		switch {
		case err != nil && !errors.Is(err, errNothing):
			r.done <- err
		default:
			if answers[i] == nil {
				driver.Hit("commit.after", r.writes)
			}
			r.done <- answers[i]
		}
	}
}

// errNothing rolls a transaction back that would write nothing.
var errNothing = errors.New("nothing to write")
