//go:build cluster

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one program of the deployment. It is started, harmed and started
// again by one caller at a time: whoever holds it.
type process struct {
	t     testing.TB
	name  string
	args  []string // the program first
	env   []string // besides the test's own
	log   string   // the file that its output is added to
	ready func(context.Context) error

	held sync.Mutex

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	asked bool          // to end
}

// forks is where processes are started: the kernel kills them with the thread
// that forked them, so this one thread lives as long as the tests.
var forks = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start starts the process and does not wait for it to be ready.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // the process has its own
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	forks() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.asked = cmd, ended, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		asked := p.asked
		p.mu.Unlock()
		if !asked {
			p.t.Errorf("%s ended by itself: %v", p.name, err)
		}
		close(ended)
	}()
	return nil
}

// signal sends a signal to the process and to whatever it started in its group.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	p.asked = p.asked || s == syscall.SIGKILL || s == syscall.SIGTERM
	select {
	case <-p.ended: // and its number may be somebody else's by now
	default:
		if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			p.t.Errorf("%v to %s: %v", s, p.name, err)
		}
	}
}

// wait waits until the process has ended and returns how.
func (p *process) wait(ctx context.Context) (*os.ProcessState, error) {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return nil, fmt.Errorf("%s was never started", p.name)
	}
	select {
	case <-ended:
		return cmd.ProcessState, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s does not end: %w", p.name, ctx.Err())
	}
}

// alive returns a context that ends with the process, too.
func (p *process) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// kill kills the process and waits for its end.
func (p *process) kill(ctx context.Context) error {
	p.signal(syscall.SIGKILL)
	_, err := p.wait(ctx)
	return err
}

// tail returns the last lines of the log that say that something is wrong, or
// whatever it says last.
func (p *process) tail(lines int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	const most = 256 << 10
	all := strings.Split(strings.TrimSpace(string(text[max(0, len(text)-most):])), "\n")
	bad := slices.DeleteFunc(slices.Clone(all), func(line string) bool {
		return !strings.Contains(line, `"ERROR"`) && !strings.Contains(line, `"WARN"`) && !strings.Contains(line, "[ERR]") && !strings.Contains(line, "panic")
	})
	if len(bad) == 0 {
		bad = all
	}
	return strings.Join(bad[max(0, len(bad)-lines):], "\n")
}

// until waits until something holds. It asks often: most of what is waited for
// is in another process, which tells nobody.
func until(ctx context.Context, what string, holds func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := holds(ask)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %w", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Ports are below those that the kernel gives to outgoing connections, so that
// a process that is started again finds its port free.
const firstPort, lastPort = 15000, 31000

// lastTaken is the last port that freePorts returned: the next one is another.
var lastTaken = firstPort + os.Getpid()*97%(lastPort-firstPort)/2

// freePorts returns ports of loopback that nobody listens on. It is not safe for
// concurrent use.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for len(ports) < n && lastTaken < lastPort {
		lastTaken++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lastTaken))
		if err != nil {
			continue // somebody's
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		ports = append(ports, lastTaken)
	}
	if len(ports) < n {
		t.Fatalf("only %d ports are free, %d are needed", len(ports), n)
	}
	return ports
}

// killAllIn kills the processes whose command names a folder: supervisors of
// attempts and their tasks, which outlive the scheduler that started them.
func killAllIn(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Error(err)
		return
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscanf(e.Name(), "%d", &pid); err != nil || pid == os.Getpid() {
			continue
		}
		command, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && bytes.Contains(command, []byte(dir)) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended just now
		}
	}
}
