package process

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// keyLength is the length of a key: 96 random bits in hexadecimal.
const keyLength = 24

func newKey() string {
	b := make([]byte, keyLength/2)
	rand.Read(b) // it never returns an error
	return hex.EncodeToString(b)
}

// folder returns the folder of a valid id.
func (e *Executor) folder(id ID) string {
	return filepath.Join(e.options.Root, id.Job, strconv.Itoa(id.Attempt))
}

// makeFolder makes the folder of id, so that it survives a power loss.
func (e *Executor) makeFolder(id ID) (string, error) {
	folder := e.folder(id)
	var err error
	for range 3 { // Sweep may remove the empty folder of the job in between
		for _, path := range []string{filepath.Dir(folder), folder} {
			if err = os.Mkdir(path, 0o700); err == nil {
				err = syncFolder(filepath.Dir(path))
			}
			if errors.Is(err, os.ErrExist) {
				err = nil
			}
			if err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrNotExist) {
			return folder, err
		}
	}
	return folder, err
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// create writes a file that is not there yet. It appears with its whole
// content or not at all, and is durable on return. Of any number of callers in
// any processes, one creates it; for the others created is false.
func create(folder, name string, content []byte) (created bool, err error) {
	temporary, err := os.CreateTemp(folder, "."+name+"-")
	if err != nil {
		return false, err
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // it goes with the folder otherwise
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return false, err
	}
	err = os.Link(temporary.Name(), filepath.Join(folder, name))
	if err != nil && !errors.Is(err, os.ErrExist) {
		return false, err
	}
	return err == nil, syncFolder(folder)
}

// reserve takes room on the disk for the exit record, so that an attempt that
// fills the disk can still say so.
func reserve(folder string) error {
	f, err := os.OpenFile(filepath.Join(folder, reserved), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, maxRecord))
	return errors.Join(err, f.Sync(), f.Close())
}

// writeExit writes the exit record, into the reserved room if there is some.
// The first record stays: created is false when there was one. The caller is
// the only one who writes it at this time.
func writeExit(folder string, x exit) (created bool, err error) {
	content, err := encode(x)
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(folder, exitFile)); err == nil {
		return false, nil
	}
	path := filepath.Join(folder, reserved)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return create(folder, exitFile, content)
	}
	if err != nil {
		return false, err
	}
	_, err = f.WriteAt(content, 0)
	if err = errors.Join(err, f.Truncate(int64(len(content))), f.Sync(), f.Close()); err != nil {
		return false, err
	}
	if err := os.Rename(path, filepath.Join(folder, exitFile)); err != nil {
		return false, err
	}
	return true, syncFolder(folder)
}
