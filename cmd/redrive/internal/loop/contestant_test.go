package loop

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// measured is what a contestant of bench/ prints; bench/internal/contest reads
// the same.
type measured struct {
	Cycles  int64   `json:"cycles"`  // that ended within the time
	Seconds float64 `json:"seconds"` // that were measured
	CPU     float64 `json:"cpu"`     // seconds of all processes that took part
	Waits   []int64 `json:"waits"`   // microseconds from a failure to the next start
}

// contestant is the program that bench/ runs: cycles on a system of its own, or
// on one that runs already.
func contestant(args []string) int {
	flags := flag.NewFlagSet("cycles", flag.ExitOnError)
	name := flags.String("ailment", "memory", "what the jobs fail of")
	data := flags.String("data", "", "folder of the system that is started")
	connect := flags.String("connect", "", "HOST:PORT of the system that is measured, instead of one that is started")
	token := flags.String("token-file", "", "file with the token of that system")
	pids := flags.String("pids", "", "processes whose CPU time counts besides this one's, as PID,PID")
	open := flags.Int("open", 64, "jobs at once")
	warm := flags.Duration("warm", time.Second, "time that does not count")
	run := flags.Duration("run", 3*time.Second, "time that counts")
	brief := flags.Bool("brief", false, "send short logs")
	profiles := flags.String("profile", "", "folder for profiles of the time that counts")
	_ = flags.Parse(args) // it exits
	m, err := compete(*name, *brief, place{*data, *connect, *token}, *pids, *open, *warm, *run, *profiles)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cycles:", err)
		return 1
	}
	return 0
}

func compete(name string, brief bool, at place, pids string, open int, warm, run time.Duration, profiles string) (m measured, err error) {
	a, ok := ailments[name]
	if !ok {
		return m, fmt.Errorf("ailment %q is not one of memory and transient", name)
	}
	a.brief = brief
	conn, stop, err := at.enter(noDelays)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	parts := []int{os.Getpid()}
	for _, pid := range strings.FieldsFunc(pids, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(pid)
		if err != nil {
			return m, fmt.Errorf("pids: %w", err)
		}
		parts = append(parts, n)
	}
	c := newCycler(conn, a)
	var mu sync.Mutex
	var counts, ended atomic.Bool
	var cycles atomic.Int64
	c.waited = func(d time.Duration) {
		if counts.Load() {
			mu.Lock()
			defer mu.Unlock()
			m.Waits = append(m.Waits, d.Microseconds())
		}
	}
	failed := make(chan error, 1)
	go func() {
		failed <- c.keepOpen(context.Background(), open, func() bool { return !ended.Load() }, func() {
			if counts.Load() {
				cycles.Add(1)
			}
		})
	}()
	wait := func(d time.Duration) error {
		select {
		case err := <-failed:
			return errors.Join(err, errors.New("it ended before its time"))
		case <-time.After(d):
			return nil
		}
	}
	if err := wait(warm); err != nil {
		return m, err
	}
	profiled, err := profile(profiles)
	if err != nil {
		return m, err
	}
	cpu, begin := cpuOf(parts...), time.Now()
	counts.Store(true)
	if err := wait(run); err != nil {
		return m, err
	}
	// A round may be too short for a busy machine: then it lasts until a cycle
	// has ended.
	for cycles.Load() == 0 && time.Since(begin) < run+time.Minute {
		if err := wait(20 * time.Millisecond); err != nil {
			return m, err
		}
	}
	counts.Store(false)
	ended.Store(true)
	m.Seconds, m.CPU, m.Cycles = time.Since(begin).Seconds(), (cpuOf(parts...) - cpu).Seconds(), cycles.Load()
	return m, errors.Join(profiled(), <-failed)
}

// ticks is in how many parts Linux tells a second of CPU time.
const ticks = 100

// cpuOf returns the CPU time of processes; those that are gone count nothing.
func cpuOf(pids ...int) time.Duration {
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
