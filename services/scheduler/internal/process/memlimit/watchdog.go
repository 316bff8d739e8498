package memlimit

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// watchdog needs nothing of the kernel but /proc: it adds up the anonymous
// memory of all processes below the opener, who kills them when it is too
// much. Between two samples a tree can exceed its limit, and a page that was
// swapped out counts as well.
type watchdog struct{ root int }

func findWatchdog() (Driver, error) {
	if proctree.Anonymous(os.Getpid()) == 0 {
		return nil, errors.New("/proc/PID/status does not tell RssAnon: it needs Linux 4.5")
	}
	return watchdog{os.Getpid()}, nil
}

// Place implements Driver.
func (d watchdog) Place() Place { return Place{Driver: Watchdog} }

// Open implements Driver.
func (d watchdog) Open(name string, limit int64) (Group, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return &watched{root: d.root, limit: limit}, nil
}

// Reclaim implements Driver: nothing of this driver outlives its opener.
func (d watchdog) Reclaim(name string) error { return checkName(name) }

type watched struct {
	root  int
	limit int64
	peak  int64
}

// Start implements Group.
func (g *watched) Start(start func(*syscall.SysProcAttr) error) error {
	return start(&syscall.SysProcAttr{})
}

// Sample implements Group.
func (g *watched) Sample() (Sample, error) {
	pids, err := proctree.DescendantsFast(g.root)
	if err != nil {
		return Sample{}, err
	}
	var sum int64
	for _, pid := range pids {
		sum += proctree.Anonymous(pid)
	}
	// The sum may count memory more than once. The exact number is expensive, so
	// it is asked for when it matters.
	if len(pids) > 1 && (sum > g.peak || g.exceeds(sum)) {
		sum = min(sum, exact(pids))
	}
	g.peak = max(g.peak, sum)
	s := Sample{Anonymous: sum}
	if g.exceeds(sum) {
		s.AtLimit = true
		s.Exceeded = fmt.Sprintf("watchdog: %d bytes of anonymous memory in %d processes; limit %d bytes", sum, len(pids), g.limit)
	}
	return s, nil
}

func (g *watched) exceeds(n int64) bool { return g.limit > 0 && n > g.limit }

// settle is the age from which on a process is taken to have its own memory.
const settle = 200 * time.Millisecond

// exact adds up the memory of processes and counts none of it twice: neither
// what a process shares with the one that forked it, nor the memory of a
// process that is about to start a program. Between vfork and exec the child is
// its parent in another name, with the same pages; a large program that starts
// a small one must not be killed for that.
func exact(pids []int) int64 {
	stats := make(map[int]proctree.Stat, len(pids))
	for _, pid := range pids {
		if s, err := proctree.ReadStat(pid); err == nil {
			stats[pid] = s
		}
	}
	starting := make(map[int]bool) // children that may still be their parents
	whole := make(map[int]bool)    // and these parents
	for pid, s := range stats {
		parent, ok := stats[s.Parent]
		if ok && s.Age() < settle && sameProgram(pid, parent.PID) {
			starting[pid] = true
			whole[parent.PID] = true
		}
	}
	var sum int64
	for pid := range stats {
		switch share, ok := proctree.AnonymousShare(pid); {
		case starting[pid]:
		case whole[pid] || !ok:
			sum += proctree.Anonymous(pid)
		default:
			sum += share
		}
	}
	return sum
}

// sameProgram reports whether process pid may still run the program of its
// parent. When it does not, its memory is its own from then on.
func sameProgram(pid, parent int) bool {
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return true
	}
	other, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", parent))
	return err != nil || program == other
}

// Kill implements Group.
func (g *watched) Kill() error { return proctree.Kill(g.root, syscall.SIGKILL) }

// Close implements Group.
func (g *watched) Close() error { return nil }
