package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
)

// settle deletes what is published: what has come within a moment together,
// after one sync. Until then a crash or the loss of power finds the events in
// the store and publishes them again.
func (o *Outbox) settle(ctx context.Context, published <-chan []string) {
	var waiting []string
	moment := time.NewTimer(0)
	moment.Stop()
	defer moment.Stop()
	for {
		select {
		case ids, more := <-published:
			if !more {
				o.settleNow(ctx, waiting)
				return
			}
			if len(waiting) == 0 {
				moment.Reset(o.limits.moment)
			}
			if waiting = append(waiting, ids...); len(waiting) < o.limits.settled {
				continue
			}
		case <-moment.C:
		}
		o.settleNow(ctx, waiting)
		waiting = nil
	}
}

// settleNow syncs and deletes. When that fails until ctx ends, the events are
// published again after the next start, which is harmless.
func (o *Outbox) settleNow(ctx context.Context, ids []string) {
	for len(ids) > 0 {
		batch := ids[:min(len(ids), docstore.MaxWrites)]
		ids = ids[len(batch):]
		writes := make([]docstore.Write, 0, len(batch))
		for _, id := range batch {
			writes = append(writes, docstore.Write{Kind: o.kind, ID: id, Revision: docstore.AnyRevision})
		}
		for wait := backoffLeast; ; wait = min(2*wait, o.limits.backoffMost) {
			err := o.syncAndDelete(ctx, writes)
			if err == nil {
				o.release(batch)
				break
			}
			o.log.Warn("published events cannot be deleted, trying again", "events", len(batch), "err", err, "in", wait)
			if !sleep(ctx, wait) {
				return
			}
		}
	}
}

// syncAndDelete may finish when ctx ends meanwhile.
func (o *Outbox) syncAndDelete(ctx context.Context, writes []docstore.Write) error {
	ctx, cancel := outlive(ctx, o.limits.lastBatch)
	defer cancel()
	if err := o.pub.Sync(ctx); err != nil {
		return err
	}
	return o.store.Commit(ctx, writes...)
}

// outlive returns a context that ends a while after ctx does.
func outlive(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(while, func() { cancel(fmt.Errorf("no end %v after it was asked for: %w", while, ctx.Err())) })
	})
	return longer, func() {
		stop()
		cancel(nil)
	}
}

// sleep reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
