// Package boltstore is the embedded driver of docstore: one bbolt file, held by
// one process. Commits that wait at the same time share one transaction and one
// fsync (see writer.go); the file's layout is in encoding.go.
package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	format = "1"
	// Below this size of the file no writer waits for readers to let go of an
	// old mapping. It is address space, not memory.
	initialMapping = 256 << 20
	// defaultLockTimeout outlasts the last moments of a process that is being
	// replaced.
	defaultLockTimeout = time.Second
)

// Options are the operator's settings; the zero value works.
type Options struct {
	// LockTimeout is how long Open waits for a file that another process
	// holds; 0 is 1 second.
	LockTimeout time.Duration
	Metrics     prometheus.Registerer // nil: none
}

// Store is a docstore.Store in one bbolt file.
type Store struct {
	db      *bolt.DB
	metrics *driver.Metrics
	queue   chan *request
	closing chan struct{} // closed when Close begins
	stopped chan struct{} // closed when the writer has returned
	close   func() error
}

var _ docstore.Store = (*Store)(nil)

// Open opens the store in the file at path and creates the file when it is not
// there; its folder must exist. It is errs.Unavailable when another process
// holds the file, and errs.FailedPrecondition when the file is not a store of
// this version.
func Open(path string, o Options) (*Store, error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = defaultLockTimeout
	}
	metrics, err := driver.NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: o.LockTimeout,
		// The list of free pages is written when the store is closed, and found
		// again by a walk when it was not: cheaper than writing it with every
		// commit.
		NoFreelistSync:  true,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: initialMapping,
		NoStatistics:    true,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, errs.New(errs.Unavailable, "store %s is held by another redrive: stop it, or use another data folder", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, errs.New(errs.FailedPrecondition, "%s is not a redrive store, or it is damaged: %w", path, err)
	case err != nil:
		return nil, errs.New(errs.Unavailable, "open store %s: %w", path, err)
	}
	if err := prepare(db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{
		db:      db,
		metrics: metrics,
		queue:   make(chan *request, maxQueue),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	s.close = sync.OnceValue(func() error {
		close(s.closing)
		<-s.stopped
		return errors.Join(keepFreelist(db), db.Close())
	})
	go s.write()
	return s, nil
}

// keepFreelist writes the list of free pages, so that the next Open need not
// walk through the whole file; after a crash it must.
func keepFreelist(db *bolt.DB) error {
	db.NoFreelistSync = false
	return db.Update(func(*bolt.Tx) error { return nil })
}

// prepare writes or checks the version of the layout. A new file is durable
// only when its name in the folder is.
func prepare(db *bolt.DB, path string) error {
	var found string
	err := db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(metaBucket); b != nil {
			found = string(b.Get(formatKey))
			return nil
		}
		if first, _ := tx.Cursor().First(); first != nil {
			found = "unknown"
		}
		return nil
	})
	switch {
	case err != nil:
		return errs.New(errs.Unavailable, "read store %s: %w", path, err)
	case found == format:
		return nil
	case found != "":
		return errs.New(errs.FailedPrecondition, "store %s has layout %q; this redrive reads layout %q", path, found, format)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		return b.Put(formatKey, []byte(format))
	})
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return errs.New(errs.Unavailable, "prepare store %s: %w", path, err)
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
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
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(docBucket(kind))
		var stored []byte
		if b != nil {
			stored = b.Get([]byte(id))
		}
		if stored == nil {
			return errs.New(errs.NotFound, "%s %q does not exist", kind, id)
		}
		var err error
		doc, err = docOf([]byte(id), stored)
		return err
	})
	s.metrics.Count("get", err)
	return doc, err
}

// view runs a read transaction.
func (s *Store) view(fn func(*bolt.Tx) error) error {
	err := s.db.View(fn)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return closedError()
	}
	return err
}

func closedError() error { return errs.New(errs.Unavailable, "the store is closed") }

// docOf copies a document out of the transaction.
func docOf(id, stored []byte) (docstore.Doc, error) {
	r, err := driver.DecodeRecord(stored, false)
	if err != nil {
		return docstore.Doc{}, fmt.Errorf("read %q: %w", id, err)
	}
	return docstore.Doc{ID: string(id), Revision: r.Revision, Value: append([]byte{}, r.Value...)}, nil
}
