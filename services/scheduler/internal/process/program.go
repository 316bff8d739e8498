package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
)

// start starts the program inside of the group and returns its pid. It is a
// child of a thread that lives as long as this process, because the kernel
// kills it when that thread ends, and so with this process.
func start(s Spec, workDir, key string, group memlimit.Group, logs *logs) (pid int, err error) {
	if info, err := os.Stat(workDir); err != nil {
		return 0, fmt.Errorf("working folder: %w", err)
	} else if !info.IsDir() {
		return 0, fmt.Errorf("working folder: %s is no folder", workDir)
	}
	program, err := lookUp(s.Args[0], s.Env, workDir)
	if err != nil {
		return 0, err
	}
	input, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer input.Close() //nolint:errcheck // the program has its own
	env := append(append([]string(nil), s.Env...), keyVariable+"="+key)
	onOwnThread(func() {
		err = group.Start(func(attr *syscall.SysProcAttr) error {
			attr.Setpgid = true
			attr.Pdeathsig = syscall.SIGKILL
			p, err := os.StartProcess(program, s.Args, &os.ProcAttr{
				Dir: workDir, Env: env, Files: []*os.File{input, logs.stdoutPipe, logs.stderrPipe}, Sys: attr,
			})
			if err != nil {
				return err
			}
			pid = p.Pid
			return p.Release() // the supervisor reaps it with all others
		})
	})
	if pid == 0 {
		return 0, err
	}
	preferForKill(pid)
	return pid, nil
}

// onOwnThread runs f on a thread that nothing else uses, that is not the first
// one of the process, and that never ends.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			onOwnThread(f) // while this one is held, another is taken
			runtime.UnlockOSThread()
			close(done)
			return
		}
		f()
		close(done)
		select {} // the end of a locked goroutine is the end of its thread
	}()
	<-done
}

// preferForKill makes the kernel, when the whole host is out of memory, kill
// the attempt rather than the server.
func preferForKill(pid int) {
	const more = 500 // of 1000
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	score, err := strconv.Atoi(strings.TrimSpace(string(own)))
	if err != nil {
		return
	}
	file := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	os.WriteFile(file, []byte(strconv.Itoa(min(score+more, 1000))), 0) //nolint:errcheck // a precaution; the program may be gone
}

// defaultPath is where programs are looked up without a PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookUp finds a program as a shell does, in the attempt's own PATH.
func lookUp(name string, env []string, workDir string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil // the kernel knows best what is wrong with it
	}
	path := defaultPath
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value // the last one counts, as for the program
		}
	}
	var refused error
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(workDir, folder)
		}
		file := filepath.Join(folder, name)
		info, err := os.Stat(file)
		if err != nil || info.IsDir() {
			continue
		}
		if err := unix.Access(file, unix.X_OK); err != nil {
			refused = &os.PathError{Op: "execute", Path: file, Err: err}
			continue
		}
		return file, nil
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("no such program in PATH %s", path)
}

// logs takes what a program writes. The program writes to pipes, not to files:
// it cannot truncate what it has written, and pays for no page cache.
type logs struct {
	stdout, stderr         *logFile
	stdoutPipe, stderrPipe *os.File // the ends of the program
	ours                   []*os.File
	copying                sync.WaitGroup
}

func openLogs(folder string, bound int64) (*logs, error) {
	l := &logs{}
	var err error
	if l.stdout, err = createLog(logPath(folder, "stdout"), bound); err != nil {
		return nil, err
	}
	if l.stderr, err = createLog(logPath(folder, "stderr"), bound); err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l.stdoutPipe, l.stderrPipe, l.ours = outW, errW, []*os.File{outR, errR}
	l.copying.Go(func() { io.Copy(l.stdout, outR) }) //nolint:errcheck // its end is what counts
	l.copying.Go(func() { io.Copy(l.stderr, errR) }) //nolint:errcheck // its end is what counts
	return l, nil
}

// started closes the program's ends, so that the logs end with the program.
func (l *logs) started() {
	l.stdoutPipe.Close() //nolint:errcheck // nothing was written here
	l.stderrPipe.Close() //nolint:errcheck // nothing was written here
}

// drain bounds how long finish reads on when a process that is not of the tree
// was given an end of a pipe and keeps it.
const drain = 5 * time.Second

// finish reads what is left and completes the logs.
func (l *logs) finish() (stdout, stderr logEnd, err error) {
	l.started()
	for _, pipe := range l.ours {
		err = errors.Join(err, pipe.SetReadDeadline(time.Now().Add(drain)))
	}
	l.copying.Wait()
	for _, pipe := range l.ours {
		pipe.Close() //nolint:errcheck // it was only read
	}
	stdout, errOut := l.stdout.finish()
	stderr, errErr := l.stderr.finish()
	return stdout, stderr, errors.Join(err, errOut, errErr)
}
