package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failpoint"
)

const (
	// maxPending messages are under way at a time; the next waits for one of
	// them. Without a long stall wait the client gives up after 200 ms, less
	// than a disk may need that syncs every message.
	maxPending     = 1024
	publishTimeout = 10 * time.Second
)

// Publish sends events, in order, and waits until the stream has them all; Sync
// says when they are durable. It is errs.Invalid, and nothing is sent, when one
// of them is; errs.Unavailable when the stream may not have one of them: send
// all again, it drops those that it has. When ctx ends first, it is ctx's error.
func (b *Bus) Publish(ctx context.Context, events ...Event) error {
	for _, e := range events {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("publish %s %q: %w", e.Type, e.ID, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	hitPublish("publish.before", events)
	events, spans := publishing(ctx, events)
	err := b.publish(ctx, events)
	spans.end(err)
	if err != nil {
		b.metrics.publishErrors.Inc()
		return err
	}
	hitPublish("publish.after", events)
	for _, e := range events {
		b.metrics.published.WithLabelValues(string(e.Type)).Inc()
	}
	return nil
}

// publish sends the events one behind the other and then waits for all.
func (b *Bus) publish(ctx context.Context, events []Event) error {
	futures := make([]jetstream.PubAckFuture, 0, len(events))
	var failed error
	for _, e := range events {
		f, err := b.js.PublishMsgAsync(e.message(), jetstream.WithStallWait(publishTimeout))
		if err != nil {
			failed = errs.New(errs.Unavailable, "publish %s %q: %w", e.Type, e.ID, err)
			break
		}
		futures = append(futures, f)
	}
	for i, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			if failed == nil {
				failed = errs.New(errs.Unavailable, "publish %s %q: %w", events[i].Type, events[i].ID, err)
			}
		case <-ctx.Done():
			return fmt.Errorf("publish: %w", ctx.Err())
		}
	}
	return failed
}

// Sync returns when all that Publish has returned for is durable. A server in
// this process is told to sync its files; one that stands elsewhere syncs as its
// own configuration says before it confirms an event.
func (b *Bus) Sync(ctx context.Context) error {
	if b.server == nil {
		return nil
	}
	return b.server.Sync(ctx)
}

// hitPublish names the failpoint by the types that are published.
func hitPublish(step string, events []Event) {
	if !failpoint.Enabled || len(events) == 0 {
		return
	}
	types := make([]string, 0, len(events))
	for _, e := range events {
		types = append(types, string(e.Type))
	}
	failpoint.Hit(step, types...)
}
