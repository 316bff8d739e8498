// Package peer has what Redrive is compared with: programs that bring jobs to
// success that fail twice, and the disk itself. Each attempt does nothing; 64
// jobs are open; each retry is at once.
package peer

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/redrive-io/redrive/bench/internal/contest"
)

// Options are the same for every peer.
type Options struct {
	Dir  string // for its files, on the disk that is measured
	Open int    // jobs at once
	contest.Span
}

// peers by name.
var peers = map[string]func(context.Context, Options) (contest.Result, error){
	"asynq":              runAsynq,
	"jetstream":          func(ctx context.Context, o Options) (contest.Result, error) { return runJetStream(ctx, o, true) },
	"jetstream-interval": func(ctx context.Context, o Options) (contest.Result, error) { return runJetStream(ctx, o, false) },
	"pebble":             runPebble,
	"fsync":              runFsync,
}

// Run measures one peer once.
func Run(ctx context.Context, name string, o Options) (contest.Result, error) {
	run, ok := peers[name]
	if !ok {
		names := make([]string, 0, len(peers))
		for n := range peers {
			names = append(names, n)
		}
		sort.Strings(names)
		return contest.Result{}, fmt.Errorf("peer %q is not one of %s", name, strings.Join(names, ", "))
	}
	return run(ctx, o)
}

// stateSize is what is kept of a job: about as much as Redrive's own record.
const stateSize = 1024

// job is the one that is open in a slot; when it has succeeded, the next one
// takes its place.
type job struct {
	mu      sync.Mutex
	attempt int
	failed  time.Time
}

// jobs are those that are open.
type jobs struct {
	meter contest.Meter
	slots []job
}

func newJobs(open int) *jobs { return &jobs{slots: make([]job, open)} }

// start begins an attempt of the job in a slot and reports whether it fails.
func (j *jobs) start(slot int) (fails bool) {
	s := &j.slots[slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempt++; s.attempt > 1 {
		j.meter.Waited(time.Since(s.failed))
	}
	if s.attempt < 3 {
		s.failed = time.Now()
		return true
	}
	return false
}

// succeeded ends the job in a slot; the next one can take its place.
func (j *jobs) succeeded(slot int) {
	s := &j.slots[slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt = 0
	j.meter.Cycled()
}
