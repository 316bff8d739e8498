package proctree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Identity names one process for ever: no other process ever has the same.
type Identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks from boot to the start of the process
	Boot  string `json:"boot"`  // the kernel's id of this boot
}

// BootID returns the kernel's id of this boot.
var BootID = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(text)), err
})

// Self returns the identity of this process.
func Self() (Identity, error) {
	boot, err := BootID()
	if err != nil {
		return Identity{}, fmt.Errorf("read boot id: %w", err)
	}
	s, err := ReadStat(os.Getpid())
	if err != nil {
		return Identity{}, fmt.Errorf("read own process: %w", err)
	}
	return Identity{PID: s.PID, Start: s.Start, Boot: boot}, nil
}

// Alive reports whether the process runs; one that waits to be reaped does not.
func (i Identity) Alive() bool {
	if !i.ThisBoot() {
		return false
	}
	s, err := ReadStat(i.PID)
	return err == nil && s.Start == i.Start && !s.Dead()
}

// ThisBoot reports whether the process was started since the host's last boot.
func (i Identity) ThisBoot() bool {
	boot, err := BootID()
	return err == nil && i.Boot == boot
}

// Signal sends sig to the process and never to another one. A process that is
// gone is os.ErrProcessDone.
func (i Identity) Signal(sig syscall.Signal) error {
	fd, err := i.open(0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // old kernel, or a filter of system calls
		if !i.Alive() {
			return os.ErrProcessDone
		}
		return done(syscall.Kill(i.PID, sig))
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	return done(unix.PidfdSendSignal(fd, sig, nil, 0))
}

func done(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// open returns a pidfd of the process.
func (i Identity) open(flags int) (fd int, err error) {
	if i.PID <= 0 {
		return -1, os.ErrProcessDone
	}
	fd, err = unix.PidfdOpen(i.PID, flags)
	if err != nil {
		if errors.Is(err, unix.EINVAL) { // the pid is a thread's now
			return -1, os.ErrProcessDone
		}
		return -1, done(err)
	}
	if !i.Alive() { // the pid is another process's by now
		unix.Close(fd) //nolint:errcheck // nothing was written
		return -1, os.ErrProcessDone
	}
	return fd, nil
}

// lookAgain is how often a process is looked at where the kernel cannot tell
// when it ends.
const lookAgain = 200 * time.Millisecond

// Wait blocks until the process is gone, which is nil, or ctx is done.
func (i Identity) Wait(ctx context.Context) error {
	fd, err := i.open(unix.PIDFD_NONBLOCK)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return i.poll(ctx)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close() //nolint:errcheck // nothing was written
	conn, err := f.SyscallConn()
	if err != nil {
		return i.poll(ctx)
	}
	stop := context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) }) //nolint:errcheck // without deadlines, Read below fails at once
	defer stop()
	err = conn.Read(func(fd uintptr) bool {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, 0)
		return err == nil && n > 0
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || i.Alive() {
		return i.poll(ctx)
	}
	return nil
}

func (i Identity) poll(ctx context.Context) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for i.Alive() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}
