package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/failpoint"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// Supervise is the main function of the supervisor's process, which Start
// starts; args is the attempt's folder, for people who look at the list of
// processes. It returns the exit code: 0 when the attempt has its exit record
// or is somebody else's, 2 for a wrong use.
//
// The supervisor claims the attempt, runs it, bounds it, and writes down how it
// ended. Nothing that it needs is in the process that started it.
func Supervise(args []string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	// The end of a terminal or of a pipe must not end the attempt.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)

	l, err := readLaunch(os.Stdin)
	if err != nil || len(args) != 1 || args[0] != l.Folder {
		fmt.Fprintln(os.Stderr, "redrive supervise is started by redrive serve alone:", err)
		return 2
	}
	answer := os.NewFile(answerFD, "answer")
	s, err := claimAttempt(l, log)
	switch {
	case err != nil:
		fmt.Fprintln(answer, answerError+err.Error()) //nolint:errcheck // the caller may be gone
		log.Error("claim", "attempt", l.ID, "error", err)
		return 1
	case s == nil:
		fmt.Fprintln(answer, answerTaken) //nolint:errcheck // the caller may be gone
		return 0
	}
	fmt.Fprintln(answer, answerClaimed) //nolint:errcheck // the caller may be gone
	answer.Close()                      //nolint:errcheck // the caller may be gone
	s.stop = stop
	if err := s.run(); err != nil {
		log.Error("supervise", "attempt", l.ID, "error", err)
		return 1
	}
	return 0
}

// supervisor runs one claimed attempt.
type supervisor struct {
	launch
	claim  claim
	log    *slog.Logger
	stop   <-chan os.Signal
	driver memlimit.Driver
}

// claimAttempt claims the attempt of l; nil when it is claimed already.
func claimAttempt(l launch, log *slog.Logger) (*supervisor, error) {
	// Whatever loses its parent becomes a child of this process, so that
	// nothing of the tree gets out of sight.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the reaper of orphans: %w", err)
	}
	self, err := proctree.Self()
	if err != nil {
		return nil, err
	}
	driver, err := memlimit.At(l.Memory)
	if err != nil {
		return nil, err
	}
	c := claim{
		Version: recordVersion, Job: l.ID.Job, Attempt: l.ID.Attempt, Supervisor: self, Key: newKey(),
		Memory: l.Memory, LimitBytes: l.Spec.MemoryLimit, LogBytes: l.LogBytes, Node: l.Node, Time: time.Now(),
	}
	text, err := encode(c)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("supervisor.claim.before")
	created, err := create(l.Folder, claimFile, text)
	if err != nil || !created {
		return nil, err
	}
	failpoint.Hit("supervisor.claim.after")
	return &supervisor{launch: l, claim: c, log: log, driver: driver}, nil
}

// run runs the claimed attempt and writes its exit record.
func (s *supervisor) run() error {
	x, err := s.attempt()
	if err != nil {
		return err
	}
	failpoint.Hit("supervisor.exit.before")
	_, err = writeExit(s.Folder, x)
	failpoint.Hit("supervisor.exit.after")
	return err
}

// attempt runs the program and returns how it ended. When it returns without
// an error nothing of the tree runs.
func (s *supervisor) attempt() (exit, error) {
	x := exit{
		Version: recordVersion, Job: s.ID.Job, Attempt: s.ID.Attempt, Node: s.Node,
		LimitBytes: s.Spec.MemoryLimit, Start: time.Now(),
	}
	if err := reserve(s.Folder); err != nil {
		return x, fmt.Errorf("reserve room for the exit record: %w", err)
	}
	logs, err := openLogs(s.Folder, s.LogBytes)
	if err != nil {
		return x, err
	}
	if k, err := read[kill](s.Folder, killFile); err == nil {
		x.Reason, x.Proof = k.Reason, "killed before it started"
	} else if err := s.runProgram(&x, logs); err != nil {
		return x, err
	}
	if x.End.IsZero() {
		x.End = time.Now()
	}
	if err := removeFiles(s.Folder); err != nil {
		s.log.Warn("remove the attempt's files", "attempt", s.ID, "error", err)
	}
	x.Duration = x.End.Sub(x.Start)
	x.Stdout, x.Stderr, err = logs.finish()
	if err != nil {
		s.log.Warn("finish logs", "attempt", s.ID, "error", err)
	}
	return x, nil
}

// runProgram runs the program in a memory group.
func (s *supervisor) runProgram(x *exit, logs *logs) error {
	group, driver, err := s.openGroup()
	if err != nil {
		return err
	}
	x.MemoryDriver = driver
	failpoint.Hit("supervisor.fork.before")
	if late := s.Spec.NotAfter; late != 0 && Now() > late {
		x.Reason = failure.Lost.String()
		x.Proof = "it was not started in time: its scheduler's lease is not renewed"
		s.closeGroup(group)
		return nil
	}
	pid := 0
	if err = prepare(s.Folder, s.Spec); err == nil {
		pid, err = start(s.Spec, s.workDir(), s.claim.Key, group, logs)
	}
	if err != nil {
		x.Reason = failure.NotStarted.String()
		x.Proof = fmt.Sprintf("cannot start %q: %v", s.Spec.Args[0], err)
		fmt.Fprintf(logs.stderrPipe, "redrive: %s\n", x.Proof) //nolint:errcheck // the record has it too
		s.closeGroup(group)
		return nil
	}
	logs.started()
	failpoint.Hit("supervisor.fork.after")
	x.Start = time.Now()
	t := &tree{
		supervisor: s, group: group, driver: driver, begin: x.Start,
		guard: guard{path: s.Fence, limit: s.FenceLimit, last: s.Spec.NotAfter - Moment(s.FenceLimit)},
	}
	t.watch(pid, x)
	s.closeGroup(group)
	return nil
}

// openGroup opens the attempt's memory group, or one that needs nothing of the
// kernel when the former cannot be made any more. The record tells the driver.
func (s *supervisor) openGroup() (g memlimit.Group, driver string, err error) {
	if g, err = s.driver.Open(groupName(s.claim.Key), s.Spec.MemoryLimit); err == nil {
		return g, s.Memory.Driver, nil
	}
	s.log.Warn("open memory group, go on with the watchdog", "attempt", s.ID, "driver", s.Memory.Driver, "error", err)
	spare, err := memlimit.At(memlimit.Place{Driver: memlimit.Watchdog})
	if err != nil {
		return nil, "", err
	}
	g, err = spare.Open(groupName(s.claim.Key), s.Spec.MemoryLimit)
	return g, memlimit.Watchdog, err
}

// closeGroup only warns: an empty group that stays does no harm, and Sweep
// tries again.
func (s *supervisor) closeGroup(g memlimit.Group) {
	if err := g.Close(); err != nil {
		s.log.Warn("remove memory group", "attempt", s.ID, "error", err)
	}
}

func (s *supervisor) workDir() string {
	if s.Spec.WorkDir != "" {
		return s.Spec.WorkDir
	}
	folder := filepath.Join(s.Folder, workFolder)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		s.log.Warn("make work folder", "attempt", s.ID, "error", err) // then the program cannot start there
	}
	return folder
}
