package runner_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// machine executes attempts in memory: they end when the test says so. It
// outlives runners, as supervisors do.
type machine struct {
	mu      sync.Mutex
	runs    map[process.ID]*run
	started chan process.ID // every real start
	swept   chan struct{}   // gets a value after a sweep
	active  int
	most    int   // attempts at the same time
	deaf    int   // kills that fail
	broken  error // of starts
}

type run struct {
	starts int
	spec   process.Spec
	done   chan struct{}
	result process.Result
}

func newMachine() *machine {
	return &machine{runs: map[process.ID]*run{}, started: make(chan process.ID, 100), swept: make(chan struct{}, 1)}
}

func (m *machine) Start(_ context.Context, id process.ID, s process.Spec) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs[id] != nil {
		return nil
	}
	if m.broken != nil {
		return m.broken
	}
	m.active++
	m.most = max(m.most, m.active)
	m.runs[id] = &run{starts: 1, spec: s, done: make(chan struct{})}
	m.started <- id
	return nil
}

func (m *machine) Wait(ctx context.Context, id process.ID) (process.Result, error) {
	m.mu.Lock()
	r := m.runs[id]
	m.mu.Unlock()
	if r == nil {
		return process.Result{}, errs.New(errs.NotFound, "%v was not started", id)
	}
	select {
	case <-ctx.Done():
		return process.Result{}, ctx.Err()
	case <-r.done:
		return r.result, nil
	}
}

func (m *machine) Kill(_ context.Context, id process.ID, reason failure.Reason) error {
	m.mu.Lock()
	m.deaf--
	deaf := m.deaf >= 0
	m.mu.Unlock()
	if deaf {
		return errs.New(errs.Unavailable, "no room for the request")
	}
	m.end(id, process.Result{Evidence: failure.Evidence{Reason: reason, Signal: 15}})
	return nil
}

func (m *machine) Folder(id process.ID) string { return "/nonexistent/" + id.Job }

func (m *machine) Sweep(context.Context, func(process.ID) bool) error {
	select {
	case m.swept <- struct{}{}:
	default:
	}
	return nil
}

func (m *machine) Running(context.Context) ([]process.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []process.ID
	for id, r := range m.runs {
		select {
		case <-r.done:
		default:
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (m *machine) knows(id process.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id] != nil
}

func (m *machine) spec(id process.ID) process.Spec {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id].spec
}

func (m *machine) end(id process.ID, res process.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs[id] == nil { // it never starts
		m.runs[id] = &run{done: make(chan struct{}), result: res}
		close(m.runs[id].done)
		return
	}
	select {
	case <-m.runs[id].done:
	default:
		m.active--
		m.runs[id].result = res
		close(m.runs[id].done)
	}
}

// configs resolves with what the test sets.
type configs struct {
	mu    sync.Mutex
	res   runner.Resolution
	err   error
	asked func() // when it is asked
}

func (c *configs) Resolve(_ context.Context, j job.Job) (runner.Resolution, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	res := c.res
	if c.asked != nil {
		c.asked()
	}
	if res.Config.None() {
		res.Config = j.Config
	}
	return res, c.err
}

func (c *configs) set(res runner.Resolution, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.res, c.err = res, err
}

// flaky is a store that may be away, or say that it is although it commits.
type flaky struct {
	docstore.Store
	mu   sync.Mutex
	away bool
	lies int // commits that are done and denied
}

var errAway = errs.New(errs.Unavailable, "the store is away")

func (f *flaky) set(away bool, lies int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away, f.lies = away, lies
}

func (f *flaky) gone() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errAway
	}
	return nil
}

func (f *flaky) Get(ctx context.Context, kind, id string) (docstore.Doc, error) {
	if err := f.gone(); err != nil {
		return docstore.Doc{}, err
	}
	return f.Store.Get(ctx, kind, id)
}

func (f *flaky) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	if err := f.gone(); err != nil {
		return docstore.Page{}, err
	}
	return f.Store.List(ctx, q)
}

func (f *flaky) Commit(ctx context.Context, writes ...docstore.Write) error {
	if err := f.gone(); err != nil {
		return err
	}
	err := f.Store.Commit(ctx, writes...)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.lies > 0 {
		f.lies--
		return errAway
	}
	return err
}

// world is one scheduler's surroundings.
type world struct {
	t       *testing.T
	db      *flaky
	docs    *store.Store
	machine *machine
	configs *configs
	runner  *runner.Runner
	stop    func()
}

func newWorld(t *testing.T, o runner.Options) *world {
	w := &world{t: t, db: &flaky{Store: storetest.Open(t)}, machine: newMachine(), configs: &configs{}}
	// Nothing relays the events here: what they say is the store's and wire's.
	w.docs = store.New(w.db, outbox.New(w.db, nil, "scheduler", nil, nil))
	w.start(o)
	return w
}

// start runs a new runner on the same store and machine, as a new process would.
func (w *world) start(o runner.Options) {
	table, err := policy.Load([]byte(`classes: {"*": {base_delay: 0s}}`))
	if err != nil {
		w.t.Fatal(err)
	}
	w.runner = runner.New(w.docs, w.machine, w.configs, table, o, slog.New(slog.DiscardHandler), nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.runner.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("runner: %v", err)
		}
	})
	w.t.Cleanup(func() { w.stop() })
}

// configOf returns an object as a configuration.
func configOf(object map[string]any) job.Config {
	c, err := job.NewConfig(object)
	if err != nil {
		panic(err) // the tests' own values
	}
	return c
}

func submission(id string) runner.Submission {
	return runner.Submission{JobID: id, Job: job.Job{
		Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Task: &job.Task{Args: []string{"x", "{{config.memory_mb}}"}},
		Config: configOf(map[string]any{"memory_mb": 64.0}),
	}}
}

func (w *world) submit(id string) job.Job {
	w.t.Helper()
	j, err := w.runner.Submit(w.t.Context(), submission(id))
	if err != nil {
		w.t.Fatalf("submit: %v", err)
	}
	return j
}

// until waits for a job to satisfy want.
func (w *world) until(id string, want func(job.Job) bool) job.Job {
	w.t.Helper()
	changes, end, err := w.runner.Watch(id)
	if err != nil {
		w.t.Fatal(err)
	}
	defer end()
	for {
		j, err := w.docs.Job(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		if want(j) {
			return j
		}
		select {
		case <-changes:
		case <-w.t.Context().Done():
			w.t.Fatalf("job %q stays %v: %s", id, j.State, j.Reason)
		}
	}
}

func in(s job.State) func(job.Job) bool { return func(j job.Job) bool { return j.State == s } }

func (w *world) decide(j job.Job, n int, c failure.Class, change func(*policy.Verdict)) job.Job {
	w.t.Helper()
	m, _ := failure.MeaningOf(c)
	v := policy.Verdict{Failure: "failures/f", Class: c, Category: m.Category, Verdict: m.Verdict}
	if change != nil {
		change(&v)
	}
	after, err := w.runner.Decide(w.t.Context(), runner.Classified{Report: runner.Report{Ref: j.Ref(n), Job: j, Told: true}, Verdict: v})
	if err != nil {
		w.t.Fatalf("decide: %v", err)
	}
	return after
}
