package contest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Meter counts what a contestant does within the time that counts.
type Meter struct {
	counts atomic.Bool
	cycles atomic.Int64
	mu     sync.Mutex
	waits  []int64
}

// Cycled tells that a job succeeded.
func (m *Meter) Cycled() {
	if m.counts.Load() {
		m.cycles.Add(1)
	}
}

// Waited tells how long it took from a failure to the next start.
func (m *Meter) Waited(d time.Duration) {
	if m.counts.Load() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waits = append(m.waits, d.Microseconds())
	}
}

// Span is how long a round lasts.
type Span struct {
	Warm, Run time.Duration // the first does not count
}

// Measure waits for both parts of the span, and for a first cycle, and returns
// what was counted. The CPU time is that of this process and the given ones. It
// returns early when ctx ends.
func (m *Meter) Measure(ctx context.Context, s Span, pids ...int) (Result, error) {
	pids = append(pids, os.Getpid())
	if err := pause(ctx, s.Warm); err != nil {
		return Result{}, err
	}
	cpu, begin := CPUTime(pids...), time.Now()
	m.counts.Store(true)
	if err := pause(ctx, s.Run); err != nil {
		return Result{}, err
	}
	for m.cycles.Load() == 0 && time.Since(begin) < s.Run+patience {
		if err := pause(ctx, look); err != nil {
			return Result{}, err
		}
	}
	m.counts.Store(false)
	r := Result{Seconds: time.Since(begin).Seconds(), CPU: (CPUTime(pids...) - cpu).Seconds(), Cycles: m.cycles.Load()}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Waits = m.waits
	return r, nil
}

// A round may be too short for a busy machine: then it lasts until a cycle has
// ended, within reason.
const (
	patience = time.Minute
	look     = 20 * time.Millisecond
)

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ticks is in how many parts Linux tells a second of CPU time.
const ticks = 100

// CPUTime returns the CPU time of processes; those that are gone count nothing.
func CPUTime(pids ...int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			continue
		}
		// The name, in brackets, may have spaces in it.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		for _, f := range fields[11:13] { // utime and stime
			n, _ := strconv.ParseInt(f, 10, 64) // the kernel's own number
			sum += time.Duration(n) * time.Second / ticks
		}
	}
	return sum
}
