package process_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// Its descendants try to get away: out of the process group, out of the
// session, out of the parent's hands, out of the marked environment.
const family = `echo $$ > "$0"
setsid sh -c 'echo $$ > "$0"; sleep 1000' "$0" &
(setsid sh -c 'trap "" TERM HUP INT; echo $$ > "$0"; sleep 1000; sleep 1000' "$0" &) &
env -i sh -c 'echo $$ > "$0"; exec sleep 1000' "$0" &
`

const familySize = 4

func TestKillReachesTheWholeTree(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		b := newBench(t, process.Options{MemoryDriver: driver, Grace: 100 * time.Millisecond})
		m := newMailbox(t)
		b.start(a1, process.Spec{Args: []string{"/bin/sh", "-c", family + "wait", m.path}})
		all := m.processes(familySize)
		if state, err := b.State(t.Context(), a1); state != process.Running || err != nil {
			t.Errorf("State = %v, %v, want running", state, err)
		}
		for range 2 { // a request may come twice
			if err := b.Kill(t.Context(), a1, failure.WasCancelled); err != nil {
				t.Fatal(err)
			}
		}
		got := b.wait(a1)
		if got.Succeeded || got.Evidence.Reason != failure.WasCancelled {
			t.Errorf("got %+v, want CANCELLED", got.Evidence)
		}
		allGone(t, all)
	})
}

func TestTreeEndsWithItsMainProcess(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		b := newBench(t, process.Options{MemoryDriver: driver})
		m, gate := newMailbox(t), newMailbox(t)
		b.start(a1, process.Spec{Args: []string{"/bin/sh", "-c", family + "read x < $1; exit 0", m.path, gate.path}})
		all := m.processes(familySize)
		if _, err := gate.file.WriteString("go\n"); err != nil {
			t.Fatal(err)
		}
		if got := b.wait(a1); !got.Succeeded {
			t.Errorf("got %+v, want success", got.Evidence)
		}
		allGone(t, all)
	})
}

func TestKillBeforeStart(t *testing.T) {
	b := newBench(t, process.Options{})
	witness := filepath.Join(t.TempDir(), "witness")
	if err := b.Kill(t.Context(), a1, failure.TimedOut); err != nil {
		t.Fatal(err)
	}
	b.start(a1, shell("echo ran > "+witness))
	got := b.wait(a1)
	if got.Succeeded || got.Evidence.Reason != failure.TimedOut {
		t.Errorf("got %+v, want TIMEOUT", got.Evidence)
	}
	if _, err := os.Lstat(witness); err == nil {
		t.Error("the killed attempt ran")
	}
	if running, err := b.Running(t.Context()); len(running) > 0 || err != nil {
		t.Errorf("Running = %v, %v, want none", running, err)
	}
}

// Kill and Start at the same time: whoever wins, Wait has one answer.
func TestKillWhileStarting(t *testing.T) {
	b := newBench(t, process.Options{Grace: 50 * time.Millisecond})
	for i := range 10 {
		id := process.ID{Job: "race", Attempt: i + 1}
		var both sync.WaitGroup
		both.Go(func() { b.start(id, shell("exec sleep 1000")) })
		both.Go(func() {
			if err := b.Kill(t.Context(), id, failure.WasCancelled); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if got := b.wait(id); got.Evidence.Reason != failure.WasCancelled {
			t.Errorf("%s: got %+v, want CANCELLED", id, got.Evidence)
		}
	}
}

// Two schedulers and several calls in each start the same attempt: it runs
// once.
func TestStartedOnce(t *testing.T) {
	b := newBench(t, process.Options{})
	witness := filepath.Join(t.TempDir(), "witness")
	script := "echo ran >> " + witness + "; exit 7"
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { b.start(a1, shell(script)) })
		all.Go(func() { otherServer(t, b.root, "", "/bin/sh", "-c", script) })
	}
	all.Wait()
	for range 2 {
		if got := b.run(a1, shell(script)); codeOf(got.Evidence) != 7 {
			t.Errorf("got %+v, want exit code 7", got.Evidence)
		}
	}
	if text, err := os.ReadFile(witness); string(text) != "ran\n" {
		t.Errorf("the witness saw %q, %v, want one run", text, err)
	}
}

// The server dies; the attempt goes on, and another server gets its result.
func TestServerDies(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		b := newBench(t, process.Options{MemoryDriver: driver})
		m, gate := newMailbox(t), newMailbox(t)
		cmd := otherServer(t, b.root, driver, "/bin/sh", "-c", "echo $$ > $0; read x < $1; echo $x; exit 5", m.path, gate.path)
		m.processes(1)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // it was killed
		if running, err := b.Running(t.Context()); len(running) != 1 || running[0] != a1 || err != nil {
			t.Fatalf("Running = %v, %v, want %v", running, err, a1)
		}
		results := make(chan process.Result)
		for range 2 {
			go func() { results <- b.wait(a1) }()
		}
		if _, err := gate.file.WriteString("survived\n"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := <-results
			if codeOf(got.Evidence) != 5 || got.Evidence.Logs[0].Head != "survived\n" {
				t.Errorf("got %+v, want exit code 5 and what was printed", got.Evidence)
			}
		}
	})
}

// claimRecord is what the tests read of a claim.
type claimRecord struct {
	Supervisor proctree.Identity
	Memory     struct{ Parent string }
}

