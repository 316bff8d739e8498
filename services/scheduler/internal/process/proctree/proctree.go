// Package proctree reads processes from /proc: who they are, whose children
// they are and how much memory they hold. It never trusts a pid alone.
package proctree

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stat is one process at one moment.
type Stat struct {
	PID, Parent, Session int
	State                byte   // as in proc(5): 'R', 'S', 'Z' …
	Threads              int    // those that ended and wait to be reaped among them
	Start                uint64 // clock ticks from boot to the start of the process
}

// Dead reports whether the process has ended and only waits to be reaped. One
// whose first thread alone has ended looks like a zombie too, but runs.
func (s Stat) Dead() bool {
	return (s.State == 'Z' || s.State == 'X' || s.State == 'x') && s.Threads <= 1
}

// ReadStat reads process pid; a process that is gone is os.ErrNotExist.
func ReadStat(pid int) (Stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, gone(err)
	}
	return parseStat(text)
}

// parseStat reads the text of /proc/PID/stat. The name of the program is in
// parentheses and may itself have spaces and parentheses.
func parseStat(text []byte) (Stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return Stat{}, fmt.Errorf("process stat %q has no name in parentheses", text)
	}
	fields := bytes.Fields(text[end+1:]) // from field 3 of proc(5) on
	if len(fields) < 20 || len(fields[0]) != 1 {
		return Stat{}, fmt.Errorf("process stat %q has too few fields", text)
	}
	s := Stat{State: fields[0][0]}
	var errPID, errParent, errSession, errThreads, errStart error
	s.PID, errPID = strconv.Atoi(string(bytes.TrimSpace(text[:open])))
	s.Parent, errParent = strconv.Atoi(string(fields[1]))
	s.Session, errSession = strconv.Atoi(string(fields[3]))
	s.Threads, errThreads = strconv.Atoi(string(fields[17]))
	s.Start, errStart = strconv.ParseUint(string(fields[19]), 10, 64)
	if err := errors.Join(errPID, errParent, errSession, errThreads, errStart); err != nil {
		return Stat{}, fmt.Errorf("read process stat: %w", err)
	}
	return s, nil
}

// gone makes both errors of a process that ended while it was read
// os.ErrNotExist.
func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrNotExist
	}
	return err
}

// All reads all processes; those that end meanwhile are left out.
func All() ([]Stat, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := proc.Readdirnames(-1)
	proc.Close() //nolint:errcheck // it was only read
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []Stat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := ReadStat(pid); err == nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// Descendants returns the processes below process root, which is not among
// them, and leaves out those that are dead. It reads every process there is,
// so that it misses none that exists when it begins.
func Descendants(root int) ([]Stat, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	below := make(map[int][]Stat)
	for _, s := range all {
		below[s.Parent] = append(below[s.Parent], s)
	}
	var found []Stat
	seen := map[int]bool{root: true}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, s := range below[queue[0]] {
			if seen[s.PID] { // pids were used again while they were read
				continue
			}
			seen[s.PID] = true
			queue = append(queue, s.PID)
			if !s.Dead() {
				found = append(found, s)
			}
		}
	}
	return found, nil
}

// DescendantsFast returns the pids below process root at a cost that depends
// on their number alone. It may miss some while processes come and go: it is
// for measuring, not for killing.
func DescendantsFast(root int) ([]int, error) {
	var found []int
	seen := map[int]bool{root: true}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		children, err := children(queue[0])
		if err != nil {
			return slowly(root)
		}
		for _, pid := range children {
			if !seen[pid] {
				seen[pid] = true
				queue = append(queue, pid)
				found = append(found, pid)
			}
		}
	}
	return found, nil
}

// slowly is DescendantsFast for kernels that do not list children.
func slowly(root int) ([]int, error) {
	stats, err := Descendants(root)
	pids := make([]int, len(stats))
	for i, s := range stats {
		pids[i] = s.PID
	}
	return pids, err
}

// children returns the children of all threads of process pid; none when it is
// gone. It is an error where the kernel does not list children.
func children(pid int) ([]int, error) {
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	dir, err := os.Open(tasks)
	if err != nil {
		return nil, nil //nolint:nilerr // the process is gone
	}
	threads, err := dir.Readdirnames(-1)
	dir.Close() //nolint:errcheck // it was only read
	if err != nil {
		return nil, nil //nolint:nilerr // the process is gone
	}
	var pids []int
	for _, thread := range threads {
		folder := filepath.Join(tasks, thread)
		text, err := os.ReadFile(filepath.Join(folder, "children"))
		if err != nil {
			if _, there := os.Stat(filepath.Join(folder, "stat")); there == nil && errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			continue // the thread is gone
		}
		for field := range bytes.FieldsSeq(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids, nil
}

// Kill sends sig to all processes below process root, which is left alone.
// Processes that are started meanwhile may be missed. It returns the first
// error other than that a process is gone, after it tried all.
func Kill(root int, sig syscall.Signal) error {
	stats, err := Descendants(root)
	if err != nil {
		return err
	}
	boot, err := BootID()
	if err != nil {
		return err
	}
	var first error
	for _, s := range stats {
		err := Identity{PID: s.PID, Start: s.Start, Boot: boot}.Signal(sig)
		if err != nil && !errors.Is(err, os.ErrProcessDone) && first == nil {
			first = fmt.Errorf("signal process %d: %w", s.PID, err)
		}
	}
	return first
}

// ticksPerSecond is the unit of Stat.Start; the kernel never tells another one.
const ticksPerSecond = 100

// Age returns how long ago the process was started.
func (s Stat) Age() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano()) - time.Duration(s.Start)*(time.Second/ticksPerSecond)
}
