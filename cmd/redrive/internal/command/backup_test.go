package command_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
)

// TestBackup copies the store of a server that runs, and of one that does not.
func TestBackup(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	file := func(name string) string { return filepath.Join(out, name) }
	run(t, "", "backup", file("early.db"), "--data", dir).check(t, 1, nil, []string{"there is no store"})
	s, err := system.Start(t.Context(), system.Options{Data: home.Folder(dir), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	run(t, "", "backup", file("online.db"), "--data", dir).check(t, 0, nil, []string{"online.db has "})
	run(t, "", "backup", file("online.db"), "--data", dir).check(t, 2, nil, []string{"exists already"})
	run(t, "", "backup", filepath.Join(out, "nowhere", "x.db"), "--data", dir).check(t, 2, nil, []string{"no such file"})
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	run(t, "", "backup", file("offline.db"), "--data", dir).check(t, 0, nil, []string{"offline.db has "})
	found, err := os.ReadDir(out)
	if err != nil || len(found) != 2 {
		t.Errorf("the folder has %v (%v), want the two backups alone", found, err)
	}
	run(t, "", "restore", file("offline.db"), "--data", dir).check(t, 1, nil, []string{"move it away first"})
	run(t, "", "restore", file("none.db"), "--data", t.TempDir()).check(t, 1, nil, []string{"open the backup"})
	for _, name := range []string{"online.db", "offline.db"} {
		fresh := t.TempDir()
		run(t, "", "restore", file(name), "--data", fresh).check(t, 0, nil, []string{"restored to " + fresh})
		run(t, "", "backup", file("again-"+name), "--data", fresh).check(t, 0, nil, []string{name + " has "})
		if err := pebblestore.Verify(file(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(file(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v): others may read it", name, info.Mode(), err)
		}
	}
}

// TestBackupOfAServerWithoutAStore asks a server that cannot make one.
func TestBackupOfAServerWithoutAStore(t *testing.T) {
	out := t.TempDir()
	run(t, "", "backup", filepath.Join(out, "x.db"), "--data", start(t, services{})).check(t, 1, nil, []string{"BackupService"})
	if found, err := os.ReadDir(out); err != nil || len(found) != 0 {
		t.Errorf("what failed left %v behind (%v)", found, err)
	}
}
