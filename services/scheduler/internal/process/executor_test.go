package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

func TestEnds(t *testing.T) {
	b := newBench(t, process.Options{})
	for i, tc := range []struct {
		name       string
		spec       process.Spec
		want       failure.Reason
		code       int // -1 for none
		signal     int
		stderr     string
		unfinished bool
	}{
		{"success", shell("echo fine >&2"), failure.Exited, 0, 0, "fine\n", false},
		{"an exit code", shell("echo bad >&2; exit 3"), failure.Exited, 3, 0, "bad\n", true},
		{"a signal of its own", shell("kill -SEGV $$"), failure.Signaled, -1, 11, "", true},
		{"SIGKILL by somebody else is no proof of anything", shell("kill -KILL $$"), failure.Signaled, -1, 9, "", true},
		{"no such program", process.Spec{Args: []string{"/no/such/program"}}, failure.NotStarted, -1, 0, "no such file", true},
		{"no such program in PATH", process.Spec{Args: []string{"no-such-program"}}, failure.NotStarted, -1, 0, "no such program in PATH", true},
		{"a program that may not be run", process.Spec{Args: []string{"/etc/passwd"}}, failure.NotStarted, -1, 0, "permission denied", true},
		{"no such folder", process.Spec{Args: []string{"true"}, WorkDir: "/no/such/folder"}, failure.NotStarted, -1, 0, "/no/such/folder", true},
		{"a program of PATH", process.Spec{Args: []string{"sh", "-c", "exit 0"}}, failure.Exited, 0, 0, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := &bench{b.Executor, t, b.root}
			id := process.ID{Job: "ends", Attempt: i + 1}
			got := b.run(id, tc.spec)
			e := got.Evidence
			if got.Succeeded == tc.unfinished || e.Reason != tc.want || e.Signal != tc.signal {
				t.Errorf("succeeded %v, reason %v, signal %d (%s), want %v, %v, %d", got.Succeeded, e.Reason, e.Signal, e.Proof, !tc.unfinished, tc.want, tc.signal)
			}
			if code := codeOf(e); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if e.Proof == "" || e.Node == "" || e.Start.IsZero() || e.End.Before(e.Start) || e.MemoryDriver != b.MemoryDriver() {
				t.Errorf("evidence lacks facts: %+v", e)
			}
			if stderr := e.Logs[1]; stderr.Source != "stderr" || !strings.Contains(stderr.Head, tc.stderr) {
				t.Errorf("stderr is %+v, want %q in it", stderr, tc.stderr)
			}
			if state, err := b.State(t.Context(), id); state != process.Ended || err != nil {
				t.Errorf("State = %v, %v, want ended", state, err)
			}
			if again := b.wait(id); fmt.Sprint(again) == "" || again.Evidence.End != e.End {
				t.Errorf("a second Wait says %+v, want the same", again)
			}
		})
	}
}

func codeOf(e failure.Evidence) int {
	if e.ExitCode == nil {
		return -1
	}
	return *e.ExitCode
}

func TestProgramSeesItsSpecAlone(t *testing.T) {
	b := newBench(t, process.Options{})
	t.Setenv("SERVER_SECRET", "must stay here")
	work := t.TempDir()
	for i, tc := range []struct{ name, workDir, want string }{
		{"a folder of its own", "", b.file(process.ID{Job: "spec", Attempt: 1}, "work")},
		{"a folder that was asked for", work, work},
	} {
		id := process.ID{Job: "spec", Attempt: i + 1}
		got := b.run(id, process.Spec{
			Args:    []string{"/bin/sh", "-c", `pwd; cat; echo "$1"; /usr/bin/env | sort`, "name", "a  'b' $c"},
			Env:     []string{"GREETING=hello world"},
			WorkDir: tc.workDir,
		})
		out := got.Evidence.Logs[0].Head
		if !strings.HasPrefix(out, tc.want+"\na  'b' $c\n") || !strings.Contains(out, "GREETING=hello world\n") {
			t.Errorf("%s: the program saw\n%s", tc.name, out)
		}
		if strings.Contains(out, "SERVER_SECRET") {
			t.Errorf("%s: the program saw the server's environment:\n%s", tc.name, out)
		}
	}
}

