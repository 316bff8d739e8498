package natsserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
)

// blocks are the files of the messages of all streams, below the folder of the
// streams: the server appends to the newest one and makes a new one when it is
// full.
const blocks = "jetstream/*/streams/*/msgs/*.blk"

// disk syncs the files of a server's streams. Those who ask while a sync is
// under way share the next one.
type disk struct {
	dir string
	off bool

	mu     sync.Mutex
	next   *round              // gathers those who ask now; nil when nobody does
	turn   sync.Mutex          // one round at a time
	synced map[string]standing // files, as their last sync saw them; as many as there are
}

// standing tells whether a file was written to.
type standing struct {
	changed time.Time
	size    int64
}

// round is one sync for all that joined it.
type round struct {
	done chan struct{}
	err  error
}

// sync returns when what was written before is on the disk.
func (d *disk) sync(ctx context.Context) error {
	if d.off {
		return nil
	}
	d.mu.Lock()
	r := d.next
	if r == nil {
		r = &round{done: make(chan struct{})}
		d.next = r
		go d.run(r)
	}
	d.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return errs.New(errs.Unavailable, "sync the events: %w", ctx.Err())
	}
}

// run waits for the round before, lets nobody join any more, and syncs.
func (d *disk) run(r *round) {
	d.turn.Lock()
	defer d.turn.Unlock()
	d.mu.Lock()
	d.next = nil
	d.mu.Unlock()
	defer close(r.done)
	if err := d.files(); err != nil {
		r.err = errs.New(errs.Unavailable, "sync the events: %w", err)
	}
}

// files syncs the files that changed since their last sync, and the folders of
// new ones.
func (d *disk) files() error {
	names, err := filepath.Glob(filepath.Join(d.dir, blocks))
	if err != nil {
		return err
	}
	seen := make(map[string]standing, len(names))
	folders := map[string]bool{}
	for _, name := range names {
		now, err := d.file(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // the server removed it: its messages were old
		case err != nil:
			return err
		}
		if _, known := d.synced[name]; !known {
			folders[filepath.Dir(name)] = true
		}
		seen[name] = now
	}
	for folder := range folders {
		if err := syncFile(folder); err != nil {
			return err
		}
	}
	d.synced = seen
	return nil
}

// file syncs one file unless it stands as its last sync saw it, and returns how
// it stands. The server only appends to it what it acknowledges.
func (d *disk) file(name string) (standing, error) {
	info, err := os.Stat(name)
	if err != nil {
		return standing{}, err
	}
	now := standing{info.ModTime(), info.Size()}
	if last, known := d.synced[name]; known && last == now {
		return now, nil
	}
	return now, syncFile(name)
}

func syncFile(name string) error {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written through it
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	return nil
}
