package command

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/serve"
)

func (a *app) serve() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve [SERVICE…]",
		Short: "Run Redrive: all services in one process, or some of a deployment",
		Long: `Run Redrive. Without --nats and --redis all services, the store and the event bus
are in this one process. It keeps everything in the data folder, listens on
loopback alone, and answers nobody who does not present the token that it makes
at its first start (DATA/token; the other commands find it), or that
REDRIVE_TOKEN or --token-file gives. Other schedulers connect to the events with
what is in DATA/nats-client.json.

With --nats and --redis this process is one replica of a deployment, and runs
the services that are named, or all: scheduler, classifier, recommender,
configsvc, notifier, and gateway: REST and every gRPC call of the others, the one
door for people; alone it needs neither. --peer says where a service is that one
of this process calls (scheduler: configsvc; classifier: recommender and
configsvc; gateway: all). All processes have one token. Each has a data folder of
its own, and on one machine ports of its own.

SIGINT or SIGTERM stops it in order; a second one kills it. Attempts that run go
on running, and the next start finds them.`,
		Example: `  redrive serve

  redrive serve scheduler --nats nats://nats:4222 --redis redis://redis:6379 \
    --peer configsvc=configsvc:8470 --tls-cert c.pem --tls-key k.pem --tls-ca ca.pem \
    --grpc-addr :8470 --http-addr :8471
  redrive serve gateway --peer scheduler=scheduler:8470 --peer classifier=… \
    --peer recommender=… --peer configsvc=… --peer notifier=…
  redrive --server https://gateway:8470 --tls-ca ca.pem jobs list`,
		Args: cobra.ArbitraryArgs, ValidArgs: system.Services,
	}
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, services []string) error {
		o, err := f.options(a, cmd, services)
		if err != nil {
			return err
		}
		ctx, stop := serve.Signals(cmd.Context())
		defer stop()
		return a.runSystem(ctx, o, f.stopTimeout)
	}
	return cmd
}

// runSystem serves until ctx is done or a part of the system fails, and stops
// in order.
func (a *app) runSystem(ctx context.Context, o system.Options, stopTimeout time.Duration) error {
	s, err := system.Start(ctx, o)
	if err != nil {
		return err
	}
	a.greet(s, o)
	select {
	case <-ctx.Done():
		o.Log.Info("stopping; one more signal kills")
	case err = <-s.Failed():
		o.Log.Error("the system has to stop", "error", err)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if stopErr := s.Stop(stopping); stopErr != nil {
		return fmt.Errorf("stopped, but not in order: %w", stopErr)
	}
	return err
}

// greet tells where everything is: a person on a terminal, or a log.
func (a *app) greet(s *system.System, o system.Options) {
	e := s.Endpoint()
	if !a.talk.Terminal() {
		attrs := []any{"version", e.Version, "data", string(s.Folder()), "grpc", e.GRPC, "http", e.HTTP}
		if s.Replica() == "" {
			attrs = append(attrs, "nats", e.NATS)
		} else {
			attrs = append(attrs, "replica", s.Replica(), "services", s.Services())
		}
		o.Log.Info("serving", attrs...)
		return
	}
	scheme := "http"
	if e.Certificate != "" {
		scheme = "https"
	}
	if s.Replica() != "" {
		a.say("Redrive %s serves %s as replica %s", e.Version, strings.Join(s.Services(), ", "), s.Replica())
		a.say("  gRPC    %s", e.GRPC)
		a.say("  HTTP    %s://%s", scheme, e.HTTP)
		return
	}
	a.say("Redrive %s serves the data folder %s", e.Version, s.Folder())
	a.say("  gRPC    %s", e.GRPC)
	a.say("  REST    %s://%s  (the token is in %s)", scheme, e.HTTP, s.Folder().TokenFile())
	a.say("  events  %s  (credentials are in %s)", e.NATS, s.Folder().NATSClientFile())
	a.say("Give it a job: redrive submit --wait -- COMMAND")
}

// logger logs text to a terminal and JSON to anything else.
func (a *app) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if a.talk.Terminal() {
		return slog.New(slog.NewTextHandler(a.stderr, o))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, o))
}
