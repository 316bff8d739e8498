// Package classifier is the classifier service: it owns rules and failures. It
// hears of failed attempts, reads their evidence, says by its rules what
// happened, asks the recommender where memory or nothing known is the cause,
// has the patch made, and tells what came out. docs/rules.md says how a rule is
// written.
package classifier

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
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
	"github.com/redrive-io/redrive/rules"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/events"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/server"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// The defaults of Options.
const (
	DefaultLogTimeout = collect.DefaultTimeout
	DefaultLogDelay   = 30 * time.Second
)

// Options are the operator's settings. Zero fields mean the defaults.
type Options struct {
	// LogRoots are the folders, as absolute paths, below which file:// URLs in
	// evidence are read; none are read without.
	LogRoots []string
	// LogSources are prefixes of other URLs that are read, and templates that
	// lead from an application's id to its logs; docs/logs.md has all forms.
	LogSources []string
	// LogTokens are bearer tokens for HTTP servers, each PREFIX=FILE.
	LogTokens []string
	// LogTimeout bounds the reading of all logs of a failure together; 5 s.
	LogTimeout time.Duration
	// LogDelay is after how long a log that was missing or still growing is read
	// once more; 30 s. What it shows then changes no decision.
	LogDelay time.Duration
	// Kubeconfig is a file with access to the pods of LogSources; the service
	// account of this pod when empty.
	Kubeconfig string
	// RecommendTimeout bounds each call to the recommender and to the config
	// service; 2 s.
	RecommendTimeout time.Duration
	// Retention is how long failures are kept; 90 days.
	Retention time.Duration
	// MaxFailures is how many failures are kept, the newest; 100,000.
	MaxFailures int
}

// Deps are what the service needs of its process. All but Log and Metrics are
// required.
type Deps struct {
	Store       docstore.Store
	Bus         *bus.Bus
	Recommender redrivev1.RecommenderServiceClient
	Config      redrivev1.ConfigServiceClient
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	// Replica names this replica among those of the service, the same over
	// restarts; empty: it is the only one.
	Replica string
}

// Service is the classifier service.
type Service struct {
	options  Options
	bus      *bus.Bus
	outbox   *outbox.Outbox
	leases   *lease.Leases
	failures *store.Failures
	rules    *store.Rules
	book     *book.Book
	driver   *record.Driver
	handler  *events.Handler
	server   *server.Server
	proofs   server.Proofs
	clusters clusters
	metrics  *metrics
	log      *slog.Logger
}

// loadTimeout bounds how long New waits for the stored rules.
const loadTimeout = 10 * time.Second

// New returns the service with its rules read; it does nothing before Run.
// Options that cannot be are errs.Invalid, and a store that does not answer is
// errs.Unavailable: without the stored rules the built-in ones alone would
// decide otherwise.
func New(o Options, d Deps) (*Service, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	s := &Service{options: o, bus: d.Bus, log: d.Log.With("service", store.Service)}
	rules, err := builtIn()
	if err != nil {
		return nil, err
	}
	s.leases = lease.New(d.Store, store.Service, d.Replica, lease.Options{Log: d.Log, Metrics: d.Metrics})
	s.outbox = outbox.New(d.Store, d.Bus, store.Service, s.leases, s.log)
	s.failures = store.NewFailures(d.Store, s.outbox)
	s.rules = store.NewRules(d.Store, s.outbox)
	s.book = book.New(rules, s.rules, s.log)
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	if err := s.book.Reload(ctx); err != nil {
		return nil, fmt.Errorf("load the stored rules: %w", err)
	}
	if s.metrics, err = newMetrics(d.Metrics, s.book, s.failures); err != nil {
		return nil, err
	}
	if err := s.outbox.Register(d.Metrics); err != nil {
		return nil, err
	}
	reading, err := o.collecting(d.Bus)
	if err != nil {
		return nil, err
	}
	s.driver = &record.Driver{
		Store: s.failures, Rules: s.book.Set, Collector: collect.New(reading), LogDelay: o.LogDelay,
		Recommender: askedRecommender{wire.NewRecommender(d.Recommender), s.metrics.calls},
		Patcher:     askedPatcher{wire.NewPatcher(d.Config), s.metrics.calls}, Timeout: o.RecommendTimeout,
		Done: s.metrics.done, Classified: s.metrics.classified,
	}
	s.handler = events.New(s.driver, s.book)
	s.proofs = newProofs(d.Store, s)
	s.clusters = newClusters(d.Store, s.failures, s.book, o.Retention)
	s.server = server.New(s.driver, s.failures, s.book, s.rules, s.proofs, s.clusters.served(), d.Recommender, o.RecommendTimeout)
	return s, nil
}

// builtIn loads the built-in rules, once a process: they never change.
var builtIn = sync.OnceValues(func() (*rule.Set, error) {
	packs, err := rule.LoadPacks(rules.FS)
	if err != nil {
		return nil, fmt.Errorf("load the built-in rules: %w", err)
	}
	var all []*rule.Compiled
	for _, p := range packs {
		all = append(all, p.Rules...)
	}
	set, err := rule.NewSet(all...)
	if err != nil {
		return nil, err
	}
	return set, checkYields(set, all)
})

func (o Options) withDefaults() (Options, error) {
	for i, root := range o.LogRoots {
		if !filepath.IsAbs(root) {
			return o, errs.Field(fmt.Sprintf("log_roots[%d]", i), "%q is not an absolute path", root)
		}
	}
	if o.LogTimeout < 0 || o.LogDelay < 0 {
		return o, errs.New(errs.Invalid, "the time and the delay of reading logs must not be negative")
	}
	if o.LogDelay == 0 {
		o.LogDelay = DefaultLogDelay
	}
	if o.RecommendTimeout < 0 || o.Retention < 0 || o.MaxFailures < 0 {
		return o, errs.New(errs.Invalid, "the timeout, the retention and the number of failures of the classifier must not be negative")
	}
	if o.RecommendTimeout == 0 {
		o.RecommendTimeout = 2 * time.Second
	}
	if o.Retention == 0 {
		o.Retention = 90 * 24 * time.Hour
	}
	if o.MaxFailures == 0 {
		o.MaxFailures = 100_000
	}
	return o, nil
}

// Register registers the service's gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	redrivev1.RegisterClassifierServiceServer(r, s.server)
}

// Run hears events, relays the service's own, and sweeps, until ctx is done,
// and returns nil then.
func (s *Service) Run(ctx context.Context) error { return s.leases.Around(ctx, s.run) }

func (s *Service) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	changes := bus.ClassifierRules
	// What was changed before this replica listened is read when it does.
	changes.Listening = func() { s.reload(ctx) }
	g.Go(func() error { return s.outbox.Run(ctx) })
	g.Go(func() error { return s.bus.Consume(ctx, changes, s.handler.RuleChanged) })
	g.Go(func() error { return s.bus.Consume(ctx, bus.ClassifierFailures, s.handler.AttemptFailed) })
	g.Go(func() error { every(ctx, pollEvery, s.reload); return nil })
	// What follows one replica does for all.
	g.Go(func() error { s.leases.Every(ctx, "sweep/open", sweepEvery, s.sweep); return nil })
	g.Go(func() error { s.leases.Every(ctx, "gather", gatherEvery, s.gather); return nil })
	g.Go(func() error { s.leases.Every(ctx, "sweep/late", sweepEvery, s.recollect); return nil })
	g.Go(func() error { s.leases.Every(ctx, "sweep/purge", purgeEvery, s.purge); return nil })
	s.prove(ctx, g)
	return g.Wait()
}
