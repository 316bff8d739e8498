package pebblestore

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// A backup is one file, compressed with zstd, whose frames have checksums:
//
//	backupTitle
//	for each key, in order: uvarint(len key) key uvarint(len value) value
//	uvarint(0) uvarint(number of keys)
const backupTitle = "redrive backup 1\n"

// What is longer is no key or value of a store.
const (
	maxKeyBytes    = 4 * docstore.MaxKey
	maxRecordBytes = docstore.MaxValue + docstore.MaxEntries*2*docstore.MaxKey + 1024
)

// Backup writes the store as it is at one moment to w, as a file that Restore
// takes, and returns its size in bytes. Commits go on meanwhile, but what they
// replace is kept until it returns: w should be a local file.
func (s *Store) Backup(w io.Writer) (int64, error) {
	to := &counted{to: w}
	err := s.view(func(v *pebble.Snapshot) error { return dump(v, to) })
	if err != nil && errs.KindOf(err) == errs.Internal {
		err = errs.New(errs.Unavailable, "copy the store: %w", err)
	}
	return to.bytes, err
}

type counted struct {
	to    io.Writer
	bytes int64
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.bytes += int64(n)
	return n, err
}

func dump(v pebble.Reader, w io.Writer) error {
	packed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(packed, 64<<10)
	n, err := dumpAll(v, out)
	if err == nil {
		_, err = out.Write(binary.AppendUvarint([]byte{0}, n))
	}
	return errors.Join(err, out.Flush(), packed.Close())
}

func dumpAll(v pebble.Reader, out *bufio.Writer) (n uint64, err error) {
	iter, err := v.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	if _, err := out.WriteString(backupTitle); err != nil {
		return 0, err
	}
	var length [binary.MaxVarintLen64]byte
	for ok := iter.First(); ok; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return 0, err
		}
		for _, b := range [][]byte{iter.Key(), value} {
			if _, err := out.Write(binary.AppendUvarint(length[:0], uint64(len(b)))); err != nil {
				return 0, err
			}
			if _, err := out.Write(b); err != nil {
				return 0, err
			}
		}
		n++
	}
	return n, nil
}

// Verify reads the whole file at path and is errs.FailedPrecondition when it is
// not a complete backup of a store of this version.
func Verify(path string) error {
	return readBackup(path, func(_, _ []byte) error { return nil })
}

// Restore makes a store in the folder dir of the backup at path. It is
// errs.FailedPrecondition when there is something at dir, or when the file is
// not a complete backup of a store of this version; then nothing is left at dir.
func Restore(path, dir string) (err error) {
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return errs.New(errs.FailedPrecondition, "there is a store at %s already: move it away first", dir)
	}
	unfinished := dir + ".restoring"
	if err := os.RemoveAll(unfinished); err != nil {
		return errs.New(errs.Unavailable, "restore: %w", err)
	}
	if err := ensureFolder(unfinished); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(unfinished))
		}
	}()
	if err := fill(path, unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return errs.New(errs.Unavailable, "restore: %w", err)
	}
	return syncParent(dir)
}

// perBatch is how much is restored at a time.
const perBatch = 1 << 20

// fill writes a backup into a new database. Nothing is synced before the end.
func fill(path, dir string) (err error) {
	b := newBroken(nil)
	p := settings(Options{})
	p.Logger, p.DisableWAL = logger{broken: b}, true
	db, err := pebble.Open(dir, p)
	if err != nil {
		return errs.New(errs.Unavailable, "restore: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	batch := db.NewBatch()
	write := func() error {
		err := batch.Commit(pebble.NoSync)
		batch = db.NewBatch()
		return err
	}
	err = readBackup(path, func(key, value []byte) error {
		if err := batch.Set(key, value, nil); err != nil || batch.Len() < perBatch {
			return err
		}
		return write()
	})
	if err != nil {
		return err
	}
	if err := errors.Join(write(), db.Flush()); err != nil {
		return errs.New(errs.Unavailable, "restore: %w", err)
	}
	return nil
}

// readBackup gives each key of a backup and its value to take, which may not
// keep them.
func readBackup(path string, take func(key, value []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return errs.New(errs.FailedPrecondition, "open the backup: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	packed, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return errs.New(errs.Internal, "read the backup: %w", err)
	}
	defer packed.Close()
	if err := parseBackup(packed, take); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it is cut off")
		}
		return errs.New(errs.FailedPrecondition, "%s is not a whole backup of redrive: %w", path, err)
	}
	return nil
}

func parseBackup(r io.Reader, take func(key, value []byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	title := make([]byte, len(backupTitle))
	if _, err := io.ReadFull(in, title); err != nil {
		return err
	}
	if string(title) != backupTitle {
		return fmt.Errorf("it begins with %q", title)
	}
	var key, value []byte
	var found string
	for n := uint64(0); ; n++ {
		var err error
		if key, err = readBytes(in, key, maxKeyBytes); err != nil {
			return err
		}
		if len(key) == 0 {
			return endOfBackup(in, n, found)
		}
		if value, err = readBytes(in, value, maxRecordBytes); err != nil {
			return err
		}
		if bytes.Equal(key, layoutKey) {
			found = string(value)
		}
		if err := take(key, value); err != nil {
			return err
		}
	}
}

func endOfBackup(in *bufio.Reader, n uint64, found string) error {
	want, err := binary.ReadUvarint(in)
	switch {
	case err != nil:
		return err
	case want != n:
		return fmt.Errorf("it has %d of %d keys", n, want)
	case found != layout:
		return fmt.Errorf("it is of layout %q; this redrive reads layout %q", found, layout)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("it goes on behind its end"), err)
	}
	return nil
}

// readBytes reads what has its length before it into the memory of b.
func readBytes(in *bufio.Reader, b []byte, most uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("a part of it has %d bytes", n)
	}
	if uint64(cap(b)) < n {
		b = make([]byte, n)
	}
	b = b[:n]
	_, err = io.ReadFull(in, b)
	return b, err
}
