package pebblestore_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// TestADiskThatFailsIsTold fills the disk under a store at work: every commit
// has an answer, whoever opened the store is told, and what was answered is
// there when the store is opened on a disk that works.
func TestADiskThatFailsIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var full atomic.Bool
	disk := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".log") {
			return unix.ENOSPC
		}
		return nil
	}))
	told := make(chan error, 1)
	s, err := pebblestore.OpenOn(dir, pebblestore.Options{Failed: func(err error) { told <- err }}, disk)
	if err != nil {
		t.Fatal(err)
	}
	put := func(id string) error {
		return s.Commit(t.Context(), docstore.Write{Kind: "k", ID: id, Value: []byte("v")})
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			if err := put(string(rune('a' + i))); !errs.Is(err, errs.Unavailable) {
				t.Errorf("commit on a full disk = %v, want Unavailable", err)
			}
		})
	}
	wait.Wait()
	if err := <-told; !strings.Contains(err.Error(), unix.ENOSPC.Error()) {
		t.Errorf("told %v; want %v", err, unix.ENOSPC)
	}
	if err := put("after"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("commit afterwards = %v, want Unavailable", err)
	}
	// The lock is this process's; what is on the disk is another's to take.
	copied := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := storetest.OpenFolder(t, copied).Get(t.Context(), "k", "before"); err != nil {
		t.Errorf("what was committed before: %v", err)
	}
	if err := s.Close(); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Close = %v, want Unavailable", err)
	}
}
