package bus

import (
	"context"
	"sync"
)

// reconnects tells whoever waits that the connection was lost and is back.
type reconnects struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next one
}

func (r *reconnects) wait() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = make(chan struct{})
	}
	return r.next
}

func (r *reconnects) happened() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
}

// until returns a context that ends with ctx or with the next reconnect.
func (r *reconnects) until(ctx context.Context) (context.Context, context.CancelFunc) {
	back := r.wait()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-back:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
