package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

//go:embed commit.lua
var commitScript string

// Group commit: a lane takes whatever commits wait and sends them as one
// pipeline. The server syncs its log once for all that it has read, so a group
// is answered after one sync; each of its commits succeeds or fails alone. While
// a group is under way, the next gathers. Nobody waits for a clock.

const (
	// lanes are the groups that are under way at a time. The server reads 16 KiB
	// of a connection at once and syncs before it reads on, so a few groups that
	// it reads together are answered sooner than one large one.
	lanes = 8
	// maxQueue commits wait; further ones wait to get into the queue.
	maxQueue = 1024
	// A group ends with the commit that reaches one of these.
	maxGroup      = 256
	maxGroupBytes = 8 << 20
)

// The states of a request: it is taken by a lane or given up by its caller,
// never both.
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
// not done; once it is sent, its answer is waited for.
func (s *Store) Commit(ctx context.Context, writes ...docstore.Write) error {
	start := time.Now()
	err := s.commit(ctx, writes)
	s.metrics.Commit(start, err)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (s *Store) commit(ctx context.Context, writes []docstore.Write) error {
	if err := docstore.Validate(writes); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil || len(writes) == 0 {
		return err
	}
	closed := errs.New(errs.Unavailable, "the store is closed")
	r := &request{writes: writes, done: make(chan error, 1)}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return closed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, givenUp) {
			return ctx.Err()
		}
	case <-s.stopped:
		if r.state.CompareAndSwap(waiting, givenUp) {
			return closed
		}
	}
	return <-r.done // it is under way: a moment more, and the answer is sure
}

// write is a lane. It returns when the store closes and the queue is empty.
func (s *Store) write() {
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

// sends bounds how often a group is sent because the server had forgotten the
// script, as SCRIPT FLUSH and a restart make it.
const sends = 5

// commitGroup sends every commit of the group and answers all of them.
func (s *Store) commitGroup(group []*request) {
	cmds := make([]*redis.Cmd, len(group))
	open := make([]int, 0, len(group)) // those that are not answered yet
	for i := range group {
		open = append(open, i)
	}
	for _, r := range group {
		driver.Hit("commit.before", r.writes)
	}
	for try := 0; try < sends && len(open) > 0; try++ {
		p := s.client.Pipeline()
		for n, i := range open {
			keys, args := s.arguments(group[i].writes)
			if try > 0 && n == 0 {
				// This runs the script, and the server knows it from now on.
				cmds[i] = s.commits.Eval(context.Background(), p, keys, args...)
			} else {
				cmds[i] = s.commits.EvalSha(context.Background(), p, keys, args...)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
		_, _ = p.Exec(ctx) // each command has its own error
		cancel()
		var again []int
		for _, i := range open {
			// A script that is not known did not run, so it may be sent again.
			if redis.HasErrorPrefix(cmds[i].Err(), "NOSCRIPT") {
				again = append(again, i)
				continue
			}
			err := answer(cmds[i], group[i].writes)
			if err == nil {
				driver.Hit("commit.after", group[i].writes)
			}
			group[i].done <- err
		}
		open = again
	}
	for _, i := range open {
		group[i].done <- errs.New(errs.Unavailable, "the server forgets its scripts faster than they can be sent")
	}
}

// arguments are KEYS and ARGV of commit.lua.
func (s *Store) arguments(writes []docstore.Write) (keys []string, args []any) {
	keys = make([]string, 0, len(writes))
	args = make([]any, 0, 10*len(writes))
	for _, w := range writes {
		keys = append(keys, s.docKey(w.Kind, w.ID))
		r := driver.Record{Revision: w.Revision + 1, Entries: w.Index, Value: w.Value}
		what, record, index := "put", []byte(nil), w.Index
		switch {
		case w.Value == nil:
			what, index = "delete", nil
		case w.Revision == docstore.AnyRevision:
			what, record = "next", r.EncodeRest()
		default:
			record = r.Encode()
		}
		entries := driver.Record{Entries: index}.EncodeRest()
		args = append(args, w.Revision, what, record, entries, w.ID, s.idsKey(w.Kind), s.indexPrefix(w.Kind), len(index))
		for _, e := range index {
			args = append(args, e.Name, driver.IndexKey(e.Value, w.ID))
		}
	}
	return keys, args
}

// answer reads what commit.lua returned.
func answer(cmd *redis.Cmd, writes []docstore.Write) error {
	result, err := cmd.Result()
	if err != nil {
		return unavailable(err)
	}
	if done, ok := result.(int64); ok && done == 0 {
		return nil
	}
	conflict, ok := result.([]any)
	if !ok || len(conflict) != 2 {
		return errs.New(errs.Internal, "commit.lua returned %v", result)
	}
	i, ok1 := conflict[0].(int64)
	stored, ok2 := conflict[1].(int64)
	if !ok1 || !ok2 || i < 1 || int(i) > len(writes) {
		return errs.New(errs.Internal, "commit.lua returned %v", result)
	}
	switch w := writes[i-1]; {
	case w.Revision == docstore.Absent:
		return errs.New(errs.Conflict, "%s %q exists, at revision %d", w.Kind, w.ID, stored)
	case stored == 0:
		return errs.New(errs.Conflict, "%s %q does not exist; revision %d was expected", w.Kind, w.ID, w.Revision)
	default:
		return errs.New(errs.Conflict, "%s %q is at revision %d; %d was expected", w.Kind, w.ID, stored, w.Revision)
	}
}
