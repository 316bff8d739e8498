package memlimit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "vfork" {
		vfork(os.Args[2])
	}
	// As a supervisor is.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// eachDriver runs a test with every driver that works here.
func eachDriver(t *testing.T, f func(t *testing.T, d Driver)) {
	t.Helper()
	for _, name := range []string{Cgroup2, Cgroup1, Watchdog} {
		t.Run(name, func(t *testing.T) {
			d, err := Find(name)
			if err != nil {
				t.Skip(err)
			}
			if got, err := At(d.Place()); err != nil || got != d {
				t.Fatalf("At(%+v) = %v, %v, want the same driver", d.Place(), got, err)
			}
			f(t, d)
		})
	}
}

func groupName() string { return fmt.Sprintf("redrive-test-%d-%d", os.Getpid(), time.Now().UnixNano()) }

// run is a shell in a group.
type run struct {
	t     *testing.T
	group Group
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
}

// start runs a script in a group, below a thread of its own.
func start(t *testing.T, g Group, script string) *run {
	t.Helper()
	r := &run{t: t, group: g, cmd: exec.Command("/bin/sh", "-c", script)}
	r.cmd.Stderr = os.Stderr
	in, err := r.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.in, r.out = in, bufio.NewReader(out)
	started := make(chan error)
	var onThread func()
	onThread = func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if unix.Gettid() == os.Getpid() {
			done := make(chan struct{})
			go func() { onThread(); close(done) }()
			<-done
			return
		}
		started <- g.Start(func(attr *syscall.SysProcAttr) error {
			r.cmd.SysProcAttr = attr
			return r.cmd.Start()
		})
	}
	go onThread()
	if err := <-started; err != nil {
		t.Fatalf("Start: %v", err)
	}
	return r
}

func (r *run) line() string {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	if err != nil {
		r.t.Fatalf("read from the program: %v", err)
	}
	return strings.TrimSpace(line)
}

// end kills and reaps the tree as a supervisor does.
func (r *run) end() {
	r.t.Helper()
	r.in.Close() //nolint:errcheck // the program may be gone
	for {
		if err := r.group.Kill(); err != nil {
			r.t.Fatalf("Kill: %v", err)
		}
		_, err := syscall.Wait4(-1, nil, 0, nil)
		if errors.Is(err, syscall.ECHILD) {
			break
		}
	}
	if err := r.group.Close(); err != nil {
		r.t.Errorf("Close: %v", err)
	}
}

func open(t *testing.T, d Driver, limit int64) Group {
	t.Helper()
	g, err := d.Open(groupName(), limit)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return g
}

func sample(t *testing.T, g Group) Sample {
	t.Helper()
	s, err := g.Sample()
	if err != nil {
		t.Fatalf("Sample: %v", err)
	}
	return s
}

func TestMeasuresTheWholeTree(t *testing.T) {
	big := make([]byte, 100<<20) // of the opener, which is not in the group
	for i := 0; i < len(big); i += os.Getpagesize() {
		big[i] = 1
	}
	defer runtime.KeepAlive(big)
	eachDriver(t, func(t *testing.T, d Driver) {
		r := start(t, open(t, d, 1<<30), `
			(head -c 20000000 /dev/zero; echo; read x) | (setsid tail -c 30000000) &
			x=$(head -c 10000000 /dev/zero | tr '\0' x); echo ready; read y`)
		defer r.end()
		r.line()
		var got int64
		for got < 28_000_000 { // tail reads on its own
			s := sample(t, r.group)
			got = s.Anonymous
			if s.Exceeded != "" || s.AtLimit {
				t.Fatalf("Sample = %+v, want no excess", s)
			}
		}
		if got > 80_000_000 {
			t.Errorf("Anonymous = %d, want about 40 MB", got)
		}
	})
}

func TestLimit(t *testing.T) {
	eachDriver(t, func(t *testing.T, d Driver) {
		const limit = 32 << 20
		r := start(t, open(t, d, limit), "tail /dev/zero | cat; read x")
		defer r.end()
		var s Sample
		for s.Exceeded == "" {
			s = sample(t, r.group)
		}
		if !s.AtLimit || !strings.Contains(s.Exceeded, fmt.Sprint(limit)) {
			t.Errorf("Sample = %+v, want the limit", s)
		}
	})
}

func TestPageCacheIsNoMemory(t *testing.T) {
	eachDriver(t, func(t *testing.T, d Driver) {
		folder := t.TempDir()
		var fs unix.Statfs_t
		if err := unix.Statfs(folder, &fs); err != nil || fs.Type == unix.TMPFS_MAGIC {
			t.Skipf("%s is in memory (%v), and files there are no page cache", folder, err)
		}
		file := folder + "/file"
		r := start(t, open(t, d, 32<<20), "head -c 100000000 /dev/zero > "+file+"; cat "+file+" > /dev/null; echo done; read x")
		defer r.end()
		r.line()
		if s := sample(t, r.group); s.Exceeded != "" || s.Anonymous > 10<<20 {
			t.Errorf("Sample = %+v, want almost nothing", s)
		}
	})
}

