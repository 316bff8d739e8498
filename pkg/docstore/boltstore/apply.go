package boltstore

import (
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

// plan is what check found out about one write.
type plan struct {
	stored  bool
	current driver.Record // revision and entries of the stored document
}

// check compares every write with what is stored, before anything is written.
func check(tx *bolt.Tx, writes []docstore.Write) ([]plan, error) {
	plans := make([]plan, len(writes))
	for i, w := range writes {
		p := &plans[i]
		if b := tx.Bucket(docBucket(w.Kind)); b != nil {
			if stored := b.Get([]byte(w.ID)); stored != nil {
				var err error
				if p.current, err = driver.DecodeRecord(stored, true); err != nil {
					return nil, errs.New(errs.Internal, "%s %q: %w", w.Kind, w.ID, err)
				}
				p.stored = true
			}
		}
		switch {
		case w.Revision == docstore.AnyRevision:
		case w.Revision == docstore.Absent && p.stored:
			return nil, errs.New(errs.Conflict, "%s %q exists, at revision %d", w.Kind, w.ID, p.current.Revision)
		case w.Revision != docstore.Absent && !p.stored:
			return nil, errs.New(errs.Conflict, "%s %q does not exist; revision %d was expected", w.Kind, w.ID, w.Revision)
		case w.Revision != p.current.Revision:
			return nil, errs.New(errs.Conflict, "%s %q is at revision %d; %d was expected", w.Kind, w.ID, p.current.Revision, w.Revision)
		}
	}
	return plans, nil
}

// apply writes. An error spoils the transaction.
func apply(tx *bolt.Tx, writes []docstore.Write, plans []plan) error {
	for i, w := range writes {
		if err := applyOne(tx, w, plans[i]); err != nil {
			return err
		}
	}
	return nil
}

func applyOne(tx *bolt.Tx, w docstore.Write, p plan) error {
	if w.Value == nil {
		if !p.stored {
			return nil
		}
		if err := replaceEntries(tx, w.Kind, w.ID, p.current.Entries, nil); err != nil {
			return err
		}
		return tx.Bucket(docBucket(w.Kind)).Delete([]byte(w.ID))
	}
	if err := replaceEntries(tx, w.Kind, w.ID, p.current.Entries, w.Index); err != nil {
		return err
	}
	b, err := tx.CreateBucketIfNotExists(docBucket(w.Kind))
	if err != nil {
		return err
	}
	next := driver.Record{Revision: p.current.Revision + 1, Entries: w.Index, Value: w.Value}
	return b.Put([]byte(w.ID), next.Encode())
}

// replaceEntries touches only what differs: most writes leave most entries.
func replaceEntries(tx *bolt.Tx, kind, id string, old, want []docstore.Entry) error {
	for _, e := range old {
		if slices.Contains(want, e) {
			continue
		}
		if b := tx.Bucket(indexBucket(kind, e.Name)); b != nil {
			if err := b.Delete(driver.IndexKey(e.Value, id)); err != nil {
				return err
			}
		}
	}
	for _, e := range want {
		if slices.Contains(old, e) {
			continue
		}
		b, err := tx.CreateBucketIfNotExists(indexBucket(kind, e.Name))
		if err != nil {
			return err
		}
		if err := b.Put(driver.IndexKey(e.Value, id), []byte{}); err != nil {
			return err
		}
	}
	return nil
}
