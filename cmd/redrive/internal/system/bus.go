package system

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

const (
	// ackWait is how long an event that was being handled waits after a crash.
	// The bus is in this process: nobody else can still be at work on it, so the
	// wait only has to outlast a slow disk.
	ackWait = 3 * time.Second
	// sharedAckWait is the same where a replica that is only slow may be thought
	// dead: its event is handled twice then, which is harmless work.
	sharedAckWait = 10 * time.Second
)

// openBus opens the bus: one of this process, or the one that is shared.
func (s *System) openBus(ctx context.Context, o Options) error {
	open := func() error { return s.startNATS(ctx, o) }
	if !o.alone() {
		open = func() error { return s.connectNATS(ctx, o.NATS, o.secure.nats) }
	}
	if err := open(); err != nil {
		return err
	}
	s.server.AddDependency("bus", s.bus.Answers)
	return nil
}

// connectNATS connects to NATS servers, and waits while they are away.
func (s *System) connectNATS(ctx context.Context, o NATS, secure *tls.Config) (err error) {
	s.bus, err = bus.Connect(ctx, bus.Config{
		URL: o.URL, User: o.User, Password: o.Password, CredsFile: o.CredsFile, TLS: secure,
		Name: s.replica, Replicas: o.Replicas, AckWait: sharedAckWait, Log: s.log, Metrics: s.registry,
	})
	if err != nil {
		return fmt.Errorf("the bus (--nats): %w", err)
	}
	s.closers.Add("bus", func(context.Context) error { s.bus.Close(); return nil })
	// A cluster that has just started elects who answers.
	if err := s.await(ctx, "the streams of the bus", "--nats", s.bus.Provision); err != nil {
		return err
	}
	tending, stop := context.WithCancel(context.WithoutCancel(ctx))
	tended := make(chan struct{})
	go func() { defer close(tended); s.bus.Tend(tending) }()
	s.closers.Add("care of the streams", func(context.Context) error { stop(); <-tended; return nil })
	return nil
}

// startNATS starts the embedded NATS server and connects to it in memory.
func (s *System) startNATS(ctx context.Context, o Options) error {
	host, port, err := splitAddr(o.NATSAddr)
	if err != nil {
		return err
	}
	client, err := readNATSClient(s.home)
	if err != nil {
		return err
	}
	// Only this process uses the password of Redrive itself, so it lives no
	// longer than the process.
	own := serve.NewToken()
	server, err := natsserver.Start(natsserver.Options{
		Dir: s.home.Events(), Host: host, Port: port, RedrivePassword: own, ClientPassword: client.Password, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("start the bus: %w", err)
	}
	s.closers.Add("NATS server", func(context.Context) error { server.Stop(); return nil })
	client.URL = server.ClientURL()
	s.endpoint.NATS = client.URL
	if err := writeNATSClient(s.home, client); err != nil {
		return err
	}
	s.bus, err = bus.Connect(ctx, bus.Config{
		User: natsserver.UserRedrive, Password: own, InProcess: server, AckWait: ackWait, Log: s.log, Metrics: s.registry,
	})
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	s.closers.Add("bus", func(context.Context) error { s.bus.Close(); return nil })
	if err := s.bus.Provision(ctx); err != nil {
		return fmt.Errorf("set the bus up: %w", err)
	}
	return nil
}

// splitAddr returns what natsserver takes; it asks for a free port by -1.
func splitAddr(addr string) (string, int, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, errs.Field("--nats-addr", "%q is not HOST:PORT", addr)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, errs.Field("--nats-addr", "%q is not a port between 0 and 65535", text)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		return host, -1, nil
	}
	return host, int(port), nil
}
