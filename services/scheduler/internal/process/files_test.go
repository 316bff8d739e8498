package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

func TestFilesAreThereForTheProgramAlone(t *testing.T) {
	b := newBench(t, process.Options{})
	path := process.FilePath(b.Folder(a1), "app.conf")
	s := shell(`stat -c %a "$FILE"; cat "$FILE"; touch "$EVENTS/kept"`)
	s.Env = []string{"PATH=" + os.Getenv("PATH"), "FILE=" + path, "EVENTS=" + b.file(a1, "events")}
	s.Files, s.Folders = []process.File{{Name: "app.conf", Content: "a secret"}}, []string{"events"}
	r := b.run(a1, s)
	if !r.Succeeded || r.Evidence.Logs[0].Head != "600\na secret" {
		t.Errorf("the program ended with %+v", r.Evidence)
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("the files are still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.file(a1, "events"), "kept")); err != nil {
		t.Errorf("the folder did not stay: %v", err)
	}
}

func TestFilesAreGoneAfterALostAttempt(t *testing.T) {
	b := newBench(t, process.Options{})
	m := newMailbox(t)
	s := process.Spec{Args: []string{"/bin/sh", "-c", "echo $$ >$0; exec sleep 1000", m.path}}
	s.Files = []process.File{{Name: "app.conf", Content: "a secret"}}
	b.start(a1, s)
	all := m.processes(1)
	path := process.FilePath(b.Folder(a1), "app.conf")
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is not there while the program runs: %v", err)
	}
	if err := supervisorOf(t, b, a1).Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.wait(a1)
	allGone(t, all)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for name, s := range map[string]process.Spec{
		"a path":       {Files: []process.File{{Name: "../exit"}}},
		"no name":      {Files: []process.File{{}}},
		"a folder":     {Folders: []string{"/tmp"}},
		"a long name":  {Folders: []string{strings.Repeat("x", 65)}},
		"far too many": {Files: make([]process.File, 16), Folders: []string{"a"}},
	} {
		s.Args = []string{"true"}
		if err := s.Validate(); errs.KindOf(err) != errs.Invalid {
			t.Errorf("Validate of %s = %v, want Invalid", name, err)
		}
	}
}