// A group whose opener is gone is killed and removed, once and again.
func TestReclaim(t *testing.T) {
	eachDriver(t, func(t *testing.T, d Driver) {
		name := groupName()
		g, err := d.Open(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Open(name, 0); err == nil && d.Place().Driver != Watchdog {
			t.Error("a name that is in use was opened")
		}
		r := start(t, g, "setsid sleep 1000 & echo $!; wait")
		r.line()
		if d.Place().Driver == Watchdog {
			r.end() // it knows its own descendants alone
		}
		if err := d.Reclaim(name); err != nil {
			t.Errorf("Reclaim: %v", err)
		}
		for {
			if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
				break
			}
		}
		if err := d.Reclaim(name); err != nil {
			t.Errorf("Reclaim again: %v", err)
		}
	})
}

func TestNames(t *testing.T) {
	eachDriver(t, func(t *testing.T, d Driver) {
		for _, name := range []string{"", ".", "..", "../x", "a/b", "a\x00"} {
			if _, err := d.Open(name, 0); err == nil {
				t.Errorf("Open(%q) gave no error", name)
			}
			if err := d.Reclaim(name); err == nil {
				t.Errorf("Reclaim(%q) gave no error", name)
			}
		}
	})
	if _, err := Find("ulimit"); !errs.Is(err, errs.Invalid) {
		t.Errorf("Find of an unknown driver: %v, want Invalid", err)
	}
	for _, p := range []Place{{}, {Driver: Cgroup1}, {Driver: Cgroup2}, {Driver: "ulimit", Parent: "/"}} {
		if d, err := At(p); err == nil {
			t.Errorf("At(%+v) = %v, want an error", p, d)
		}
	}
	if d, err := Find(""); err != nil {
		t.Errorf("Find: %v", err)
	} else {
		t.Logf("the best driver here is %+v", d.Place())
	}
}

// The first thread of a process pays for its memory, so it must stay outside.
func TestFirstThreadStaysOutside(t *testing.T) {
	d, err := Find(Cgroup1)
	if err != nil {
		t.Skip(err)
	}
	r := start(t, open(t, d, 0), "cat /proc/self/cgroup; echo; read x")
	defer r.end()
	inside := false
	for line := r.line(); line != ""; line = r.line() {
		inside = inside || strings.Contains(line, ":memory:") && strings.Contains(line, "redrive-test-")
	}
	if !inside {
		t.Error("the program is not in the group")
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || strings.Contains(string(own), "redrive-test-") {
		t.Errorf("this process is in the group: %s, %v", own, err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/cgroup")
		if err == nil && strings.Contains(string(text), "redrive-test-") {
			t.Errorf("thread %s stayed in the group", thread.Name())
		}
	}
}

func TestWatchdogCountsSharedMemoryOnce(t *testing.T) {
	d, err := Find(Watchdog)
	if err != nil {
		t.Skip(err)
	}
	// The shell holds 20 MB, and each of its children shares them.
	r := start(t, open(t, d, 50<<20), `x=$(head -c 20000000 /dev/zero | tr '\0' x)
		exec 3<&0; for i in 1 2 3 4 5 6 7 8; do (read y <&3) & done; echo ready; read y <&3`)
	defer r.end()
	r.line()
	var sum int64
	pids, err := proctree.DescendantsFast(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		sum += proctree.Anonymous(pid)
	}
	if sum < 9*20_000_000 {
		t.Fatalf("%d processes have %d bytes, want that they share 20 MB", len(pids), sum)
	}
	for range 50 {
		if s := sample(t, r.group); s.Exceeded != "" || s.Anonymous < 20_000_000 {
			t.Fatalf("Sample = %+v, want 20 MB and a little", s)
		}
	}
}

// Between vfork and exec a child has all of its parent's memory. Large programs
// start small ones all the time, and are not killed for it.
func TestWatchdogKnowsChildrenThatStart(t *testing.T) {
	d, err := Find(Watchdog)
	if err != nil {
		t.Skip(err)
	}
	r := &run{t: t, group: open(t, d, 0), cmd: exec.Command(os.Args[0], "vfork", "100")}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer r.end()
	r.line()
	twice := 0
	for range 600 {
		var sum int64
		pids, err := proctree.DescendantsFast(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			sum += proctree.Anonymous(pid)
		}
		if own := proctree.Anonymous(r.cmd.Process.Pid); sum > own*3/2 {
			twice++
		}
		s := sample(t, r.group)
		if own := proctree.Anonymous(r.cmd.Process.Pid); s.Anonymous > own*3/2 || s.Anonymous < own/2 {
			t.Fatalf("Sample = %+v, want about %d bytes", s, own)
		}
	}
	t.Logf("a plain sum would have counted the memory twice %d times", twice)
}

// vfork holds so many MiB and starts small programs until its input ends.
func vfork(mib string) {
	debug.SetGCPercent(1) // so that it does not grow
	n, err := strconv.Atoi(mib)
	if err != nil {
		panic(err)
	}
	held := make([]byte, n<<20)
	for i := 0; i < len(held); i += os.Getpagesize() {
		held[i] = 1
	}
	go func() {
		os.Stdin.Read(make([]byte, 1)) //nolint:errcheck // its end is what is waited for
		os.Exit(0)
	}()
	fmt.Println("ready")
	for {
		if err := exec.Command("true").Run(); err != nil {
			panic(err)
		}
		runtime.KeepAlive(held)
	}
}
