// Package boltstore is the embedded driver of docstore: one file, one process.
package boltstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Options are the operator's settings; the zero value works.
type Options struct {
	// LockTimeout is how long Open waits for a file that another process
	// holds; 0 is 1 second.
	LockTimeout time.Duration
	// Log gets what is worth knowing; nil is silent.
	Log *slog.Logger
}

// Store is a docstore.Store in one bbolt file.
type Store struct{}

var _ docstore.Store = (*Store)(nil)

// Open opens or creates the store in the file at path.
func Open(path string, o Options) (*Store, error) {
	return nil, errs.New(errs.Unavailable, "not open")
}

// Get implements docstore.Store.
func (s *Store) Get(ctx context.Context, kind, id string) (docstore.Doc, error) {
	return docstore.Doc{}, errs.New(errs.Unavailable, "not open")
}

// Commit implements docstore.Store.
func (s *Store) Commit(ctx context.Context, writes ...docstore.Write) error {
	return errs.New(errs.Unavailable, "not open")
}

// List implements docstore.Store.
func (s *Store) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	return docstore.Page{}, errs.New(errs.Unavailable, "not open")
}

// Close implements docstore.Store.
func (s *Store) Close() error { return nil }
