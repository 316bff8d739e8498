// Package redisstore is the driver of docstore on Redis 7: one primary that
// syncs every write before it answers. A commit is one script, so it is whole;
// a page is one script, so it is of one moment.
//
// What is acknowledged is on the primary's disk: the server's settings are
// checked when the store is opened and on every new connection, and a server
// that could lose commits is refused. Connections live for 5 minutes, so a
// setting that is changed under way is found within that time.
//
// With Sentinel, failover is asynchronous, as Redis replicates: a primary that
// is lost for good takes the commits with it that its successor had not yet
// received, usually those of the last moments, although they were acknowledged.
// The store is then as it was a moment before: whole commits, but fewer. A
// primary that comes back with its disk loses nothing. Redis Cluster is
// refused, because a commit touches any keys.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Store is a docstore.Store in Redis.
type Store struct {
	client  *redis.Client
	prefix  string
	metrics *driver.Metrics
	commits *redis.Script
	lists   *redis.Script

	queue   chan *request
	closing chan struct{} // closed when Close begins
	stopped chan struct{} // closed when all lanes have returned
	close   func() error
}

var _ docstore.Store = (*Store)(nil)

// Open connects and checks the server. It is errs.FailedPrecondition, naming
// the setting, its value and the remedy, when the server could lose what it
// acknowledged, is no Redis 7 primary, or does not accept our TLS;
// errs.Unauthenticated or errs.PermissionDenied when it does not let us in;
// errs.Unavailable when it cannot answer now; errs.Invalid for options that
// cannot work. ctx bounds Open alone.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	client := o.client()
	s := &Store{
		client: client, prefix: o.Prefix,
		commits: redis.NewScript(commitScript), lists: redis.NewScript(listScript),
		queue: make(chan *request, maxQueue), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	err := s.prepare(ctx)
	if err == nil {
		s.metrics, err = driver.NewMetrics(o.Metrics)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open Redis at %s: %w", o.where(), o.guess(err)), client.Close())
	}
	var running sync.WaitGroup
	for range lanes {
		running.Go(s.write)
	}
	s.close = sync.OnceValue(func() error {
		close(s.closing)
		running.Wait()
		close(s.stopped)
		return client.Close()
	})
	return s, nil
}

// prepare writes or checks the version of the layout. Its connection was
// checked when it was made.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.client.SetNX(ctx, s.prefix+formatKey, format, 0).Err(); err != nil {
		return precise(err)
	}
	found, err := s.client.Get(ctx, s.prefix+formatKey).Result()
	if err != nil {
		return precise(err)
	}
	if found != format {
		return errs.New(errs.FailedPrecondition, "the store at prefix %q has layout %q; this redrive reads layout %q", s.prefix, found, format)
	}
	return nil
}

// Ready is nil when the server answers and has the settings that Open asks
// for; else an error as Open returns.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if err := checkServer(ctx, s.client); err != nil {
		return precise(err)
	}
	return nil
}

// Close implements docstore.Store. What is queued is still committed.
func (s *Store) Close() error {
	if err := s.close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Get implements docstore.Store.
func (s *Store) Get(ctx context.Context, kind, id string) (docstore.Doc, error) {
	doc, err := s.get(ctx, kind, id)
	if err != nil {
		s.metrics.Count("get", err)
		return docstore.Doc{}, fmt.Errorf("get %s %q: %w", kind, id, err)
	}
	return doc, nil
}

func (s *Store) get(ctx context.Context, kind, id string) (docstore.Doc, error) {
	var stored []byte
	err := s.read(ctx, func(ctx context.Context) error {
		var err error
		stored, err = s.client.Get(ctx, s.docKey(kind, id)).Bytes()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return docstore.Doc{}, errs.New(errs.NotFound, "it does not exist")
	case err != nil:
		return docstore.Doc{}, err
	}
	return docOf(id, stored)
}

// docOf returns a document that shares the memory of stored.
func docOf(id string, stored []byte) (docstore.Doc, error) {
	r, err := driver.DecodeRecord(stored, false)
	if err != nil {
		return docstore.Doc{}, fmt.Errorf("read %q: %w", id, err)
	}
	return docstore.Doc{ID: id, Revision: r.Revision, Value: r.Value}, nil
}

// enter refuses calls of a closed store and of an ended context.
func (s *Store) enter(ctx context.Context) error {
	select {
	case <-s.closing:
		return errs.New(errs.Unavailable, "the store is closed")
	default:
		return ctx.Err()
	}
}

// readTries bounds how often a read is tried on another connection when its own
// was broken. Writes are never tried again: one that did happen would conflict
// with itself.
const readTries = 3

// read runs a read. Its errors are those of the store, or redis.Nil.
func (s *Store) read(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	var err error
	for range readTries {
		if err = fn(ctx); !broken(err) {
			break
		}
	}
	if err == nil || errors.Is(err, redis.Nil) {
		return err
	}
	// The connection may notice that the time is over before the context does.
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}
