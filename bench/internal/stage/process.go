package stage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is one that was started here.
type process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// stopLimit is how long a process may take to stop when it is asked to.
const stopLimit = 20 * time.Second

// start starts a program whose output goes to a file in dir. It ends with this
// process, whatever becomes of it.
func start(dir, program string, args ...string) (*process, error) {
	log, err := os.CreateTemp(dir, filepath.Base(program)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the process has it
	p := &process{name: filepath.Base(program), log: log.Name(), cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // whoever misses it asks what it said
		close(p.ended)
	}()
	return p, nil
}

// PID is its process id.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Stop asks it to stop, and kills it when it does not.
func (p *process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	late := time.NewTimer(stopLimit)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.cmd.Process.Kill() // fails only when it has ended
		<-p.ended
	}
}

// said is the end of what it printed.
func (p *process) said() string {
	const most = 2000
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(len(b)-most, 0):])
}
