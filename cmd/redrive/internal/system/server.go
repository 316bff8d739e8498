package system

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/serve"
)

// openServer opens the listeners; it serves when the services are registered.
func (s *System) openServer(o Options) (err error) {
	settings := serve.Options{
		GRPCAddr: o.GRPCAddr, HTTPAddr: o.HTTPAddr, TLS: o.secure.own, InsecureListen: o.InsecureListen, AllowHosts: o.AllowHosts,
		Token: s.token, Log: s.log, Registry: s.registry,
	}
	if o.runs(Gateway) {
		settings.REST, settings.OpenAPI = gateways, openAPI
		for _, p := range s.peers {
			settings.Peers = append(settings.Peers, p)
		}
	}
	if s.server, err = serve.New(settings); err != nil {
		return err
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		for err := range s.server.Failed() {
			s.fail(err)
		}
	})
	s.closers.Add("internal calls", func(context.Context) error {
		defer watching.Wait()
		return s.server.Close()
	})
	for name, p := range s.peers {
		s.server.AddPeer(name, p)
	}
	return nil
}

// publish tells the command line where the system is.
func (s *System) publish(o Options) (err error) {
	certificate := o.TLS.Cert
	if certificate != "" {
		if certificate, err = filepath.Abs(certificate); err != nil {
			return err
		}
	}
	s.endpoint = home.Endpoint{
		PID: os.Getpid(), GRPC: s.server.GRPCAddr(), HTTP: s.server.HTTPAddr(), NATS: s.endpoint.NATS,
		Certificate: certificate, Version: o.Version, Started: time.Now().UTC(),
	}
	if err := s.home.Publish(s.endpoint); err != nil {
		return fmt.Errorf("tell where the server is: %w", err)
	}
	s.closers.Add("endpoint", func(context.Context) error { return s.home.Withdraw() })
	return nil
}
