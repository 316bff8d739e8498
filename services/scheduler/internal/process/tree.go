package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// How often the tree is looked at. A measurement that takes long is made less
// often, so that it takes a tenth of one core at most.
const (
	askEvery      = 100 * time.Millisecond // for a request to kill
	sampleYoung   = 20 * time.Millisecond  // of an attempt younger than young
	sampleEvery   = 100 * time.Millisecond
	sampleWatched = 10 * time.Millisecond // where only the samples enforce the limit
	young         = 2 * time.Second
)

// tree is the running process tree of an attempt.
type tree struct {
	*supervisor
	group     memlimit.Group
	driver    string
	begin     time.Time
	peak      int64
	exceeded  memlimit.Sample  // the last one that had a proof
	ending    failure.Reason   // what the tree is being ended for
	proof     string           // of ending
	grace     <-chan time.Time // when patience with the tree ends
	patience  bool             // false when SIGKILL is due
	complaint string           // the last error that was logged
	guard     guard
}

// watch blocks until the main process has ended and nothing of the tree is
// left, and writes into x how it ended.
func (t *tree) watch(pid int, x *exit) {
	main, empty := make(chan syscall.WaitStatus, 1), make(chan struct{})
	go reap(pid, main, empty)
	t.patience = true
	status := t.untilExit(main)
	x.End = time.Now()
	t.clear(empty)
	t.sample() // the kernel's counters are complete now
	t.conclude(status, x)
}

// reap reaps every child of this process, until there is none. As this process
// is the reaper of all orphans below it, none means that the tree is empty.
func reap(pid int, main chan<- syscall.WaitStatus, empty chan<- struct{}) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD
			close(empty)
			return
		case ended == pid:
			main <- status
		}
	}
}

// untilExit returns the status of the main process, after whatever had to be
// done to make it end.
func (t *tree) untilExit(main <-chan syscall.WaitStatus) syscall.WaitStatus {
	sampling := time.NewTimer(0)
	defer sampling.Stop()
	asking := time.NewTicker(askEvery)
	defer asking.Stop()
	var timeout <-chan time.Time
	if t.Spec.RunTimeout > 0 {
		timeout = time.After(t.Spec.RunTimeout)
	}
	for {
		select {
		case status := <-main:
			return status
		case <-sampling.C:
			begin := time.Now()
			t.sample()
			if t.exceeded.Exceeded != "" {
				t.killAll()
			}
			sampling.Reset(max(t.interval(), 10*time.Since(begin)))
		case <-asking.C:
			t.ask()
			if proof := t.guard.broken(Now()); proof != "" {
				t.endWithin(min(t.Grace, t.guard.limit/4), failure.Lost, proof)
			}
			if !t.patience {
				t.killAll() // again: what was started meanwhile may have been missed
			}
		case <-timeout:
			if len(main) == 0 {
				t.end(failure.TimedOut, fmt.Sprintf("it ran longer than %s", t.Spec.RunTimeout))
			}
		case sig := <-t.stop:
			t.end(failure.Signaled, fmt.Sprintf("the supervisor was told to stop by signal %d (%s)", sig, sig))
		case <-t.grace:
			t.killAll()
		}
	}
}

func (t *tree) interval() time.Duration {
	switch {
	case t.driver == memlimit.Watchdog && t.Spec.MemoryLimit > 0:
		return sampleWatched
	case time.Since(t.begin) < young:
		return sampleYoung
	}
	return sampleEvery
}

func (t *tree) sample() {
	s, err := t.group.Sample()
	if err != nil {
		t.complain("measure memory", err)
		return
	}
	t.peak = max(t.peak, s.Anonymous)
	if s.Exceeded != "" {
		t.exceeded = s
	}
}

// ask looks for a request to kill.
func (t *tree) ask() {
	if t.ending != failure.ReasonNone {
		return
	}
	if reason, proof := killRequest(t.Folder); reason != failure.ReasonNone {
		t.end(reason, proof)
	}
}

// killRequest reads the request to kill the attempt; ReasonNone when there is
// none. One that cannot be read is still one.
func killRequest(folder string) (r failure.Reason, proof string) {
	k, err := read[kill](folder, killFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return failure.ReasonNone, ""
	case err != nil:
		return failure.WasCancelled, fmt.Sprintf("a request to kill it: %v", err)
	}
	r, _ = k.reason() // it was checked when it was read
	return r, "the scheduler asked for it at " + k.Time.UTC().Format(time.RFC3339Nano)
}

// end asks the tree to end, and later makes it. The first reason counts.
func (t *tree) end(r failure.Reason, proof string) { t.endWithin(t.Grace, r, proof) }

// endWithin is end with another grace.
func (t *tree) endWithin(grace time.Duration, r failure.Reason, proof string) {
	if t.ending != failure.ReasonNone {
		return
	}
	t.ending, t.proof = r, proof
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} { // a stopped process must hear it too
		if err := proctree.Kill(os.Getpid(), sig); err != nil {
			t.complain("ask processes to end", err)
		}
	}
	t.grace = time.After(grace)
}

func (t *tree) killAll() {
	t.patience = false
	if err := t.group.Kill(); err != nil {
		t.complain("kill memory group", err)
	}
	// A program that may can leave its group, but not its ancestors.
	if err := proctree.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		t.complain("kill processes", err)
	}
}

// clearEvery bounds the pause between two looks at a tree that takes its time
// to die.
const clearEvery = 200 * time.Millisecond

// clear kills what is left of the tree and returns when nothing is.
func (t *tree) clear(empty <-chan struct{}) {
	for pause := time.Millisecond; ; pause = min(2*pause, clearEvery) {
		select {
		case <-empty:
			return
		case <-time.After(pause):
			t.killAll()
		}
	}
}

// complain logs an error once, not at every look.
func (t *tree) complain(what string, err error) {
	if text := what + err.Error(); text != t.complaint {
		t.complaint = text
		t.log.Warn(what, "attempt", t.ID, "error", err)
	}
}

// conclude says why the main process ended.
func (t *tree) conclude(status syscall.WaitStatus, x *exit) {
	reason, proof := failure.Exited, ""
	if status.Exited() {
		code := status.ExitStatus()
		x.ExitCode = &code
		proof = fmt.Sprintf("exit code %d", code)
	} else {
		x.Signal = int(status.Signal())
		reason = failure.Signaled
		proof = fmt.Sprintf("signal %d (%s)", x.Signal, unix.SignalName(status.Signal()))
	}
	switch {
	case t.ending != failure.ReasonNone:
		reason, proof = t.ending, t.proof
	case t.exceeded.Exceeded == "":
	case status.Exited() && status.ExitStatus() == 0:
		proof += "; " + t.exceeded.Exceeded // it did without what was killed
	default:
		reason, proof = failure.OutOfMemory, t.exceeded.Exceeded
	}
	if t.exceeded.AtLimit {
		// All that could be given back was, and the limit was reached; that may
		// have been too quick for a sample.
		t.peak = max(t.peak, t.Spec.MemoryLimit)
	}
	x.Reason, x.Proof, x.PeakBytes = reason.String(), proof, &t.peak
}
