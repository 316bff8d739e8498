package system

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
)

// service is what every service's face offers.
type service interface {
	Register(r grpc.ServiceRegistrar)
	Run(ctx context.Context) error
}

// running is a service whose Run is under way.
type running struct {
	name string
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // of Run, once done is closed
}

// startServices makes the services, each with what it stands on, and starts to
// serve and to run them. The order is that of who is called: the scheduler,
// which calls the others, is the last to start and the first to stop.
func (s *System) startServices(Options) error {
	all := []struct {
		name string
		make func() (service, error)
	}{}
	made := make([]service, len(all))
	for i, a := range all {
		svc, err := a.make()
		if err != nil {
			return fmt.Errorf("start the %s: %w", a.name, err)
		}
		svc.Register(s.server)
		made[i] = svc
	}
	s.server.Start()
	for i, a := range all {
		s.run(a.name, made[i])
	}
	return nil
}

// run starts a service that has been registered. A service that stops although
// nobody asked it to is a failure of the system.
func (s *System) run(name string, svc service) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{name: name, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = svc.Run(ctx)
		if ctx.Err() == nil {
			s.fail(fmt.Errorf("the %s stopped: %w", name, orEnded(r.err)))
		}
	}()
	s.services = append(s.services, r)
	s.server.AddCheck(name, r.ready)
	s.closers.Add(name, r.wait)
}

func (r *running) ready(context.Context) error {
	select {
	case <-r.done:
		return orEnded(r.err)
	default:
		return nil
	}
}

// wait stops the service and waits for it as long as ctx lasts.
func (r *running) wait(ctx context.Context) error {
	r.stop()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("it has not stopped: %w", ctx.Err())
	}
}

func orEnded(err error) error {
	if err == nil {
		return fmt.Errorf("it ended")
	}
	return err
}
