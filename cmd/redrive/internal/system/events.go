package system

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/docstore/boltstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// NATSClient is what DATA/nats-client.json says to other schedulers.
type NATSClient struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// openStore opens the embedded store.
func (s *System) openStore() error {
	store, err := boltstore.Open(s.home.Database(), boltstore.Options{})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.store = store
	s.closers.Add("store", func(context.Context) error { return store.Close() })
	return nil
}

// storeAnswers is a readiness check.
func (s *System) storeAnswers(ctx context.Context) error {
	_, err := s.store.Get(ctx, "system.probe", "probe")
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// ackWait is how long an event that was being handled waits after a crash.
// The bus is in this process: nobody else can still be at work on it, so the
// wait only has to outlast a slow disk.
const ackWait = 3 * time.Second

// openBus starts the embedded NATS server and connects to it in memory.
func (s *System) openBus(ctx context.Context, o Options) error {
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
		return "", 0, errs.Field("nats-addr", "%q is not HOST:PORT", addr)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, errs.Field("nats-addr", "%q is not a port between 0 and 65535", text)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		return host, -1, nil
	}
	return host, int(port), nil
}

// readNATSClient returns the credentials of earlier starts, so that other
// schedulers keep theirs, or new ones.
func readNATSClient(folder *home.Lock) (NATSClient, error) {
	c := NATSClient{User: natsserver.UserClient}
	b, err := serve.ReadSecret(folder.NATSClientFile())
	switch {
	case errs.Is(err, errs.NotFound):
		c.Password = serve.NewToken()
		return c, nil
	case err != nil:
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Password == "" {
		return c, errs.New(errs.FailedPrecondition, "%s has no password in it: delete it, and a new one is made", folder.NATSClientFile())
	}
	c.User = natsserver.UserClient
	return c, nil
}

func writeNATSClient(folder *home.Lock, c NATSClient) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return serve.WriteSecret(folder.NATSClientFile(), append(b, '\n'))
}
