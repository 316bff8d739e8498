package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// corruptFile is where an exit record is kept that cannot be read.
const corruptFile = "exit.corrupt"

// recover writes the exit record of an attempt that has no supervisor any more
// and left none, or one that cannot be read.
func (e *Executor) recover(ctx context.Context, id ID, c claim) (exit, error) {
	folder := e.folder(id)
	unlock, err := lock(folder) // other servers and other calls do the same
	if err != nil {
		return exit{}, err
	}
	defer unlock()
	x, err := readExit(folder, id)
	if err == nil {
		return x, nil
	}
	corrupt := errors.Is(err, errCorrupt)
	if !corrupt && !errors.Is(err, os.ErrNotExist) {
		return x, err
	}
	x = exit{
		Version: recordVersion, Job: id.Job, Attempt: id.Attempt, Reason: failure.Lost.String(), Node: c.Node,
		LimitBytes: c.LimitBytes, MemoryDriver: c.Memory.Driver, Start: c.Time, End: time.Now(),
	}
	log := e.options.Log.Warn
	if c.Void {
		reason, proof := killRequest(folder)
		x.Reason, x.Proof, x.MemoryDriver = reason.String(), "killed before it started: "+proof, ""
		log = e.options.Log.Debug
	} else if x.Proof, err = e.bury(ctx, folder, c); err != nil {
		return x, err
	}
	if corrupt {
		x.Proof += "; its exit record is corrupt"
		if err := os.Rename(filepath.Join(folder, exitFile), filepath.Join(folder, corruptFile)); err != nil {
			return x, err
		}
	}
	if _, err := writeExit(folder, x); err != nil {
		return x, err
	}
	log("attempt ended without its supervisor", "attempt", id, "reason", x.Reason, "proof", x.Proof)
	return x, nil
}

// bury kills what is left of a lost attempt and completes its logs.
func (e *Executor) bury(ctx context.Context, folder string, c claim) (proof string, err error) {
	killed, err := killLeftOver(ctx, c)
	if err != nil {
		return "", errs.New(errs.Unavailable, "kill what is left of it: %w", err)
	}
	if err := removeFiles(folder); err != nil {
		e.options.Log.Warn("remove the attempt's files", "folder", folder, "error", err)
	}
	if err := joinLogs(folder, c.LogBytes); err != nil {
		e.options.Log.Warn("join logs", "folder", folder, "error", err)
	}
	if !c.Supervisor.ThisBoot() {
		return fmt.Sprintf("the host was started anew while supervisor %d ran", c.Supervisor.PID), nil
	}
	return fmt.Sprintf("supervisor %d is gone and left no exit record; %d processes that were left were killed",
		c.Supervisor.PID, killed), nil
}

// lock keeps all others from recovering the same attempt.
func lock(folder string) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil //nolint:errcheck // it was only a lock
}

// lookTwice is the pause before a tree without processes is looked at again: a
// process that is just being replaced by a program has no environment.
const lookTwice = 20 * time.Millisecond

// killLeftOver kills all processes of a lost attempt and removes its memory
// group. It returns when nothing of the attempt runs.
func killLeftOver(ctx context.Context, c claim) (killed int, err error) {
	if !c.Supervisor.ThisBoot() {
		return 0, nil
	}
	driver, err := memlimit.At(c.Memory)
	if err != nil {
		return 0, err
	}
	for empty := 0; empty < 2; {
		left, err := leftOver(c)
		if err != nil {
			return killed, err
		}
		empty++
		for _, p := range left {
			empty = 0
			if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return killed, fmt.Errorf("kill process %d: %w", p.PID, err)
			}
			killed++
		}
		err = driver.Reclaim(groupName(c.Key))
		if errors.Is(err, syscall.EBUSY) {
			empty, err = 0, nil // what was killed takes its time
		}
		if err != nil {
			return killed, err
		}
		for _, p := range left {
			if err := p.Wait(ctx); err != nil {
				return killed, err
			}
		}
		select {
		case <-ctx.Done():
			return killed, ctx.Err()
		case <-time.After(lookTwice):
		}
	}
	return killed, nil
}

// leftOver finds the processes of an attempt whose supervisor is gone: those
// with its key in their environment, those of its session, and their
// descendants.
func leftOver(c claim) ([]proctree.Identity, error) {
	all, err := proctree.All()
	if err != nil {
		return nil, err
	}
	byPID := make(map[int]proctree.Stat, len(all))
	for _, s := range all {
		byPID[s.PID] = s
	}
	// A session keeps its number as long as it has a process. When its leader is
	// another process than the supervisor, the number is in use again.
	leader, ok := byPID[c.Supervisor.PID]
	ourSession := !ok || leader.Start == c.Supervisor.Start
	marked := make(map[int]bool)
	for _, s := range all {
		if s.Start < c.Supervisor.Start || s.Dead() {
			continue
		}
		marked[s.PID] = ourSession && s.Session == c.Supervisor.PID || hasKey(s.PID, c.Key)
	}
	var left []proctree.Identity
	for _, s := range all {
		if s.Dead() || s.PID == os.Getpid() {
			continue
		}
		if isBelow(s, byPID, marked) {
			left = append(left, proctree.Identity{PID: s.PID, Start: s.Start, Boot: c.Supervisor.Boot})
		}
	}
	return left, nil
}

// isBelow reports whether s or one of its ancestors is marked.
func isBelow(s proctree.Stat, byPID map[int]proctree.Stat, marked map[int]bool) bool {
	for range len(byPID) { // pids may have been used again meanwhile, in a circle
		if marked[s.PID] {
			return true
		}
		parent, ok := byPID[s.Parent]
		if !ok {
			return false
		}
		s = parent
	}
	return false
}

// maxEnvironment bounds what is read of a process's environment in bytes.
const maxEnvironment = 4 << 20

func hasKey(pid int, key string) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false // gone, or of another user and so not started here
	}
	defer f.Close() //nolint:errcheck // it was only read
	environment, err := io.ReadAll(io.LimitReader(f, maxEnvironment))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if string(entry) == keyVariable+"="+key {
			return true
		}
	}
	return false
}
