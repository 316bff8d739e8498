package boltstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/boltstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// TestBackupIsOneMoment copies a store while two documents of it are always
// written together: in no copy may they differ.
func TestBackupIsOneMoment(t *testing.T) {
	s, err := boltstore.Open(filepath.Join(t.TempDir(), "redrive.db"), boltstore.Options{})
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
		path := filepath.Join(t.TempDir(), "copy.db")
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
		if err := boltstore.Verify(path); err != nil {
			t.Errorf("backup %d: %v", i, err)
		}
		c, err := boltstore.Open(path, boltstore.Options{})
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

func TestVerifyFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redrive.db")
	s, err := boltstore.Open(path, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if err := s.Commit(t.Context(), docstore.Write{Kind: "k", ID: fmt.Sprint(n), Value: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cut off": whole[:64<<10], "empty": nil, "something else": []byte("not a store at all"),
	} {
		bad := filepath.Join(t.TempDir(), "bad.db")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := boltstore.Verify(bad); !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("%s: Verify = %v, want FailedPrecondition", name, err)
		}
	}
	if err := boltstore.Verify(path); err != nil {
		t.Errorf("a store that is whole: %v", err)
	}
}
