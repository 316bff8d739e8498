package process_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// The test binary is also the supervisor, a scheduler in another process, and
// the programs that are run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "supervise":
			os.Exit(process.Supervise(os.Args[2:]))
		case "server":
			os.Exit(server(os.Args[2], os.Args[3], os.Args[4:]))
		case "killer":
			os.Exit(killer(os.Args[2]))
		}
	}
	// The race detector would let every supervisor sleep for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// server is a scheduler of its own: it starts attempt 1 of job "a", says so on
// stdout, and goes on until its stdin ends.
func server(root, driver string, args []string) int {
	e, err := process.New(process.Options{
		Root: root, Supervisor: []string{self(), "supervise"}, MemoryDriver: driver, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = e.Start(context.Background(), process.ID{Job: "a", Attempt: 1}, process.Spec{Args: args, Env: os.Environ()})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("started")
	os.Stdin.Read(make([]byte, 1)) //nolint:errcheck // its end is what is waited for
	return 0
}

// killer asks for the end of attempt 1 of job "a".
func killer(root string) int {
	e, err := process.New(process.Options{Root: root, Supervisor: []string{self(), "supervise"}, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = e.Kill(context.Background(), process.ID{Job: "a", Attempt: 1}, failure.WasCancelled)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// bench is an executor with a root of its own.
type bench struct {
	*process.Executor
	t    *testing.T
	root string
}

func newBench(t *testing.T, o process.Options) *bench {
	t.Helper()
	if o.Root == "" {
		o.Root = t.TempDir()
	}
	o.Supervisor = []string{self(), "supervise"}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e, err := process.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	b := &bench{Executor: e, t: t, root: o.Root}
	t.Cleanup(b.nothingLeft)
	return b
}

// nothingLeft ends every attempt, so that no test leaves a process behind.
func (b *bench) nothingLeft() {
	b.t.Helper()
	if b.t.Failed() {
		logs, _ := filepath.Glob(b.root + "/*/*/supervisor.log")
		for _, path := range logs {
			if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
				b.t.Logf("%s:\n%s", path, text)
			}
		}
	}
	running, err := b.Running(context.Background())
	if err != nil {
		b.t.Errorf("Running: %v", err)
	}
	for _, id := range running {
		claim, err := os.ReadFile(b.file(id, "claim"))
		if err == nil {
			b.t.Logf("%s still runs: %s", id, claim)
		}
		if err := b.Kill(context.Background(), id, failure.WasCancelled); err != nil {
			b.t.Errorf("Kill %s: %v", id, err)
		}
		if _, err := b.Wait(context.Background(), id); err != nil {
			b.t.Errorf("Wait for %s: %v", id, err)
		}
	}
}

func (b *bench) file(id process.ID, name string) string {
	return filepath.Join(b.root, id.Job, strconv.Itoa(id.Attempt), name)
}

func (b *bench) start(id process.ID, s process.Spec) {
	b.t.Helper()
	if s.Env == nil {
		s.Env = os.Environ()
	}
	if err := b.Start(b.t.Context(), id, s); err != nil {
		b.t.Fatalf("Start %s: %v", id, err)
	}
}

func (b *bench) wait(id process.ID) process.Result {
	b.t.Helper()
	r, err := b.Wait(b.t.Context(), id)
	if err != nil {
		b.t.Fatalf("Wait %s: %v", id, err)
	}
	return r
}

func (b *bench) run(id process.ID, s process.Spec) process.Result {
	b.t.Helper()
	b.start(id, s)
	return b.wait(id)
}

func shell(script string) process.Spec {
	return process.Spec{Args: []string{"/bin/sh", "-c", script}}
}

var a1 = process.ID{Job: "a", Attempt: 1}

// drivers returns the memory drivers of this machine and says why others are
// left out.
func drivers(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, name := range []string{memlimit.Cgroup2, memlimit.Cgroup1, memlimit.Watchdog} {
		if _, err := memlimit.Find(name); err != nil {
			t.Logf("not tested: %v", err)
			continue
		}
		all = append(all, name)
	}
	return all
}

// eachDriver runs a test with every memory driver of this machine.
func eachDriver(t *testing.T, f func(t *testing.T, driver string)) {
	t.Helper()
	for _, driver := range drivers(t) {
		t.Run(driver, func(t *testing.T) { f(t, driver) })
	}
}

// mailbox is a named pipe: programs write lines into it, and the test reads
// them without ever asking in vain.
type mailbox struct {
	t    *testing.T
	path string
	file *os.File
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{t: t, path: filepath.Join(t.TempDir(), "mailbox")}
	if err := unix.Mkfifo(m.path, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	// For reading and writing, so that it never ends.
	if m.file, err = os.OpenFile(m.path, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.file.Close() }) //nolint:errcheck // it was only read
	return m
}

// next returns the next n words.
func (m *mailbox) next(n int) []string {
	m.t.Helper()
	var words []string
	var text []byte
	b := make([]byte, 1)
	for len(words) < n || text[len(text)-1] != '\n' {
		if _, err := m.file.Read(b); err != nil {
			m.t.Fatalf("read mailbox: %v", err)
		}
		text = append(text, b[0])
		words = strings.Fields(string(text))
	}
	return words
}

// processes reads n pids and returns who they are.
func (m *mailbox) processes(n int) []proctree.Identity {
	m.t.Helper()
	boot, err := proctree.BootID()
	if err != nil {
		m.t.Fatal(err)
	}
	var all []proctree.Identity
	for _, word := range m.next(n) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			m.t.Fatalf("mailbox has %q, want a pid", word)
		}
		s, err := proctree.ReadStat(pid)
		if err != nil {
			m.t.Fatalf("process %d: %v", pid, err)
		}
		all = append(all, proctree.Identity{PID: pid, Start: s.Start, Boot: boot})
	}
	return all
}

func allGone(t *testing.T, all []proctree.Identity) {
	t.Helper()
	for _, p := range all {
		if p.Alive() {
			t.Errorf("process %d is still there", p.PID)
			p.Signal(syscall.SIGKILL) //nolint:errcheck // the test has failed
		}
	}
}

// otherServer starts a scheduler in another process, which starts the program
// as attempt 1 of job "a", and returns when it has.
func otherServer(t *testing.T, root, driver string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(self(), append([]string{"server", root, driver}, args...)...)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	line := make([]byte, 256)
	if n, err := out.Read(line); err != nil || string(line[:n]) != "started\n" {
		t.Fatalf("the other server said %q, %v", line[:n], err)
	}
	return cmd
}
