// Package scheduler owns jobs, attempts and decisions: it runs what it is given,
// asks what a failure means, and retries, waits or stops.
package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/lease"
	"github.com/redrive-io/redrive/pkg/outbox"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/events"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/server"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// Options are an operator's settings. Attempts and Supervisor are required; the
// other zero values mean the defaults.
type Options struct {
	// Attempts is the folder of the attempts' folders.
	Attempts string
	// Supervisor is the command that calls Supervise with the arguments after
	// it.
	Supervisor []string
	// MemoryDriver enforces memory limits: "cgroup2", "cgroup1", "watchdog", or
	// empty for the first of these that works here.
	MemoryDriver string
	// RetryPolicy is a YAML file that changes what the classes mean; see
	// docs/retries.md. Empty keeps the defaults.
	RetryPolicy string
	// MaxRunning bounds the attempts that run at the same time; 16 when 0.
	MaxRunning int
	// VerdictTimeout is how long a failure may stand without a verdict before
	// the plain policy decides; 30 s when 0.
	VerdictTimeout time.Duration
	// Retention is how long ended jobs are kept; 30 days when 0.
	Retention time.Duration
	// LostAfter is how long a replica must be silent before the others end its
	// attempts as lost; 15 min when 0, at least 30 s. All replicas must have the
	// same: after two thirds of it a silent replica's attempts end by themselves.
	// It has no meaning for the only replica.
	LostAfter time.Duration
}

// Deps are what the scheduler stands on.
type Deps struct {
	Store   docstore.Store
	Bus     *bus.Bus
	Config  redrivev1.ConfigServiceClient
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Replica names this replica among those of the service, the same over
	// restarts; empty: it is the only one.
	Replica string
}

// Service is the scheduler.
type Service struct {
	outbox *outbox.Outbox
	runner *runner.Runner
	events *events.Handler
	server *server.Server
	bus    *bus.Bus
	leases *lease.Leases
	fence  *process.Fence // nil for the only replica
	log    *slog.Logger
}

// New wires the scheduler. It is errs.Invalid for settings that cannot be, and
// starts nothing.
func New(o Options, d Deps) (*Service, error) {
	table := policy.Defaults()
	if o.RetryPolicy != "" {
		file, err := os.ReadFile(filepath.Clean(o.RetryPolicy))
		if err != nil {
			return nil, errs.New(errs.Invalid, "retry policy: %w", err)
		}
		if table, err = policy.Load(file); err != nil {
			return nil, err
		}
	}
	replica, err := identity(o, d)
	if err != nil {
		return nil, err
	}
	fence, err := fence(o, replica)
	if err != nil {
		return nil, err
	}
	exec, err := process.New(process.Options{
		Root: o.Attempts, Supervisor: o.Supervisor, MemoryDriver: o.MemoryDriver, Fence: fence, Log: d.Log,
	})
	if err != nil {
		return nil, err
	}
	leases := lease.New(d.Store, "scheduler", replica, lease.Options{Log: d.Log, Metrics: d.Metrics})
	out := outbox.New(d.Store, d.Bus, "scheduler", leases, d.Log)
	docs := store.New(d.Store, out)
	run := runner.New(docs, exec, server.NewResolver(d.Config), table, runner.Options{
		MaxRunning: o.MaxRunning, VerdictTimeout: o.VerdictTimeout, Retention: o.Retention,
		Peers: peers(o, replica, leases, fence),
	}, d.Log, newMetrics(d.Metrics))
	if err := errors.Join(out.Register(d.Metrics), registerGauges(d.Metrics, docs, run)); err != nil {
		return nil, err
	}
	return &Service{
		outbox: out, runner: run, events: events.New(run), server: server.New(run, docs), bus: d.Bus,
		leases: leases, fence: fence, log: d.Log,
	}, nil
}

// Register adds SchedulerService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	redrivev1.RegisterSchedulerServiceServer(r, s.server)
}

// Run drives the jobs until ctx is done. Attempts that run go on running.
func (s *Service) Run(ctx context.Context) error { return s.leases.Around(ctx, s.run) }

func (s *Service) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.outbox.Run(ctx) })
	group.Go(func() error { return s.runner.Run(ctx) })
	group.Go(func() error { return s.events.Run(ctx, s.bus) })
	if s.fence != nil {
		group.Go(func() error { renewFence(ctx, s.fence, s.leases, s.log); return nil })
		group.Go(func() error { return s.events.RunChanges(ctx, s.bus) })
	}
	return group.Wait()
}

// Supervise is the main function of an attempt's supervisor process. It returns
// the exit code.
func Supervise(args []string) int { return process.Supervise(args) }
