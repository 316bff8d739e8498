package pebblestore_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// TestBackupIsOneMoment copies a store while two documents of it are always
// written together: in no copy may they differ.
func TestBackupIsOneMoment(t *testing.T) {
	s, err := pebblestore.Open(filepath.Join(t.TempDir(), "store"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	both := func(n int) error {
		value := fmt.Appendf(nil, "%d", n)
		return s.Commit(t.Context(), docstore.Write{Kind: "k", ID: "a", Revision: docstore.AnyRevision, Value: value},
			docstore.Write{Kind: "k", ID: "b", Revision: docstore.AnyRevision, Value: value},
			docstore.Write{Kind: "other", ID: string(value), Revision: docstore.AnyRevision, Value: make([]byte, 1000)})
	}
	if err := both(0); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := both(n); err != nil {
				t.Errorf("commit %d during backups: %v", n, err)
				return
			}
		}
	})
	for i := range 5 {
		path := filepath.Join(t.TempDir(), "copy")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		size, err := s.Backup(f)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if info, statErr := os.Stat(path); err != nil || statErr != nil || info.Size() != size {
			t.Fatalf("backup %d: %d bytes, %v", i, size, err)
		}
		if err := pebblestore.Verify(path); err != nil {
			t.Errorf("backup %d: %v", i, err)
		}
		restored := path + ".restored"
		if err := pebblestore.Restore(path, restored); err != nil {
			t.Fatalf("restore backup %d: %v", i, err)
		}
		c, err := pebblestore.Open(restored, pebblestore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, errA := c.Get(t.Context(), "k", "a")
		b, errB := c.Get(t.Context(), "k", "b")
		if errA != nil || errB != nil || string(a.Value) != string(b.Value) || a.Revision != b.Revision {
			t.Errorf("backup %d has %s and %s (%v, %v)", i, a.Value, b.Value, errA, errB)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	writing.Wait()
}

func TestDamagedBackupsAreRefused(t *testing.T) {
	s, err := pebblestore.Open(filepath.Join(t.TempDir(), "store"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		value := make([]byte, 1000)
		_, _ = rand.Read(value)
		if err := s.Commit(t.Context(), docstore.Write{Kind: "k", ID: fmt.Sprint(n), Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := s.Backup(&out); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole := out.Bytes()
	flipped := bytes.Clone(whole)
	flipped[len(whole)/2] ^= 1
	for name, content := range map[string][]byte{
		"cut off": whole[:64<<10], "without its end": whole[:len(whole)-1], "empty": nil,
		"something else": []byte("not a store at all"), "flipped": flipped, "twice": append(bytes.Clone(whole), whole...),
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := pebblestore.Verify(bad); !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("%s: Verify = %v, want FailedPrecondition", name, err)
		}
		if err := pebblestore.Restore(bad, bad+".store"); !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("%s: Restore = %v, want FailedPrecondition", name, err)
		}
		if left, err := filepath.Glob(bad + ".*"); err != nil || len(left) != 0 {
			t.Errorf("%s: Restore left %v (%v)", name, left, err)
		}
	}
	good := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(good, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pebblestore.Verify(good); err != nil {
		t.Errorf("a backup that is whole: %v", err)
	}
	if err := pebblestore.Restore(good, t.TempDir()); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Restore over a folder = %v, want FailedPrecondition", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("redrive backup 1\n\x00\x00"))
	f.Add([]byte("redrive backup 1\n\x07mformat\x011\x00\x01"))
	f.Add([]byte("redrive backup 1\n\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, content []byte) {
		var packed bytes.Buffer
		w, err := zstd.NewWriter(&packed)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(content)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, file := range [][]byte{content, packed.Bytes()} {
			path := filepath.Join(t.TempDir(), "backup")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := pebblestore.Verify(path); err != nil && !errs.Is(err, errs.FailedPrecondition) {
				t.Errorf("Verify = %v, want FailedPrecondition or nothing", err)
			}
		}
	})
}