func claimOf(t *testing.T, b *bench, id process.ID) claimRecord {
	t.Helper()
	text, err := os.ReadFile(b.file(id, "claim"))
	if err != nil {
		t.Fatal(err)
	}
	var claim claimRecord
	if err := json.Unmarshal(text, &claim); err != nil {
		t.Fatal(err)
	}
	return claim
}

// supervisorOf returns who supervises attempt id.
func supervisorOf(t *testing.T, b *bench, id process.ID) proctree.Identity {
	t.Helper()
	return claimOf(t, b, id).Supervisor
}

func TestSupervisorDies(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		b := newBench(t, process.Options{MemoryDriver: driver})
		m := newMailbox(t)
		b.start(a1, process.Spec{
			Args:        []string{"/bin/sh", "-c", "echo before; " + family + "wait", m.path},
			MemoryLimit: 64 << 20,
		})
		all := m.processes(familySize)
		supervisor := supervisorOf(t, b, a1)
		if err := supervisor.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := supervisor.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state, err := b.State(t.Context(), a1); state != process.Lost || err != nil {
			t.Errorf("State = %v, %v, want lost", state, err)
		}
		var waits sync.WaitGroup
		for range 3 {
			waits.Go(func() {
				got := b.wait(a1)
				if e := got.Evidence; got.Succeeded || e.Reason != failure.Lost || e.LimitBytes != 64<<20 || e.MemoryDriver != driver {
					t.Errorf("got %+v, want LOST", e)
				}
				if out := got.Evidence.Logs[0].Head; out != "before\n" {
					t.Errorf("stdout is %q, want what was printed before", out)
				}
			})
		}
		waits.Wait()
		allGone(t, all)
		b.start(a1, shell("exit 0"))
		if got := b.wait(a1); got.Evidence.Reason != failure.Lost {
			t.Errorf("started again: %+v, want that it stays lost", got.Evidence)
		}
	})
}

// The supervisor is told to stop, as when the host is shut down.
func TestSupervisorIsToldToStop(t *testing.T) {
	b := newBench(t, process.Options{})
	m := newMailbox(t)
	b.start(a1, shell("trap 'exit 0' TERM; echo $$ > "+m.path+"; sleep 1000 & wait"))
	all := m.processes(1)
	if err := supervisorOf(t, b, a1).Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	got := b.wait(a1)
	if got.Succeeded || got.Evidence.Reason != failure.Signaled || !strings.Contains(got.Evidence.Proof, "told to stop") {
		t.Errorf("got %+v, want SIGNALED because the supervisor was told to stop", got.Evidence)
	}
	allGone(t, all)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	b := newBench(t, process.Options{})
	b.start(a1, shell("exec sleep 1000"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := b.Wait(ctx, a1)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want %v", err, context.Canceled)
	}
}

// A record that cannot be read is an error or a lost attempt, and never a
// success.
func TestCorruptRecords(t *testing.T) {
	b := newBench(t, process.Options{})
	b.run(a1, shell("exit 0"))
	if err := os.WriteFile(b.file(a1, "exit"), []byte(`{"version":1,"reason":"EXITED"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if state, err := b.State(t.Context(), a1); state != process.Lost || err != nil {
		t.Errorf("State = %v, %v, want lost", state, err)
	}
	got := b.wait(a1)
	if got.Succeeded || got.Evidence.Reason != failure.Lost || !strings.Contains(got.Evidence.Proof, "corrupt") {
		t.Errorf("with a corrupt exit record: %+v, want LOST", got.Evidence)
	}
	if err := os.WriteFile(b.file(a1, "claim"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Wait(t.Context(), a1); err == nil {
		t.Error("with a corrupt claim: no error")
	}
	b.start(a1, shell("exit 0")) // it was claimed, whatever the claim says
}

func TestSuperviseByHand(t *testing.T) {
	for _, input := range []string{"", "{}", `{"version":1}`} {
		cmd := exec.Command(self(), "supervise", "/tmp")
		cmd.Stdin = bytes.NewReader([]byte(input))
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("supervise with %q: %v, want exit code 2", input, err)
		}
	}
}

// A program with the rights to do so leaves its memory group. It is killed all
// the same.
func TestProgramThatLeavesItsGroup(t *testing.T) {
	b := newBench(t, process.Options{Grace: 50 * time.Millisecond})
	if b.MemoryDriver() != "cgroup1" {
		t.Skipf("%s has no groups that can be left like this", b.MemoryDriver())
	}
	for _, orphaned := range []bool{false, true} {
		id := process.ID{Job: "leaves", Attempt: 1}
		if orphaned {
			id.Attempt = 2
		}
		m, gate := newMailbox(t), newMailbox(t)
		b.start(id, process.Spec{Args: []string{"/bin/sh", "-c", `setsid sh -c 'echo $$ > "$0"; exec sleep 1000' $0 & read x < $1`, m.path, gate.path}})
		all := m.processes(1)
		if err := os.WriteFile(filepath.Join(claimOf(t, b, id).Memory.Parent, "cgroup.procs"), []byte(strconv.Itoa(all[0].PID)), 0); err != nil {
			t.Fatal(err)
		}
		if orphaned { // its parent ends by itself
			if _, err := gate.file.WriteString("go\n"); err != nil {
				t.Fatal(err)
			}
		} else if err := b.Kill(t.Context(), id, failure.WasCancelled); err != nil {
			t.Fatal(err)
		}
		b.wait(id)
		allGone(t, all)
	}
}
