package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/serve"
)

// serviceNames are the services of Redrive.
var serviceNames = []string{"scheduler", "classifier", "recommender", "configsvc", "notifier"}

func (a *app) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run Redrive: all services in one process, on one data folder",
		Long: `Run Redrive: all services, the store and the event bus in one process. It keeps
everything in the data folder, listens on loopback alone, and answers nobody who
does not present the token that it makes at its first start (DATA/token; the
other commands find it), or that REDRIVE_TOKEN or --token-file gives. Other
schedulers connect to the events with what is in DATA/nats-client.json.

SIGINT or SIGTERM stops it in order; a second one kills it. Attempts that run go
on running, and the next start finds them.`,
		Args: servicesAreOneProcess,
	}
	o := system.Options{}
	flags := cmd.Flags()
	flags.StringVar(&o.GRPCAddr, "grpc-addr", "127.0.0.1:8470", "where to serve gRPC; port 0 takes a free one")
	flags.StringVar(&o.HTTPAddr, "http-addr", "127.0.0.1:8471", "where to serve REST, /metrics, /healthz and /readyz")
	flags.StringVar(&o.NATSAddr, "nats-addr", "127.0.0.1:8472", "where other schedulers connect to the events")
	flags.BoolVar(&o.InsecureListen, "insecure-listen", false, "consent to addresses that other machines can reach, unencrypted")
	flags.StringSliceVar(&o.AllowHosts, "allow-host", nil, "a host name that REST requests may be addressed to, besides loopback")
	flags.StringVar(&o.RetryPolicy, "retry-policy", "", "YAML that changes what the classes of failures mean for a retry")
	flags.StringVar(&o.AlertPolicy, "alert-policy", "", "YAML that says who is told of what (default: alerts are only kept)")
	flags.StringVar(&o.CostPolicy, "cost-policy", "", "YAML with prices, the weight of a failed retry and ceilings")
	flags.StringSliceVar(&o.LogRoots, "log-root", nil, "a folder below which logs may be read that a failure points to")
	flags.StringVar(&o.PublicURL, "public-url", "", "where people reach the REST API, for links in notifications")
	stopTimeout := flags.Duration("stop-timeout", 25*time.Second, "how long an orderly stop may take")
	level := levelValue(slog.LevelInfo)
	flags.Var(&level, "log-level", "what is logged: debug, info, warn or error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.Data, err = a.folder(); err != nil {
			return err
		}
		if o.Token, err = a.givenToken(); err != nil {
			return err
		}
		for i, root := range o.LogRoots {
			if o.LogRoots[i], err = filepath.Abs(root); err != nil {
				return err
			}
			if info, err := os.Stat(root); err != nil || !info.IsDir() {
				return usagef("--log-root %s is not a folder", root)
			}
		}
		if *stopTimeout < 0 {
			return usagef("--stop-timeout %s is negative", *stopTimeout)
		}
		o.Version, _ = buildOf(a.version)
		o.Log = a.logger(slog.Level(level))
		ctx, stop := serve.Signals(cmd.Context())
		defer stop()
		return a.runSystem(ctx, o, *stopTimeout)
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
	a.greet(s, o.Log)
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
func (a *app) greet(s *system.System, log *slog.Logger) {
	e := s.Endpoint()
	if !a.talk.Terminal() {
		log.Info("serving", "version", e.Version, "data", string(s.Folder()), "grpc", e.GRPC, "http", e.HTTP, "nats", e.NATS)
		return
	}
	a.say("Redrive %s serves the data folder %s", e.Version, s.Folder())
	a.say("  gRPC    %s", e.GRPC)
	a.say("  REST    http://%s  (the token is in %s)", e.HTTP, s.Folder().TokenFile())
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

// servicesAreOneProcess refuses a list of services.
func servicesAreOneProcess(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	for _, name := range args {
		if !slices.Contains(serviceNames, name) {
			return usagef("there is no service %q; `redrive serve` runs all of %s", name, oneOf(serviceNames))
		}
	}
	return usagef("this version runs all services in one process: separate services share a NATS server and a Redis, which it cannot use; run `redrive serve` without names")
}

// levelValue is the flag --log-level.
type levelValue slog.Level

// String implements pflag.Value.
func (v *levelValue) String() string { return strings.ToLower(slog.Level(*v).String()) }

// Type implements pflag.Value.
func (v *levelValue) Type() string { return "level" }

// Set implements pflag.Value.
func (v *levelValue) Set(s string) error {
	if err := (*slog.Level)(v).UnmarshalText([]byte(s)); err != nil {
		return errors.New("must be debug, info, warn or error")
	}
	return nil
}
