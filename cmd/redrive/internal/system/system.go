// Package system is one process of Redrive: the store and the bus, the services
// asked for, and the server that they answer on. Store and bus are embedded, and
// then everything is in this one process, or they are shared with other
// processes, and each runs some services. `redrive serve`, the demo and the
// tests of the whole loop start the same.
package system

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/serve"
)

// System is a running system.
type System struct {
	home     *home.Lock
	token    string
	log      *slog.Logger
	registry *prometheus.Registry
	services []string
	replica  string // name of this process; empty where there is no other

	store  docstore.Store
	bus    *bus.Bus
	peers  map[string]*serve.Peer // the services elsewhere that this process calls
	server *serve.Server

	endpoint home.Endpoint
	closers  serve.Closers
	failed   chan error
}

// startTimeout bounds how long all may take to come up.
const startTimeout = time.Minute

// Start starts everything and returns when it serves. When it fails, whatever
// was started has been stopped. ctx bounds the start alone.
func Start(ctx context.Context, o Options) (_ *System, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	collectLess()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := &System{log: o.Log, services: o.Services, registry: newRegistry(o.Version), failed: make(chan error, 16)}
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
	if s.replica, err = s.chooseReplica(o); err != nil {
		return nil, err
	}
	if err := s.startTrace(ctx, o); err != nil {
		return nil, err
	}
	if err := s.dialPeers(o); err != nil {
		return nil, err
	}
	if err := s.openServer(o); err != nil {
		return nil, err
	}
	if !o.doorOnly() {
		if err := s.openStore(ctx, o); err != nil {
			return nil, err
		}
		if err := s.openBus(ctx, o); err != nil {
			return nil, err
		}
	}
	if err := s.startServices(o); err != nil {
		return nil, err
	}
	s.closers.Add("server", s.server.Drain)
	return s, s.publish(o)
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

// chooseReplica returns the name of this process among others.
func (s *System) chooseReplica(o Options) (string, error) {
	switch {
	case o.alone():
		return "", nil
	case o.Replica != "":
		return o.Replica, nil
	default:
		return s.home.Replica()
	}
}

// Endpoint is where the system listens.
func (s *System) Endpoint() home.Endpoint { return s.endpoint }

// Replica is the name of this process among others; empty where the store and
// the bus are its own.
func (s *System) Replica() string { return s.replica }

// Services are the services of this process.
func (s *System) Services() []string { return s.services }

// Folder is the data folder.
func (s *System) Folder() home.Folder { return s.home.Folder }

// Token is what callers present.
func (s *System) Token() string { return s.token }

// Conn is the connection in memory to the system's own services.
func (s *System) Conn() grpc.ClientConnInterface { return s.server.Conn() }

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
