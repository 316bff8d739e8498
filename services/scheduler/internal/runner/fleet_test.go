package runner_test

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

const lostAfter = 2 * time.Second // by the clock of the fleet, which the test turns

// fleet is several replicas of the scheduler over one store.
type fleet struct {
	t     *testing.T
	db    *flaky
	docs  *store.Store
	hosts []*host

	mu      sync.Mutex
	started map[process.ID]string // where
	broken  []string              // promises that were broken
}

// host is one replica with its machine, which outlives it.
type host struct {
	*machine
	name    string
	fleet   *fleet
	configs *configs
	gate    func() // called before a start
	current atomic.Pointer[runner.Runner]
	stop    func()

	leaseMu sync.Mutex
	alive   bool
	unseen  time.Duration
	ahead   process.Moment // of its clock, since it froze
}

func newFleet(t *testing.T, db docstore.Store, names ...string) *fleet {
	f := &fleet{t: t, db: &flaky{Store: db}, started: map[process.ID]string{}}
	// Each has its own outbox in truth; what it says is not looked at here.
	f.docs = store.New(f.db, outbox.New(f.db, nil, "scheduler", nil, nil))
	for _, name := range names {
		f.hosts = append(f.hosts, &host{machine: newMachine(), name: name, fleet: f, configs: &configs{}})
	}
	return f
}

// start runs a replica, or runs it again.
func (h *host) start(o runner.Options) {
	table, err := policy.Load([]byte(`classes: {"*": {base_delay: 0s}}`))
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	h.seen(true, 0)
	o.Peers = &runner.Peers{Replica: h.name, Leases: h, Fence: h, LostAfter: lostAfter}
	run := runner.New(h.fleet.docs, h, h.configs, table, o, slog.New(slog.DiscardHandler), nil)
	h.current.Store(run)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.fleet.t.Errorf("runner %s: %v", h.name, err)
		}
	})
	h.fleet.t.Cleanup(func() { h.stop() })
}

// freeze lets time pass that the replica does not see.
func (h *host) freeze(d time.Duration) {
	h.leaseMu.Lock()
	defer h.leaseMu.Unlock()
	h.ahead += process.Moment(d)
	h.alive, h.unseen = false, d
}

// runner is the replica as it runs, or ran last.
func (h *host) runner() *runner.Runner { return h.current.Load() }

// seen says what the other replicas see of this one.
func (h *host) seen(alive bool, unseen time.Duration) {
	h.leaseMu.Lock()
	defer h.leaseMu.Unlock()
	h.alive, h.unseen = alive, unseen
}

// Holds implements runner.Leases: those alive share evenly.
func (h *host) Holds(key string) bool {
	var alive []*host
	for _, other := range h.fleet.hosts {
		other.leaseMu.Lock()
		if other.alive {
			alive = append(alive, other)
		}
		other.leaseMu.Unlock()
	}
	sum := fnv.New32a()
	sum.Write([]byte(key))
	return len(alive) > 0 && alive[int(sum.Sum32())%len(alive)] == h
}

// Unseen implements runner.Leases.
func (h *host) Unseen(_ context.Context, replica string) (time.Duration, error) {
	for _, other := range h.fleet.hosts {
		if other.name == replica {
			other.leaseMu.Lock()
			defer other.leaseMu.Unlock()
			return other.unseen, nil
		}
	}
	return 0, errs.New(errs.NotFound, "no replica %q", replica)
}

// Until implements runner.Fence.
func (h *host) Until() process.Moment {
	h.leaseMu.Lock()
	defer h.leaseMu.Unlock()
	if !h.alive {
		return 1
	}
	return process.Now() + h.ahead + process.Moment(lostAfter*2/3)
}

// Start implements runner.Executor, and looks whether it may happen at all.
func (h *host) Start(ctx context.Context, id process.ID, s process.Spec) error {
	if h.gate != nil {
		h.gate()
	}
	h.leaseMu.Lock()
	ahead := h.ahead
	h.leaseMu.Unlock()
	if process.Now()+ahead > s.NotAfter {
		return errs.New(errs.Unavailable, "too late")
	}
	f := h.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.knows(id) {
		return nil
	}
	if where, again := f.started[id]; again {
		f.broken = append(f.broken, id.String()+" starts at "+h.name+" and at "+where)
	}
	f.started[id] = h.name
	for _, other := range f.hosts {
		ids, err := other.Running(ctx)
		if err != nil {
			return err
		}
		for _, running := range ids {
			if running.Job == id.Job {
				f.broken = append(f.broken, id.String()+" starts while "+running.String()+" runs")
			}
		}
	}
	return h.machine.Start(ctx, id, s)
}

// die stops the replica; its attempts go on until the fence.
func (h *host) die() {
	h.stop()
	h.seen(false, 0)
}

// lose is what happens when a replica stays away: its fence ends what runs there,
// and then the others may take it for lost.
func (h *host) lose() {
	h.fence()
	h.seen(false, lostAfter)
}

func (h *host) fence() {
	ids, err := h.Running(context.Background())
	if err != nil {
		h.fleet.t.Error(err)
	}
	for _, id := range ids {
		h.end(id, process.Result{Evidence: failure.Evidence{Reason: failure.Lost}})
	}
}

func (f *fleet) check() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, what := range f.broken {
		f.t.Error(what)
	}
}

func (f *fleet) submit(h *host, id string) job.Job {
	f.t.Helper()
	j, err := h.runner().Submit(f.t.Context(), submission(id))
	if err != nil {
		f.t.Fatalf("submit at %s: %v", h.name, err)
	}
	return j
}

// until waits for a job to satisfy want, by looking: what one replica does is
// not told to the others here.
func (f *fleet) until(id string, want func(job.Job) bool) job.Job {
	f.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		j, err := f.docs.Job(f.t.Context(), id)
		if err != nil && !errs.Is(err, errs.Unavailable) {
			f.t.Fatal(err)
		}
		if err == nil && want(j) {
			return j
		}
		select {
		case <-tick.C:
		case <-f.t.Context().Done():
			f.t.Fatalf("job %q stays %v: %s", id, j.State, j.Reason)
		}
	}
}

// decide delivers the verdict on attempt n to replicas, to all at the same time.
func (f *fleet) decide(j job.Job, n int, to ...*host) error {
	m, _ := failure.MeaningOf(failure.Preemption)
	c := runner.Classified{
		Report:  runner.Report{Ref: j.Ref(n), Job: j, Told: true},
		Verdict: policy.Verdict{Failure: "failures/f", Class: failure.Preemption, Category: m.Category, Verdict: m.Verdict},
	}
	failed := make([]error, len(to))
	var all sync.WaitGroup
	for i, h := range to {
		all.Go(func() { _, failed[i] = h.runner().Decide(f.t.Context(), c) })
	}
	all.Wait()
	return errors.Join(failed...)
}
