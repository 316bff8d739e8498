package boltstore

import (
	"errors"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Backup writes the store as it is at one moment to w, as a file that Open
// takes, and returns its size in bytes. Commits go on meanwhile, but the file
// grows by what they write, and one that has to make the file larger than its
// mapping in memory waits: w should be a local file.
func (s *Store) Backup(w io.Writer) (int64, error) {
	var size int64
	err := s.view(func(tx *bolt.Tx) (err error) {
		size, err = tx.WriteTo(w)
		return err
	})
	if err != nil {
		return size, errs.New(errs.Unavailable, "copy the store: %w", err)
	}
	return size, nil
}

// Verify reads the whole file at path and is errs.FailedPrecondition when it is
// not a complete store of this version. Nobody may write to it meanwhile.
func Verify(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: defaultLockTimeout})
	if err != nil {
		return errs.New(errs.FailedPrecondition, "%s is not a redrive store, or it is damaged: %w", path, err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		// What a file that was cut off lacks may not even be touched.
		if info, err := os.Stat(path); err != nil || info.Size() < tx.Size() {
			return errs.New(errs.FailedPrecondition, "%s is cut off: it should have %d bytes", path, tx.Size())
		}
		b := tx.Bucket(metaBucket)
		if b == nil || string(b.Get(formatKey)) != format {
			return errs.New(errs.FailedPrecondition, "%s is not a redrive store of layout %q", path, format)
		}
		var all []error
		for err := range tx.Check() {
			if len(all) < 10 {
				all = append(all, err)
			}
		}
		if len(all) > 0 {
			return errs.New(errs.FailedPrecondition, "%s is damaged: %w", path, errors.Join(all...))
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
