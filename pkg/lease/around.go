package lease

import (
	"context"
	"errors"
	"time"
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

// Every does something now and every period while this replica holds key, until
// ctx is done. When the key comes to this replica, it does it at once: it does
// not know when another one did it last.
func (l *Leases) Every(ctx context.Context, key string, period time.Duration, do func(context.Context)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for held := false; ctx.Err() == nil; {
		changed, had := l.Changed(), held
		if held = l.Holds(key); held && !had {
			do(ctx)
			tick.Reset(period)
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-tick.C:
			if l.Holds(key) {
				do(ctx)
			}
		}
	}
}
