// Package system is all of Redrive in one process: the embedded store and bus,
// the services, and the server that they answer on. `redrive serve`, the demo
// and the tests of the whole loop start the same.
package system

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// Options are an operator's settings. Data is required; the other zero values
// work, and empty addresses are free ports of loopback.
type Options struct {
	// Data is the data folder; nobody else may use it meanwhile.
	Data home.Folder
	// GRPCAddr, HTTPAddr and NATSAddr are host:port; port 0 takes a free one.
	GRPCAddr, HTTPAddr, NATSAddr string
	// InsecureListen consents to addresses that other machines can reach.
	InsecureListen bool
	// AllowHosts are names that REST requests may be addressed to.
	AllowHosts []string
	// Token is what callers present; when empty, the one of the data folder,
	// which is made at the first start.
	Token string
	// RetryPolicy, AlertPolicy and CostPolicy are files that change the
	// defaults of the scheduler, the notifier and the recommender.
	RetryPolicy, AlertPolicy, CostPolicy string
	// LogRoots are folders below which logs may be read that a failure points
	// to; none when empty.
	LogRoots []string
	// PublicURL is where people reach the REST API, for links in notifications.
	PublicURL string
	// Supervisor is the command that an attempt's supervisor is started by; this
	// program with "supervise" when empty.
	Supervisor []string
	// Log gets everything; slog.Default when nil.
	Log *slog.Logger
	// Version is told to clients.
	Version string
}

// System is a running system.
type System struct {
	home     *home.Lock
	token    string
	log      *slog.Logger
	registry *prometheus.Registry
	store    docstore.Store
	bus      *bus.Bus
	server   *serve.Server
	endpoint home.Endpoint
	closers  serve.Closers
	failed   chan error
}

// startTimeout bounds how long the store and the bus may take to come up.
const startTimeout = time.Minute

// Start starts everything and returns when it serves. When it fails, whatever
// was started has been stopped. ctx bounds the start alone.
func Start(ctx context.Context, o Options) (_ *System, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := o.checkAddrs(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := &System{log: o.Log, registry: newRegistry(o.Version), failed: make(chan error, 16)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closers.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.home, err = o.Data.Open(); err != nil {
		return nil, err
	}
	s.closers.Add("data folder", func(context.Context) error { return s.home.Close() })
	if s.token, err = s.chooseToken(o.Token); err != nil {
		return nil, err
	}
	if err := s.openStore(); err != nil {
		return nil, err
	}
	if err := s.openBus(ctx, o); err != nil {
		return nil, err
	}
	if err := s.startServer(o); err != nil {
		return nil, err
	}
	s.server.AddCheck("store", s.storeAnswers)
	s.server.AddCheck("bus", func(context.Context) error { return s.bus.Ready() })
	if err := s.startServices(o); err != nil {
		return nil, err
	}
	s.closers.Add("server", s.server.Drain)
	return s, s.publish(o.Version)
}

// chooseToken returns the token to ask for. A given one replaces that of the
// data folder, so that the command line finds it.
func (s *System) chooseToken(given string) (string, error) {
	if given == "" {
		return serve.EnsureToken(s.home.TokenFile())
	}
	if err := serve.CheckToken(given); err != nil {
		return "", err
	}
	return given, serve.WriteSecret(s.home.TokenFile(), []byte(given+"\n"))
}

// checkAddrs refuses bad addresses before anything is started.
func (o *Options) checkAddrs() error {
	var all []error
	for _, a := range []struct {
		field string
		addr  *string
	}{{"grpc-addr", &o.GRPCAddr}, {"http-addr", &o.HTTPAddr}, {"nats-addr", &o.NATSAddr}} {
		if *a.addr == "" {
			*a.addr = "127.0.0.1:0"
		}
		all = append(all, serve.CheckAddr(a.field, *a.addr, o.InsecureListen))
	}
	return errs.Fields(all...)
}

// startServer opens the listeners; it serves when the services are registered.
func (s *System) startServer(o Options) (err error) {
	s.server, err = serve.New(serve.Options{
		GRPCAddr: o.GRPCAddr, HTTPAddr: o.HTTPAddr, InsecureListen: o.InsecureListen, AllowHosts: o.AllowHosts,
		Token: s.token, REST: gateways, OpenAPI: openAPI, Log: s.log, Registry: s.registry,
	})
	if err != nil {
		return err
	}
	s.closers.Add("internal calls", func(context.Context) error { return s.server.Close() })
	go func() {
		for err := range s.server.Failed() {
			s.fail(err)
		}
	}()
	return nil
}

// publish tells the command line where the system is.
func (s *System) publish(version string) error {
	s.endpoint = home.Endpoint{
		PID: os.Getpid(), GRPC: s.server.GRPCAddr(), HTTP: s.server.HTTPAddr(), NATS: s.endpoint.NATS,
		Version: version, Started: time.Now().UTC(),
	}
	if err := s.home.Publish(s.endpoint); err != nil {
		return fmt.Errorf("tell where the server is: %w", err)
	}
	s.closers.Add("endpoint", func(context.Context) error { return s.home.Withdraw() })
	return nil
}

// Endpoint is where the system listens.
func (s *System) Endpoint() home.Endpoint { return s.endpoint }

// Folder is the data folder.
func (s *System) Folder() home.Folder { return s.home.Folder }

// Token is what callers present.
func (s *System) Token() string { return s.token }

// Conn is the connection in memory to the system's own services.
func (s *System) Conn() *grpc.ClientConn { return s.server.Conn() }

// Failed receives an error when a part of the system stops by itself; the
// system has to be stopped then.
func (s *System) Failed() <-chan error { return s.failed }

func (s *System) fail(err error) {
	select {
	case s.failed <- err:
	default: // somebody has been told already
	}
}

// Stop stops everything in order, each step with what is left of ctx: nothing
// new is accepted and calls in flight finish, then the services stop in reverse
// order, then the bus and the store. It returns all errors. Attempts that run
// go on running. Stopping twice changes nothing.
func (s *System) Stop(ctx context.Context) error { return s.closers.Close(ctx) }
