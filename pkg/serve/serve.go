// Package serve is the network face of a process: one gRPC server, the same
// calls as REST, probes and metrics, and an orderly way to stop. What every
// call needs is done here once: authentication, a deadline, a request id, the
// log line, the metrics, recovery from a panic, and errs.ToStatus.
//
// Nothing but the probes answers without the token, and nothing listens beyond
// loopback unless it encrypts or Options.InsecureListen says so. Calls that no
// service of the process serves go to the peers of Options.Peers that do.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"
)

// Limits of every call.
const (
	// DefaultDeadline is given to a unary call that comes without one.
	DefaultDeadline = 30 * time.Second
	// MaxRequestBytes bounds one request message and one REST body.
	MaxRequestBytes = 4 << 20
	// MaxResponseBytes bounds one response message: a page of failures with
	// their logs is large.
	MaxResponseBytes = 256 << 20
	// maxStreams bounds the concurrent calls of one connection.
	maxStreams = 1024
)

// Gateway adds the REST routes of one service to mux. The generated
// RegisterXServiceHandler functions are Gateways.
type Gateway func(ctx context.Context, mux *runtime.ServeMux, conn *grpc.ClientConn) error

// Options say where and what a Server serves.
type Options struct {
	// GRPCAddr and HTTPAddr are host:port; port 0 takes a free one, and the
	// empty string 127.0.0.1:0.
	GRPCAddr, HTTPAddr string
	// TLS encrypts both listeners; nil is none. Where it asks callers for a
	// certificate, only the probes answer HTTP requests without one.
	TLS *tls.Config
	// InsecureListen consents to addresses that other machines can reach
	// without TLS.
	InsecureListen bool
	// AllowHosts are names besides loopback's that a REST request may be
	// addressed to.
	AllowHosts []string
	// Token is what callers present; at least MinTokenLen characters. Required.
	Token string
	// Peers serve the calls of gRPC services that are not registered here.
	Peers []*Peer
	// REST adds routes; OpenAPI is the document that describes them.
	REST    []Gateway
	OpenAPI []byte
	// Log gets a line a call; slog.Default when nil.
	Log *slog.Logger
	// Registry is what /metrics shows; a new one when nil.
	Registry *prometheus.Registry
}

// Server is the network face of a process. Make one with New, register
// services, then Start.
type Server struct {
	o       Options
	log     *slog.Logger
	metrics *callMetrics
	peers   map[string]*Peer // by service

	grpcLis, httpLis net.Listener
	pipe, innerPipe  *bufconn.Listener // in memory: the gateway's, the services'

	public, inner       *grpc.Server
	health              *health.Server
	http                *http.Server
	conn                *inProcess
	gatewayConn         *grpc.ClientConn
	stopping            context.Context // ends when Drain begins
	stop                context.CancelFunc
	failed              chan error
	serving             sync.WaitGroup
	mu                  sync.Mutex
	checks              []*check
	services            []string // registered ones
	started, closedDown bool
}

// New opens the listeners, so that the addresses are known, and serves nothing
// yet. An address beyond loopback without Options.InsecureListen is
// errs.Invalid.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if err := CheckToken(o.Token); err != nil {
		return nil, err
	}
	s := &Server{o: o, log: o.Log, failed: make(chan error, 4), peers: map[string]*Peer{}}
	for _, p := range o.Peers {
		s.peers[p.Service()] = p
	}
	var err error
	if s.metrics, err = newCallMetrics(o.Registry); err != nil {
		return nil, err
	}
	if s.grpcLis, err = s.listen("grpc-addr", o.GRPCAddr, "h2"); err != nil {
		return nil, err
	}
	if s.httpLis, err = s.listen("http-addr", o.HTTPAddr, "http/1.1"); err != nil {
		return nil, errors.Join(err, s.grpcLis.Close())
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.pipe, s.innerPipe = bufconn.Listen(1<<20), bufconn.Listen(1<<20)
	s.public = grpc.NewServer(s.serverOptions(tokenAuth(o.Token))...)
	s.inner = grpc.NewServer(s.serverOptions(trusted)...)
	s.health = health.NewServer()
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	return s, nil
}

// listen opens a listener, with TLS where it is set, for a protocol.
func (s *Server) listen(field, addr, protocol string) (net.Listener, error) {
	l, err := Listen(field, addr, s.o.InsecureListen || s.o.TLS != nil)
	if err != nil || s.o.TLS == nil {
		return l, err
	}
	c := s.o.TLS.Clone()
	c.NextProtos = []string{protocol}
	if protocol != "h2" && c.ClientAuth == tls.RequireAndVerifyClientCert {
		c.ClientAuth = tls.VerifyClientCertIfGiven // the probes come without
	}
	return tls.NewListener(l, c), nil
}

// connect makes the two in-memory connections and the HTTP server over one of
// them.
func (s *Server) connect() (err error) {
	inner, err := pipeConn(s.innerPipe, clientInterceptors()...)
	if err != nil {
		return err
	}
	s.conn = &inProcess{ClientConn: inner, around: s.unary(trusted), methods: map[string]localMethod{}}
	// The gateway hands the caller's own header on, so REST and gRPC callers
	// are authenticated by the same code.
	if s.gatewayConn, err = pipeConn(s.pipe); err != nil {
		return err
	}
	routes, err := s.routes(context.Background())
	if err != nil {
		return fmt.Errorf("REST routes: %w", err)
	}
	s.http = newHTTPServer(routes, s.log)
	return nil
}

// RegisterService implements grpc.ServiceRegistrar. Register everything before
// Start.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.public.RegisterService(desc, impl)
	s.inner.RegisterService(desc, impl)
	s.conn.register(desc, impl)
	s.health.SetServingStatus(desc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services = append(s.services, desc.ServiceName)
}

// Conn is the connection within this process by which the services of this process call
// each other; callers on it are Internal. It goes on working during Drain.
// Errors that it returns have their kind (errs.FromStatus).
func (s *Server) Conn() grpc.ClientConnInterface { return s.conn }

// GRPCAddr is the address that gRPC is served on.
func (s *Server) GRPCAddr() string { return s.grpcLis.Addr().String() }

// HTTPAddr is the address that REST, probes and metrics are served on.
func (s *Server) HTTPAddr() string { return s.httpLis.Addr().String() }

// Start begins to serve.
func (s *Server) Start() {
	s.mu.Lock()
	s.started = true
	s.mu.Unlock()
	healthpb.RegisterHealthServer(s.public, s.health)
	s.registerReflection()
	s.background("internal calls", func() error { return s.inner.Serve(s.innerPipe) })
	s.background("gateway calls", func() error { return s.public.Serve(s.pipe) })
	s.background("gRPC", func() error { return s.public.Serve(s.grpcLis) })
	s.background("HTTP", func() error { return s.http.Serve(s.httpLis) })
	s.serving.Go(s.watch)
}

func (s *Server) background(what string, serve func() error) {
	s.serving.Go(func() {
		err := serve()
		if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) || s.stopping.Err() != nil {
			return
		}
		s.failed <- fmt.Errorf("serve %s: %w", what, err)
	})
}

// Failed receives an error when a listener stops although nobody asked it to.
// Close closes it.
func (s *Server) Failed() <-chan error { return s.failed }