// No secret of a program's environment is written to the attempt's folder.
func TestEnvironmentIsOnNoDisk(t *testing.T) {
	b := newBench(t, process.Options{})
	b.run(a1, process.Spec{Args: []string{"/bin/true"}, Env: []string{"PASSWORD=hunter2hunter2"}})
	files, err := filepath.Glob(b.file(a1, "*"))
	if err != nil || len(files) < 4 {
		t.Fatalf("the folder has %v, %v", files, err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "hunter2") {
			t.Errorf("%s has the secret", file)
		}
		if info, err := os.Lstat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v", file, info.Mode())
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, tc := range []struct{ name, script string }{
		{"a program that ends when asked", "exec sleep 1000"},
		{"a program that ignores it", "trap '' TERM; while :; do sleep 1000; done"},
		{"a program that says it succeeded", "trap 'exit 0' TERM; sleep 1000 & wait"},
		{"a stopped program", "kill -STOP $$"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, process.Options{Grace: 100 * time.Millisecond})
			s := shell(tc.script)
			s.RunTimeout = 100 * time.Millisecond
			got := b.run(a1, s)
			if got.Succeeded || got.Evidence.Reason != failure.TimedOut || got.Evidence.Duration < s.RunTimeout {
				t.Errorf("got %+v, want TIMEOUT after %s", got, s.RunTimeout)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	b := newBench(t, process.Options{})
	for name, err := range map[string]error{
		"path out of the root":   b.Start(t.Context(), process.ID{Job: "../x", Attempt: 1}, shell("")),
		"upper case":             b.Start(t.Context(), process.ID{Job: "A", Attempt: 1}, shell("")),
		"attempt 0":              b.Start(t.Context(), process.ID{Job: "a"}, shell("")),
		"no program":             b.Start(t.Context(), a1, process.Spec{}),
		"a zero byte":            b.Start(t.Context(), a1, process.Spec{Args: []string{"a\x00b"}}),
		"a variable without =":   b.Start(t.Context(), a1, process.Spec{Args: []string{"true"}, Env: []string{"X"}}),
		"a relative folder":      b.Start(t.Context(), a1, process.Spec{Args: []string{"true"}, WorkDir: "x"}),
		"a negative limit":       b.Start(t.Context(), a1, process.Spec{Args: []string{"true"}, MemoryLimit: -1}),
		"killed for its exit":    b.Kill(t.Context(), a1, failure.Exited),
		"killed out of the root": b.Kill(t.Context(), process.ID{Job: "..", Attempt: 1}, failure.WasCancelled),
	} {
		if got := errs.KindOf(err); got != errs.Invalid {
			t.Errorf("%s: kind %v (%v), want Invalid", name, got, err)
		}
	}
	if state, err := b.State(t.Context(), a1); state != process.Unclaimed || err != nil {
		t.Errorf("State = %v, %v, want unclaimed", state, err)
	}
	if _, err := b.Wait(t.Context(), a1); !errs.Is(err, errs.NotFound) {
		t.Errorf("Wait for what was never started: %v, want NotFound", err)
	}
	if _, err := process.New(process.Options{Root: t.TempDir(), Supervisor: []string{"x"}, MemoryDriver: "magic"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("New with an unknown driver: %v, want Invalid", err)
	}
	if _, err := process.New(process.Options{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("New without a root: %v, want Invalid", err)
	}
}

// A supervisor that cannot be started, or dies at once, leaves nothing, and the
// same attempt can be started later.
func TestNoSupervisor(t *testing.T) {
	root := t.TempDir()
	for _, command := range []string{"/no/such/supervisor", "/bin/false"} {
		e, err := process.New(process.Options{Root: root, Supervisor: []string{command}})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context(), a1, shell("exit 0")); !errs.Is(err, errs.Unavailable) {
			t.Errorf("Start below %s: %v, want Unavailable", command, err)
		}
	}
	if got := newBench(t, process.Options{Root: root}).run(a1, shell("exit 0")); !got.Succeeded {
		t.Errorf("got %+v, want success", got)
	}
}

func allocate(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += os.Getpagesize() {
		b[i] = 1
	}
	return b
}

// The peak is that of the program, not of the server that started it.
func TestSmallPeakBelowBigServer(t *testing.T) {
	big := allocate(500 << 20)
	defer runtime.KeepAlive(big)
	eachDriver(t, func(t *testing.T, driver string) {
		b := newBench(t, process.Options{MemoryDriver: driver})
		m := newMailbox(t)
		// tail holds 5 MB until its input ends, which is long enough for a sample
		// on a busy machine.
		got := b.run(a1, shell(fmt.Sprintf("(head -c 5000000 /dev/zero; sleep 1) | tail -c 5000000 | wc -c > %s", m.path)))
		if words := m.next(1); words[0] != "5000000" {
			t.Errorf("the program counted %v", words)
		}
		peak := *got.Evidence.PeakBytes
		t.Logf("peak %d KiB", peak>>10)
		if !got.Succeeded || peak < 5_000_000 || peak > 20_000_000 {
			t.Errorf("succeeded %v with a peak of %d bytes, want between 5 and 20 MB", got.Succeeded, peak)
		}
		if got.Evidence.MemoryDriver != driver {
			t.Errorf("driver %q, want %q", got.Evidence.MemoryDriver, driver)
		}
	})
}

func TestMemoryLimit(t *testing.T) {
	const limit = 64 << 20
	eachDriver(t, func(t *testing.T, driver string) {
		for _, tc := range []struct{ name, script string }{
			{"the main process", "exec tail /dev/zero"},
			{"a child, and the main process goes on", "tail /dev/zero; sleep 1000"},
			{"a child that left the session, and the main process goes on", "setsid tail /dev/zero & sleep 1000"},
			{"many small ones", "for i in 1 2 3 4 5 6 7 8; do (head -c 12000000 /dev/zero | tail -c 12000000; sleep 1000) | (sleep 1000; cat) & done; head -c 50000000 /dev/zero | tail -c 50000000 | sleep 1000"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				b := newBench(t, process.Options{MemoryDriver: driver})
				s := shell(tc.script)
				s.MemoryLimit = limit
				got := b.run(a1, s)
				e := got.Evidence
				t.Logf("%s, peak %d KiB", e.Proof, *e.PeakBytes>>10)
				if got.Succeeded || e.Reason != failure.OutOfMemory || e.LimitBytes != limit || e.MemoryDriver != driver {
					t.Errorf("got %+v, want OUT_OF_MEMORY by %s", e, driver)
				}
				if !strings.Contains(e.Proof, fmt.Sprint(limit)) || *e.PeakBytes < limit*9/10 {
					t.Errorf("proof %q, peak %d: do not show the limit %d", e.Proof, *e.PeakBytes, limit)
				}
			})
		}
	})
}

// Memory below the limit, page cache above it and a success are no reasons to
// kill.
func TestMemoryBelowLimit(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		var fs unix.Statfs_t
		if err := unix.Statfs(t.TempDir(), &fs); err != nil || fs.Type == unix.TMPFS_MAGIC {
			t.Skipf("%s is in memory (%v), and files there are no page cache", t.TempDir(), err)
		}
		b := newBench(t, process.Options{MemoryDriver: driver})
		s := shell("head -c 100000000 /dev/zero > file; sync; cat file file > /dev/null; rm file; head -c 20000000 /dev/zero | tail -c 20000000 | wc -c")
		s.MemoryLimit = 64 << 20
		got := b.run(a1, s)
		if !got.Succeeded || *got.Evidence.PeakBytes > 40<<20 {
			t.Errorf("got %+v with peak %d, want success", got.Evidence, *got.Evidence.PeakBytes)
		}
	})
}

// A program that loses a child for its memory, and succeeds without it, has
// succeeded.
func TestSuccessWithoutTheKilled(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		if driver == "watchdog" {
			t.Skip("the watchdog kills the whole tree at once")
		}
		b := newBench(t, process.Options{MemoryDriver: driver})
		s := shell("tail /dev/zero; exit 0")
		s.MemoryLimit = 32 << 20
		e := b.run(a1, s).Evidence
		// The kernel may have counted the kill before or after the shell ended.
		if e.Reason == failure.Exited && (codeOf(e) != 0 || !strings.Contains(e.Proof, "oom_kill")) ||
			e.Reason != failure.Exited && e.Reason != failure.OutOfMemory {
			t.Errorf("got %+v, want success with the proof of the kill, or OUT_OF_MEMORY", e)
		}
	})
}
