// Package pebblestore is the embedded driver of docstore: a Pebble database in a
// folder that one process holds. Pebble appends what is committed to a log, and
// sorts it into its files later, so that a commit costs the same however large
// the store is. Commits that wait at the same time share one write of the log
// and one fsync (see writer.go); readers see what is synced, and nothing else
// (see view.go).
package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/recent"
)

// defaultLockTimeout outlasts the last moments of a process that is being
// replaced.
const defaultLockTimeout = time.Second

// Options are the operator's settings; the zero value works.
type Options struct {
	// LockTimeout is how long Open waits for a store that another process
	// holds; 0 is 1 second.
	LockTimeout time.Duration
	Log         *slog.Logger          // nil is silent
	Metrics     prometheus.Registerer // nil: none
	// Failed is told, once, why the store cannot be written any more: the disk
	// is full or broken. From then on every call is errs.Unavailable, and only
	// another Open can help. nil: nobody is told.
	Failed func(error)
}

// Store is a docstore.Store in a folder.
type Store struct {
	db      *pebble.DB
	metrics *driver.Metrics
	views   views
	known   *recent.Values[state] // documents as the writer leaves them, by key
	queue   chan *request
	written chan *group   // from the writer to the one who waits for their syncs
	closing chan struct{} // closed when Close begins
	stopped chan struct{} // closed when all that was queued is answered
	broken  *broken
	close   func() error
}

var _ docstore.Store = (*Store)(nil)

// Open opens the store in the folder dir and makes it where it is not there; the
// folder around it must exist. It is errs.Unavailable when another process holds
// the store, and errs.FailedPrecondition when the folder is not a store of this
// version.
func Open(dir string, o Options) (*Store, error) { return open(dir, o, settings(o)) }

func open(dir string, o Options, p *pebble.Options) (*Store, error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = defaultLockTimeout
	}
	metrics, err := driver.NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	if err := ensureFolder(dir); err != nil {
		return nil, err
	}
	b := newBroken(o.Failed)
	p.Logger = logger{to: o.Log, broken: b}
	db, err := openPatiently(dir, p, o.LockTimeout)
	if err != nil {
		return nil, openError(dir, err)
	}
	if err := prepare(db, dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{
		db:      db,
		metrics: metrics,
		known:   recent.New[state](mostKnown),
		queue:   make(chan *request, maxQueue),
		written: make(chan *group, maxUnsynced),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		broken:  b,
	}
	s.views.show(db.NewSnapshot())
	s.close = sync.OnceValue(s.shut)
	go s.write()
	go s.settle()
	return s, nil
}

// shut is Close. What cannot be written any more is left as it is.
func (s *Store) shut() error {
	close(s.closing)
	select {
	case <-s.stopped:
	case <-s.broken.done:
	}
	if err := s.broken.error(); err != nil {
		return err
	}
	return errors.Join(s.views.close(), s.db.Close())
}

// ensureFolder makes the folder of a store, for this user alone. A store is
// durable only when its name in the folder around it is.
func ensureFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = syncParent(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return errs.New(errs.Unavailable, "make the folder of the store: %w", err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return errs.New(errs.FailedPrecondition, "%s is not a redrive store: a store is a folder", dir)
	}
	return nil
}

// syncParent makes the name of dir durable.
func syncParent(dir string) error {
	f, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// openPatiently opens the database, and waits a little while it is held.
func openPatiently(dir string, p *pebble.Options, patience time.Duration) (*pebble.DB, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		db, err := pebble.Open(dir, p)
		if !held(err) || time.Now().After(end) {
			return db, err
		}
	}
}

// held tells whether another process, or another store of this one, has the
// lock.
func held(err error) bool {
	return errors.Is(err, unix.EAGAIN) || err != nil && err.Error() == "lock held by current process"
}

func openError(dir string, err error) error {
	switch {
	case held(err):
		return errs.New(errs.Unavailable, "store %s is held by another redrive: stop it, or use another data folder", dir)
	case pebble.IsCorruptionError(err):
		return errs.New(errs.FailedPrecondition, "%s is not a redrive store, or it is damaged: %w", dir, err)
	default:
		return errs.New(errs.Unavailable, "open store %s: %w", dir, err)
	}
}

// prepare writes or checks the version of the layout.
func prepare(db *pebble.DB, dir string) error {
	found, closer, err := db.Get(layoutKey)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		if err := db.Set(layoutKey, []byte(layout), pebble.Sync); err != nil {
			return errs.New(errs.Unavailable, "prepare store %s: %w", dir, err)
		}
		return nil
	case err != nil:
		return errs.New(errs.Unavailable, "read store %s: %w", dir, err)
	}
	defer closer.Close() //nolint:errcheck // it only lets go of memory
	if string(found) != layout {
		return errs.New(errs.FailedPrecondition, "store %s has layout %q; this redrive reads layout %q", dir, found, layout)
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
	if err := ctx.Err(); err != nil {
		return docstore.Doc{}, fmt.Errorf("get %s %q: %w", kind, id, err)
	}
	var doc docstore.Doc
	err := s.view(func(v *pebble.Snapshot) (err error) {
		doc, err = getDoc(v, kind, id)
		return err
	})
	s.metrics.Count("get", err)
	return doc, err
}

func getDoc(v pebble.Reader, kind, id string) (docstore.Doc, error) {
	stored, closer, err := v.Get(docKey(kind, id))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return docstore.Doc{}, errs.New(errs.NotFound, "%s %q does not exist", kind, id)
	case err != nil:
		return docstore.Doc{}, readError(err)
	}
	doc, err := docOf(id, stored)
	return doc, errors.Join(err, closer.Close())
}

// docOf copies a document out of the store's memory.
func docOf(id string, stored []byte) (docstore.Doc, error) {
	r, err := driver.DecodeRecord(stored, false)
	if err != nil {
		return docstore.Doc{}, fmt.Errorf("read %q: %w", id, err)
	}
	return docstore.Doc{ID: id, Revision: r.Revision, Value: append([]byte{}, r.Value...)}, nil
}

func closedError() error { return errs.New(errs.Unavailable, "the store is closed") }

func readError(err error) error { return errs.New(errs.Unavailable, "read the store: %w", err) }
