package bus

import (
	"context"
	"fmt"
	"sync"

	"github.com/redrive-io/redrive/pkg/errs"
)

// A server in this process that syncs every message does one batch after the
// other, and each takes several fsyncs whatever its size. So events that come
// while others are published gather, and go together: such a server has one bus,
// and on it the outboxes of all services. Nobody waits for a clock.

// grouping gathers what is published at the same time.
type grouping struct {
	mu      sync.Mutex
	waiting []*group
	busy    bool // a goroutine publishes, and takes what waits when it has done
	closed  bool
	working sync.WaitGroup
}

// group is what one caller publishes.
type group struct {
	events []Event
	done   chan error // gets the one answer
}

// publishGrouped publishes events together with those of other callers. When
// ctx ends first, they may be published or not.
func (b *Bus) publishGrouped(ctx context.Context, events []Event) error {
	g := &group{events: events, done: make(chan error, 1)}
	if err := b.enqueue(g); err != nil {
		return err
	}
	select {
	case err := <-g.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("publish: %w", ctx.Err())
	}
}

// enqueue queues g, and sees to it that the queue is worked off. That is done by
// nobody's caller: whoever came first may go away while others wait.
func (b *Bus) enqueue(g *group) error {
	q := &b.grouping
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errs.New(errs.Unavailable, "publish: the bus is closed")
	}
	q.waiting = append(q.waiting, g)
	if !q.busy {
		q.busy = true
		q.working.Go(func() {
			for groups := q.next(); len(groups) > 0; groups = q.next() {
				b.publishGroups(b.life, groups)
			}
		})
	}
	return nil
}

// next takes those that wait, in order, as many as one batch holds.
func (q *grouping) next() []*group {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, events := 0, 0
	for n < len(q.waiting) && events+len(q.waiting[n].events) <= mostBatch {
		events += len(q.waiting[n].events)
		n++
	}
	groups := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	if n == 0 {
		q.busy, q.waiting = false, nil
	}
	return groups
}

// end waits for what is under way and lets nothing more in.
func (q *grouping) end() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.working.Wait()
}

// publishGroups publishes many events as one batch, and few one by one. What
// the server will not have as a batch goes one by one too; then each caller
// hears of its own events alone.
func (b *Bus) publishGroups(ctx context.Context, groups []*group) {
	var all []Event
	for _, g := range groups {
		all = append(all, g.events...)
	}
	if len(all) >= leastBatch {
		err := b.publishBatch(ctx, all)
		if err == nil {
			for _, g := range groups {
				g.done <- nil
			}
			return
		}
		b.log.Debug("a batch is published one by one", "events", len(all), "err", err)
	}
	for _, g := range groups {
		err := b.publishEach(ctx, g.events)
		if err != nil && ctx.Err() != nil {
			err = errs.New(errs.Unavailable, "publish: the bus is closed")
		}
		g.done <- err
	}
}
