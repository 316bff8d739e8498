package system

import (
	"context"
	"fmt"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier"
	"github.com/redrive-io/redrive/services/configsvc"
	"github.com/redrive-io/redrive/services/notifier"
	"github.com/redrive-io/redrive/services/recommender"
	"github.com/redrive-io/redrive/services/scheduler"
)

// thisProgram starts supervisors. It means the very program that runs, also
// when its file has been replaced by another version meanwhile.
var thisProgram = []string{"/proc/self/exe", "supervise"}

// startServices makes the services, each with what it stands on, and starts to
// serve and to run them. A service comes after those that it calls, so that it
// stops before them.
func (s *System) startServices(o Options) error {
	costs, err := loadCosts(o.CostPolicy)
	if err != nil {
		return err
	}
	supervisor := o.Supervisor
	if len(supervisor) == 0 {
		supervisor = thisProgram
	}
	calls := s.server.Conn()
	parts := []struct {
		name string
		make func() (service, error)
	}{
		{"config service", func() (service, error) {
			return configsvc.New(
				configsvc.Options{MaxMemory: costs.MaxMemory, MaxCores: costs.MaxCores},
				configsvc.Deps{Store: s.store, Bus: s.bus, Log: s.log, Metrics: s.registry})
		}},
		{"recommender", func() (service, error) {
			return recommender.New(costs, recommender.Deps{Store: s.store, Bus: s.bus, Log: s.log, Metrics: s.registry})
		}},
		{"classifier", func() (service, error) {
			return classifier.New(classifier.Options{LogRoots: append([]string{s.home.Attempts()}, o.LogRoots...)}, classifier.Deps{
				Store: s.store, Bus: s.bus, Log: s.log, Metrics: s.registry,
				Recommender: redrivev1.NewRecommenderServiceClient(calls), Config: redrivev1.NewConfigServiceClient(calls),
			})
		}},
		{"notifier", func() (service, error) {
			return notifier.New(
				notifier.Options{PolicyFile: o.AlertPolicy, ExternalURL: o.PublicURL},
				notifier.Deps{Store: s.store, Bus: s.bus, Log: s.log, Metrics: s.registry})
		}},
		{"scheduler", func() (service, error) {
			return scheduler.New(
				scheduler.Options{Attempts: s.home.Attempts(), Supervisor: supervisor, RetryPolicy: o.RetryPolicy},
				scheduler.Deps{Store: s.store, Bus: s.bus, Config: redrivev1.NewConfigServiceClient(calls), Log: s.log, Metrics: s.registry})
		}},
	}
	services := make([]service, len(parts))
	for i, p := range parts {
		if services[i], err = p.make(); err != nil {
			return fmt.Errorf("start the %s: %w", p.name, err)
		}
		services[i].Register(s.server)
	}
	s.server.Start()
	for i, p := range parts {
		s.run(p.name, services[i])
	}
	return nil
}

// run starts a service that has been registered. A service that stops although
// nobody asked it to is a failure of the system.
func (s *System) run(name string, svc service) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = svc.Run(ctx)
		if ctx.Err() == nil {
			s.fail(fmt.Errorf("the %s stopped: %w", name, orEnded(r.err)))
		}
	}()
	s.server.AddCheck(name, r.ready)
	s.closers.Add(name, r.wait)
}
