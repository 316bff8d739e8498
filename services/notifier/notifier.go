// Package notifier is the notifier: it owns alerts. It hears what the scheduler
// decided, keeps one alert for each job that needs a human's attention, and
// tells receivers of it: what happened, what Redrive did and will do, and what
// is left for a human.
package notifier

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
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
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/dispatch"
	"github.com/redrive-io/redrive/services/notifier/internal/events"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger"
	"github.com/redrive-io/redrive/services/notifier/internal/policy"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/pagerduty"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/slack"
	"github.com/redrive-io/redrive/services/notifier/internal/receiver/webhook"
	"github.com/redrive-io/redrive/services/notifier/internal/server"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
)

// Defaults of Options.
const (
	DefaultKeepFor = 90 * 24 * time.Hour
	DefaultKeep    = 10_000
)

// sweepEvery is how often old alerts are looked for.
const sweepEvery = time.Hour

// Options are the operator's settings. Zero fields mean the defaults.
type Options struct {
	// PolicyFile says who is told of what; docs/notifications.md describes it.
	// Without one alerts are kept and nobody is told.
	PolicyFile string
	// ExternalURL is where people reach the REST API, for links in
	// notifications; without one there are none.
	ExternalURL string
	// KeepFor is how long alerts are kept after they were resolved, and how long
	// an open alert stands without any change; 90 days.
	KeepFor time.Duration
	// Keep is how many open alerts are kept, and how many resolved ones; 10,000.
	Keep int
}

// Deps are what the service needs of its process. All but Log and Metrics are
// required.
type Deps struct {
	Store   docstore.Store
	Bus     *bus.Bus
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Replica names this replica among those of the service, the same over
	// restarts; empty: it is the only one.
	Replica string
}

// Service is the notifier.
type Service struct {
	bus        *bus.Bus
	outbox     *outbox.Outbox
	ledger     *ledger.Ledger
	dispatcher *dispatch.Dispatcher
	events     *events.Handler
	server     *server.Server
	leases     *lease.Leases
	keep       ledger.Keep
	log        *slog.Logger
}

// New returns the service; it does nothing before Run. What is wrong with the
// policy file is errs.Invalid and names the line and the key.
func New(o Options, d Deps) (*Service, error) {
	if d.Log == nil {
		d.Log = slog.Default()
	}
	log := d.Log.With("service", "notifier")
	links, err := linksOf(o.ExternalURL)
	if err != nil {
		return nil, err
	}
	p, err := policy.Load(o.PolicyFile)
	if err != nil {
		return nil, err
	}
	leases := lease.New(d.Store, "notifier", d.Replica, lease.Options{Log: d.Log, Metrics: d.Metrics})
	box := outbox.New(d.Store, d.Bus, "notifier", leases, log)
	if err := box.Register(d.Metrics); err != nil {
		return nil, fmt.Errorf("notifier: %w", err)
	}
	documents := store.New(d.Store, box)
	dispatcher, err := dispatch.New(documents, outlets(p, links), log, d.Metrics)
	if err != nil {
		return nil, fmt.Errorf("notifier: %w", err)
	}
	l, err := ledger.New(documents, p, dispatcher.Nudge, log, d.Metrics)
	if err != nil {
		return nil, fmt.Errorf("notifier: %w", err)
	}
	s := &Service{
		bus: d.Bus, outbox: box, ledger: l, dispatcher: dispatcher, events: events.New(l), server: server.New(l, d.Bus), log: log,
		leases: leases,
		keep:   ledger.Keep{Age: o.KeepFor, Count: o.Keep},
	}
	if s.keep.Age <= 0 {
		s.keep.Age = DefaultKeepFor
	}
	if s.keep.Count <= 0 {
		s.keep.Count = DefaultKeep
	}
	return s, nil
}

func linksOf(external string) (receiver.Links, error) {
	if external == "" {
		return receiver.Links{}, nil
	}
	u, err := url.Parse(external)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return receiver.Links{}, errs.Field("external_url", "%q is not an http or https URL such as https://redrive.example.com", external)
	}
	return receiver.NewLinks(external), nil
}

// outlets makes the receivers of a policy.
func outlets(p policy.Policy, links receiver.Links) []dispatch.Outlet {
	all := make([]dispatch.Outlet, len(p.Receivers))
	for i, r := range p.Receivers {
		to, key := r.URL.Reveal(), r.Key.Reveal()
		o := dispatch.Outlet{
			Name: r.Name, Timeout: r.Timeout,
			Backoff: delivery.Backoff{Min: r.MinBackoff, Max: r.MaxBackoff, For: r.RetryFor},
		}
		switch r.Kind {
		case policy.Webhook:
			o.Receiver = webhook.New(to, key, links)
		case policy.Slack:
			o.Receiver = slack.New(to, key, r.Channel, links)
		case policy.PagerDuty:
			o.Receiver = pagerduty.New(to, key, links)
		}
		all[i] = o
	}
	return all
}

// Register registers the service's gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	redrivev1.RegisterNotifierServiceServer(r, s.server)
}

// Run listens, relays the service's events, sends what is due and sweeps, until
// ctx is done. It returns nil then.
func (s *Service) Run(ctx context.Context) error { return s.leases.Around(ctx, s.run) }

func (s *Service) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.outbox.Run(ctx) })
	g.Go(func() error { return s.dispatcher.Run(ctx) })
	g.Go(func() error { return s.events.Run(ctx, s.bus) })
	g.Go(func() error { s.leases.Every(ctx, "sweep", sweepEvery, s.sweep); return nil })
	return g.Wait()
}

// sweep does what nothing waits for. What fails is logged and done again.
func (s *Service) sweep(ctx context.Context) {
	now := time.Now()
	for _, do := range []func() error{
		func() error { return s.dispatcher.Abandon(ctx, now) },
		func() error { return s.ledger.Sweep(ctx, s.keep, now) },
	} {
		if err := do(); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweep failed", "error", err)
		}
	}
}
