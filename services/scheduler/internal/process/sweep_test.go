package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

func (b *bench) sweep(keep ...process.ID) {
	b.t.Helper()
	err := b.Sweep(b.t.Context(), func(id process.ID) bool {
		return slices.Contains(keep, id)
	})
	if err != nil {
		b.t.Errorf("Sweep: %v", err)
	}
}

func (b *bench) there(id process.ID) bool {
	_, err := os.Lstat(b.file(id, ""))
	return err == nil
}

func TestSweepKeepsTheLatest(t *testing.T) {
	b := newBench(t, process.Options{KeepFolders: 2})
	m := newMailbox(t)
	var ids []process.ID
	old := time.Now().Add(-time.Hour)
	for i := range 5 {
		id := process.ID{Job: "job-" + string(rune('a'+i)), Attempt: 1}
		ids = append(ids, id)
		script := ""
		if i == 1 || i == 2 { // a program may leave folders that nobody can write
			script = "mkdir -p d/e; touch d/e/f; chmod 0 d/e d"
		}
		b.run(id, shell(script))
		when := old.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(b.file(id, "exit"), when, when); err != nil {
			t.Fatal(err)
		}
	}
	running := process.ID{Job: "running", Attempt: 1}
	b.start(running, shell("echo $$ > "+m.path+"; exec sleep 1000"))
	m.processes(1)
	b.sweep(ids[0])
	for i, want := range []bool{true, false, false, true, true} {
		if got := b.there(ids[i]); got != want {
			t.Errorf("folder %d of 5 is there: %v, want %v", i, got, want)
		}
	}
	if !b.there(running) {
		t.Error("the folder of a running attempt is gone")
	}
	if _, err := b.Wait(t.Context(), ids[1]); !errs.Is(err, errs.NotFound) {
		t.Errorf("Wait for a removed attempt: %v, want NotFound", err)
	}
	if left, _ := filepath.Glob(b.root + "/.*"); len(left) > 0 {
		t.Errorf("Sweep left %v", left)
	}
	if _, err := os.Lstat(filepath.Join(b.root, ids[1].Job)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a job without attempts: %v, want that it is gone", err)
	}
	if err := b.Kill(t.Context(), running, failure.WasCancelled); err != nil {
		t.Fatal(err)
	}
	b.wait(running)
}

func TestSweepRemovesTheOld(t *testing.T) {
	b := newBench(t, process.Options{MaxAge: time.Hour})
	ended, abandoned, fresh := a1, process.ID{Job: "a", Attempt: 2}, process.ID{Job: "a", Attempt: 3}
	b.run(ended, shell(""))
	b.run(fresh, shell(""))
	if err := os.Mkdir(b.file(abandoned, ""), 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, path := range []string{b.file(ended, "exit"), b.file(abandoned, "")} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	// A crash left half a removed folder.
	if err := os.MkdirAll(filepath.Join(b.root, ".trash-x", "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.sweep()
	if b.there(ended) || b.there(abandoned) || !b.there(fresh) {
		t.Errorf("ended %v, abandoned %v, fresh %v are there; want the last alone", b.there(ended), b.there(abandoned), b.there(fresh))
	}
	if left, _ := filepath.Glob(b.root + "/.*"); len(left) > 0 {
		t.Errorf("Sweep left %v", left)
	}
}

func TestSweepEndsTheLost(t *testing.T) {
	b := newBench(t, process.Options{})
	m := newMailbox(t)
	b.start(a1, shell("echo $$ > "+m.path+"; exec sleep 1000"))
	all := m.processes(1)
	b.sweep()
	if state, err := b.State(t.Context(), a1); state != process.Running || err != nil {
		t.Errorf("State after Sweep = %v, %v, want running", state, err)
	}
	supervisor := supervisorOf(t, b, a1)
	if err := supervisor.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.sweep(a1)
	if state, err := b.State(t.Context(), a1); state != process.Lost || err != nil {
		t.Errorf("State after a Sweep that keeps it = %v, %v, want lost", state, err)
	}
	b.sweep()
	if state, err := b.State(t.Context(), a1); state != process.Ended || err != nil {
		t.Errorf("State after Sweep = %v, %v, want ended", state, err)
	}
	allGone(t, all)
}
