// Package natsserver runs a NATS server with JetStream inside this process.
package natsserver

import (
	"log/slog"
	"net"

	"github.com/redrive-io/redrive/pkg/errs"
)

// The users. Redrive itself may do everything; a client, which is another
// scheduler, may tell how its attempts end and listen to what Redrive decides.
const (
	UserRedrive = "redrive"
	UserClient  = "client"
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
	// NoSync leaves the fsync of published events to the clock (every 2
	// minutes), for tests: acknowledged events may be lost with the power.
	NoSync bool
	// Log gets the server's log; nil is silent.
	Log *slog.Logger
}

// Server is a running server.
type Server struct{}

// Start starts a server; it is ready when Start returns. errs.Unavailable says
// that it cannot listen or that Dir cannot be used.
func Start(o Options) (*Server, error) {
	return nil, errs.New(errs.Unavailable, "not started")
}

// ClientURL is where clients connect: "nats://host:port", without credentials.
func (s *Server) ClientURL() string { return "" }

// InProcessConn connects without a socket; bus.Config.InProcess takes the
// server itself.
func (s *Server) InProcessConn() (net.Conn, error) {
	return nil, errs.New(errs.Unavailable, "not started")
}

// Stop stops the server and waits until its files are closed. A second call
// does nothing.
func (s *Server) Stop() {}
