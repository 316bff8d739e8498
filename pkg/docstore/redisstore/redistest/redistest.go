// Package redistest starts Redis servers for tests: real ones, with a port and a
// folder of their own, that end with the test.
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startTimeout bounds how long a server may take until it answers.
const startTimeout = 30 * time.Second

// Server is a running redis-server or redis-sentinel.
type Server struct {
	Addr string // host:port
	Dir  string // of its data

	t      testing.TB
	config string // path of redis.conf
	binary string
	ready  string // what it logs when it is

	mu    sync.Mutex
	pid   int
	ended chan struct{}
}

// Durable are the settings that redisstore asks for.
var Durable = []string{"appendonly yes", "appendfsync always", "no-appendfsync-on-rewrite no", "maxmemory-policy noeviction"}

// Start starts a server that keeps what it acknowledges. Further lines of
// redis.conf come after those that make it so. The test ends when there is no
// redis-server to start: make test-needs installs it.
func Start(t testing.TB, lines ...string) *Server {
	t.Helper()
	return start(t, "redis-server", "Ready to accept connections", append(append([]string{"save \"\""}, Durable...), lines...))
}

// StartSentinel starts a sentinel that watches the master at addr under a name,
// finds it dead after a second, and decides alone.
func StartSentinel(t testing.TB, name, addr string, lines ...string) *Server {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("address of the master: %v", err)
	}
	return start(t, "redis-sentinel", "+monitor", append([]string{
		fmt.Sprintf("sentinel monitor %s %s %s 1", name, host, port),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000", name),
		fmt.Sprintf("sentinel failover-timeout %s 5000", name),
	}, lines...))
}

func start(t testing.TB, binary, ready string, lines []string) *Server {
	t.Helper()
	path, err := exec.LookPath(binary)
	if err != nil {
		t.Fatalf("%s is not installed: run make test-needs: %v", binary, err)
	}
	s := &Server{Dir: t.TempDir(), t: t, binary: path, ready: ready}
	s.config = filepath.Join(s.Dir, "redis.conf")
	t.Cleanup(s.Kill)
	// Another process may take the port before the server does.
	for try := 0; ; try++ {
		s.Addr = freeAddr(t)
		_, port, _ := net.SplitHostPort(s.Addr)
		text := "bind 127.0.0.1\nport " + port + "\ndir " + s.Dir + "\ndaemonize no\n" + strings.Join(lines, "\n") + "\n"
		if strings.Contains(text, "tls-port SAME") {
			text = strings.Replace(strings.Replace(text, "tls-port SAME", "tls-port "+port, 1), "port "+port+"\ndir", "port 0\ndir", 1)
		}
		if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
			t.Fatalf("write redis.conf: %v", err)
		}
		err := s.run()
		if err == nil {
			return s
		}
		if try == 4 || !strings.Contains(err.Error(), "Address already in use") {
			t.Fatalf("start %s: %v", binary, err)
		}
	}
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a port: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// run starts the process and returns when it is ready.
func (s *Server) run() error {
	args := []string{s.config}
	cmd := exec.Command(s.binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	started := make(chan error, 1)
	ended := make(chan struct{})
	ready := make(chan error, 1)
	go func() {
		// The kernel kills the server when the thread that started it ends, so
		// the thread must be kept until the server has.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			s.follow(bufio.NewScanner(out), ready)
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.mu.Lock()
	s.pid, s.ended = cmd.Process.Pid, ended
	s.mu.Unlock()
	select {
	case err := <-ready:
		if err != nil {
			<-ended
		}
		return err
	case <-time.After(startTimeout):
		return fmt.Errorf("not ready within %v", startTimeout)
	}
}

// follow reads the log to its end. ready gets nil, or what the server said
// before it ended.
func (s *Server) follow(log *bufio.Scanner, ready chan<- error) {
	var said []string
	told := false
	for log.Scan() {
		switch {
		case told:
		case strings.Contains(log.Text(), s.ready):
			told = true
			ready <- nil
		default:
			said = append(said, log.Text())
		}
	}
	if !told {
		ready <- fmt.Errorf("it ended: %s", strings.Join(said, "\n"))
	}
}

// Client returns a bare client of the server, closed when the test ends.
func (s *Server) Client(change ...func(*redis.Options)) *redis.Client {
	o := &redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true}
	for _, c := range change {
		c(o)
	}
	c := redis.NewClient(o)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Do runs a command and fails the test when it fails.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true})
	defer func() { _ = c.Close() }()
	result, err := c.Do(context.Background(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return result
}

// PID is that of the process.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// Signal sends a signal to the process.
func (s *Server) Signal(sig syscall.Signal) {
	if pid := s.PID(); pid > 0 {
		_ = syscall.Kill(pid, sig)
	}
}

// Kill kills the process with SIGKILL and returns when it has ended.
func (s *Server) Kill() {
	s.mu.Lock()
	pid, ended := s.pid, s.ended
	s.mu.Unlock()
	if pid == 0 {
		return
	}
	select {
	case <-ended:
		return
	default:
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-ended
}

// Restart starts the process again, with its folder and port as they are. It
// returns when it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.t.Fatalf("restart: %v", err)
	}
}
