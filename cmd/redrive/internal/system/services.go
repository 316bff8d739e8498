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

// startServices makes the services that are asked for, each with what it stands
// on, and starts to serve and to run them.
func (s *System) startServices(o Options) error {
	makers, err := s.makers(o)
	if err != nil {
		return err
	}
	// In the order of the directory a service comes after those that it calls,
	// so that it stops before them.
	var names []string
	var services []service
	for _, d := range directory {
		if makers[d.name] == nil || !o.runs(d.name) {
			continue
		}
		svc, err := makers[d.name]()
		if err != nil {
			return fmt.Errorf("start the %s: %w", d.name, err)
		}
		svc.Register(s.server)
		names, services = append(names, d.name), append(services, svc)
	}
	redrivev1.RegisterBackupServiceServer(s.server, &backups{store: s.store, folder: string(s.home.Folder)})
	s.server.Start()
	for i, name := range names {
		s.run(name, services[i])
	}
	return nil
}

// makers are how to make each service.
func (s *System) makers(o Options) (map[string]func() (service, error), error) {
	costs, err := LoadCosts(o.CostPolicy)
	if err != nil {
		return nil, err
	}
	supervisor := o.Supervisor
	if len(supervisor) == 0 {
		supervisor = thisProgram
	}
	config, advice := redrivev1.NewConfigServiceClient(s.conn(Configsvc)), redrivev1.NewRecommenderServiceClient(s.conn(Recommender))
	return map[string]func() (service, error){
		Configsvc: func() (service, error) {
			return configsvc.New(
				configsvc.Options{MaxMemory: costs.MaxMemory, MaxCores: costs.MaxCores},
				configsvc.Deps{Store: s.store, Bus: s.bus, Log: s.log, Metrics: s.registry, Replica: s.replica})
		},
		Recommender: func() (service, error) {
			return recommender.New(costs, recommender.Deps{Store: s.store, Bus: s.bus, Config: config, Log: s.log, Metrics: s.registry, Replica: s.replica})
		},
		Classifier: func() (service, error) {
			return classifier.New(
				classifier.Options{
					LogRoots: append([]string{s.home.Attempts()}, o.LogRoots...), LogSources: o.Logs.Sources, LogTokens: o.Logs.Tokens,
					LogTimeout: o.Logs.Timeout, LogDelay: o.Logs.Delay, Kubeconfig: o.Logs.Kubeconfig,
				},
				classifier.Deps{Store: s.store, Bus: s.bus, Recommender: advice, Config: config, Log: s.log, Metrics: s.registry, Replica: s.replica})
		},
		Notifier: func() (service, error) {
			return notifier.New(
				notifier.Options{PolicyFile: o.AlertPolicy, ExternalURL: o.PublicURL},
				notifier.Deps{Store: s.store, Bus: s.bus, Log: s.log, Metrics: s.registry, Replica: s.replica})
		},
		Scheduler: func() (service, error) {
			return scheduler.New(
				scheduler.Options{Attempts: s.home.Attempts(), Supervisor: supervisor, RetryPolicy: o.RetryPolicy, LostAfter: o.LostAfter},
				scheduler.Deps{Store: s.store, Bus: s.bus, Config: config, Log: s.log, Metrics: s.registry, Replica: s.replica})
		},
	}, nil
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
