package lease

import (
	"context"
	"errors"
)

// Around does something that relies on Holds while Run runs, and gives up what
// is held when it has ended. It ends do's context when Run fails, and returns
// the errors of both.
func (l *Leases) Around(ctx context.Context, do func(context.Context) error) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	doing, end := context.WithCancel(ctx)
	defer end()
	failed := make(chan error, 1)
	go func() {
		err := l.Run(running)
		end()
		failed <- err
	}()
	err := do(doing)
	stop()
	return errors.Join(err, <-failed)
}
