package proctree

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func FuzzParseStat(f *testing.F) {
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte("7 (a) b) (c)) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 1 18 99 4096"))
	f.Add([]byte("1 (x) S"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStat(text)
		if err == nil && s.State == 0 {
			t.Errorf("parseStat(%q) = %+v without a state", text, s)
		}
	})
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("7 (a) b) (c)) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 2 18 99 4096 1\n"))
	want := Stat{PID: 7, Parent: 1, Session: 3, State: 'Z', Threads: 2, Start: 99}
	if err != nil || got != want {
		t.Errorf("parseStat = %+v, %v, want %+v", got, err, want)
	}
	if got.Dead() {
		t.Error("a process of which a thread runs is called dead")
	}
}

func TestSelf(t *testing.T) {
	me, err := Self()
	if err != nil || me.PID != os.Getpid() || !me.Alive() || !me.ThisBoot() {
		t.Fatalf("Self = %+v, %v", me, err)
	}
	s, err := ReadStat(me.PID)
	if err != nil || s.Parent != os.Getppid() || s.Age() < 0 {
		t.Errorf("ReadStat = %+v, %v", s, err)
	}
	if Anonymous(me.PID) < 100<<10 {
		t.Errorf("Anonymous = %d, want more than 100 KiB", Anonymous(me.PID))
	}
	if share, ok := AnonymousShare(me.PID); !ok || share < 100<<10 {
		t.Errorf("AnonymousShare = %d, %v, want more than 100 KiB", share, ok)
	}
}

// An identity that differs in anything is another process, and is never
// signalled.
func TestOtherIdentity(t *testing.T) {
	me, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]Identity{
		"the pid was used before":     {me.PID, me.Start - 1, me.Boot},
		"the host was started anew":   {me.PID, me.Start, "another boot"},
		"no process":                  {1 << 30, 1, me.Boot},
		"a pid that means many":       {0, 0, me.Boot},
		"a pid that means everything": {-1, 0, me.Boot},
	} {
		if other.Alive() {
			t.Errorf("%s: it is alive", name)
		}
		if err := other.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s: Signal = %v, want that it is done", name, err)
		}
		if err := other.Wait(t.Context()); err != nil {
			t.Errorf("%s: Wait = %v", name, err)
		}
	}
}

func TestWait(t *testing.T) {
	for name, wait := range map[string]func(Identity, context.Context) error{
		"by the kernel": Identity.Wait, "by looking again": Identity.poll,
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sleep", "1000")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s, err := ReadStat(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			boot, err := BootID()
			if err != nil {
				t.Fatal(err)
			}
			p := Identity{s.PID, s.Start, boot}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- wait(p, ctx) }()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Wait = %v, want %v", err, context.Canceled)
			}
			go func() { ended <- wait(p, t.Context()) }()
			if err := p.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil { // although nobody has reaped it yet
				t.Errorf("Wait = %v", err)
			}
			if p.Alive() {
				t.Error("a process that waits to be reaped is alive")
			}
			cmd.Wait() //nolint:errcheck // it was killed
		})
	}
}

func TestDescendants(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sh -c 'sleep 1000 & echo $!; wait' & sleep 1000 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 0, 100)
	for strings.Count(string(text), "\n") < 2 {
		n, err := out.Read(text[len(text):cap(text)])
		if err != nil {
			t.Fatal(err)
		}
		text = text[:len(text)+n]
	}
	var want []int
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, pid)
	}
	stats, err := Descendants(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	var exact []int
	for _, s := range stats {
		exact = append(exact, s.PID)
	}
	fast, err := DescendantsFast(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := slowly(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]int{"Descendants": exact, "DescendantsFast": fast, "slowly": slow} {
		if len(got) != 3 || !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) {
			t.Errorf("%s = %v, want 3 with %v", name, got, want)
		}
	}
	if err := Kill(cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Errorf("Kill: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Errorf("kill the root: %v", err)
	}
	io.Copy(io.Discard, out) //nolint:errcheck // it ends when all of them have
	cmd.Wait()               //nolint:errcheck // it was killed
}
