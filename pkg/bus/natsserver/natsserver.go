// Package natsserver runs a NATS server with JetStream inside this process.
package natsserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	loopback = "127.0.0.1"
	// maxPayload holds an event of bus.MaxData with its headers.
	maxPayload = 2 << 20
	// maxMemory bounds what streams in memory may use; ours are files.
	maxMemory    = 64 << 20
	startTimeout = 30 * time.Second
	// connectPatience is how long the server waits for the credentials of a
	// connection.
	connectPatience = 5 * time.Second
)

// Options are the server's settings. Dir and RedrivePassword are required.
type Options struct {
	// Dir keeps the streams.
	Dir string
	// Host is the address to listen on; empty is 127.0.0.1.
	Host string
	// Port is the port to listen on; 0 is 4222, -1 a free one.
	Port int
	// RedrivePassword is that of UserRedrive.
	RedrivePassword string
	// ClientPassword is that of UserClient; empty leaves the user out.
	ClientPassword string
	// NoSync makes Sync do nothing, for tests: what was published may be lost
	// with the power.
	NoSync bool
	// Log gets the server's log; nil is silent.
	Log *slog.Logger
}

// Server is a running server.
type Server struct {
	server *server.Server
	stop   func()
	disk   disk
}

// Start starts a server; it is ready when Start returns. It is errs.Invalid for
// bad options and errs.Unavailable when the server cannot listen or cannot use
// Dir.
func Start(o Options) (*Server, error) {
	switch {
	case o.Dir == "":
		return nil, errs.New(errs.Invalid, "start NATS: no folder for the streams")
	case o.RedrivePassword == "":
		return nil, errs.New(errs.Invalid, "start NATS: no password for user %q", UserRedrive)
	case o.Port < -1 || o.Port > 65535:
		return nil, errs.New(errs.Invalid, "start NATS: %d is no port", o.Port)
	}
	if o.Host == "" {
		o.Host = loopback
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := server.NewServer(&server.Options{
		ServerName:             "redrive",
		Host:                   o.Host,
		Port:                   o.Port,
		Users:                  users(o),
		AuthTimeout:            connectPatience.Seconds(),
		MaxPayload:             maxPayload,
		JetStream:              true,
		StoreDir:               o.Dir,
		JetStreamMaxMemory:     maxMemory,
		JetStreamMaxStore:      maxStore,
		DisableJetStreamBanner: true,
		NoSigs:                 true,
	})
	if err != nil {
		return nil, errs.New(errs.Invalid, "start NATS: %w", err)
	}
	log := &logger{log: o.Log.With("component", "nats"), fatal: make(chan string, 1)}
	s.SetLoggerV2(log, false, false, false)
	started := &Server{server: s, disk: disk{dir: o.Dir, off: o.NoSync}, stop: sync.OnceFunc(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})}
	go s.Start()
	if err := started.wait(log.fatal); err != nil {
		started.Stop()
		return nil, errs.New(errs.Unavailable, "start NATS on %s with its files in %s: %w", net.JoinHostPort(o.Host, fmt.Sprint(o.Port)), o.Dir, err)
	}
	return started, nil
}

// maxStore holds both streams; their own bounds are the ones that matter, also
// where an operator made the event stream larger.
const maxStore = 64 << 30

// wait waits until the server is ready or says why it never will be.
func (s *Server) wait(fatal <-chan string) error {
	ready := make(chan bool, 1)
	go func() { ready <- s.server.ReadyForConnections(startTimeout) }()
	select {
	case text := <-fatal:
		return errors.New(text)
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("it was not ready after %v", startTimeout)
		}
		return nil
	}
}

// ClientURL is where clients connect: "nats://host:port", without credentials.
func (s *Server) ClientURL() string { return s.server.ClientURL() }

// Port is the port that it listens on.
func (s *Server) Port() int {
	if addr, ok := s.server.Addr().(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}

// InProcessConn connects without a socket; bus.Config.InProcess takes the
// server itself.
func (s *Server) InProcessConn() (net.Conn, error) { return s.server.InProcessConn() }

// Sync puts on the disk what the server has acknowledged. The server writes a
// message to its file before it acknowledges it and leaves the fsync to the
// clock; its own way to sync is one fsync for each message, which costs more
// than all the rest of a decision.
func (s *Server) Sync(ctx context.Context) error { return s.disk.sync(ctx) }

// Stop stops the server and waits until its files are closed. A second call
// waits too.
func (s *Server) Stop() { s.stop() }
