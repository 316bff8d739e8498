package system

import (
	"context"
	"errors"
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
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // of Run, once done is closed
}

// ready is a readiness check.
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
		if errors.Is(r.err, context.Canceled) {
			return nil // that is what was asked for
		}
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("it has not stopped: %w", ctx.Err())
	}
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("it ended")
	}
	return err
}
