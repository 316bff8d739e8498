package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
)

// trashPrefix begins the names of folders that are being removed. No job is
// called so.
const trashPrefix = ".trash-"

// ended is a folder that Sweep may remove.
type ended struct {
	id     ID
	folder string
	since  time.Time
}

// Sweep removes the folders of ended attempts that are older than MaxAge or
// more than KeepFolders, oldest first, and of attempts that were not claimed
// within MaxAge; and it ends attempts that are lost. It keeps those for which keep is true. A removed id could be
// started anew: keep must be true for every attempt that may still be started
// or waited for.
func (e *Executor) Sweep(ctx context.Context, keep func(ID) bool) error {
	now := time.Now()
	var all []ended
	var failed error
	err := e.each(func(id ID, folder string) error {
		info, err := os.Lstat(filepath.Join(folder, exitFile))
		switch {
		case err == nil:
			all = append(all, ended{id, folder, info.ModTime()})
		case keep(id):
		case has(folder, claimFile):
			failed = errors.Join(failed, e.endLost(ctx, id))
		default:
			if info, err := os.Lstat(folder); err == nil && now.Sub(info.ModTime()) > e.options.MaxAge {
				failed = errors.Join(failed, e.discard(id, folder))
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, old := range expired(all, now, e.options.KeepFolders, e.options.MaxAge) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if keep(old.id) {
			continue
		}
		failed = errors.Join(failed, e.removeGroup(old.folder), e.discard(old.id, old.folder))
	}
	return errors.Join(failed, e.emptyTrash())
}

// endLost ends an attempt that is lost and that nobody waits for, so that a
// later Sweep removes it.
func (e *Executor) endLost(ctx context.Context, id ID) error {
	if state, err := e.State(ctx, id); err != nil || state == Running {
		return err
	}
	_, err := e.Wait(ctx, id)
	return err
}

// expired returns those of all that are older than maxAge or not among the
// latest keepFolders.
func expired(all []ended, now time.Time, keepFolders int, maxAge time.Duration) []ended {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b ended) int {
		return cmp.Or(b.since.Compare(a.since), cmp.Compare(a.folder, b.folder))
	})
	for i, x := range sorted {
		if i >= keepFolders || now.Sub(x.since) > maxAge {
			return sorted[i:]
		}
	}
	return nil
}

// removeGroup removes the memory group of an ended attempt when it is still
// there.
func (e *Executor) removeGroup(folder string) error {
	c, err := read[claim](folder, claimFile)
	if err != nil {
		return nil //nolint:nilerr // a folder without a claim that can be read has no group that can be found
	}
	driver, err := memlimit.At(c.Memory)
	if err != nil {
		return err
	}
	return driver.Reclaim(groupName(c.Key))
}

// discard removes the folder of an attempt. It is renamed first: half a folder
// must never look like an attempt that can be started.
func (e *Executor) discard(id ID, folder string) error {
	trash := filepath.Join(e.options.Root, trashPrefix+newKey())
	if err := os.Rename(folder, trash); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil // another server was quicker
		}
		return fmt.Errorf("remove the folder of %s: %w", id, err)
	}
	os.Remove(filepath.Dir(folder)) //nolint:errcheck // the job may have other attempts
	return nil
}

// emptyTrash removes what discard left, also when a crash came in between.
func (e *Executor) emptyTrash() error {
	entries, err := os.ReadDir(e.options.Root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), trashPrefix) {
			err = errors.Join(err, removeAll(filepath.Join(e.options.Root, entry.Name())))
		}
	}
	return err
}

// removeAll removes a folder, also when a program left folders in it that
// nobody may write.
func removeAll(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error { //nolint:errcheck // what stays is tried again
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
