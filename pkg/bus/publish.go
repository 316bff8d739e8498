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
	publishTimeout = 30 * time.Second
)

// Publish sends events, in order, and waits until all are durable. It is
// errs.Invalid, and nothing is sent, when one of them is; errs.Unavailable when
// any is not known to be durable: send all again, the stream drops those that
// it has. When ctx ends first, it is ctx's error.
func (b *Bus) Publish(ctx context.Context, events ...Event) error {
	for _, e := range events {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("publish %s %q: %w", e.Type, e.ID, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	for len(events) > 0 {
		chunk := events[:min(len(events), mostBatch)]
		events = events[len(chunk):]
		hitPublish("publish.before", chunk)
		if err := b.publish(ctx, chunk); err != nil {
			b.metrics.publishErrors.Inc()
			return err
		}
		hitPublish("publish.after", chunk)
		for _, e := range chunk {
			b.metrics.published.WithLabelValues(string(e.Type)).Inc()
		}
	}
	return nil
}

// publish sends the events as the server likes them best.
func (b *Bus) publish(ctx context.Context, events []Event) error {
	if b.syncs() {
		return b.publishGrouped(ctx, events)
	}
	return b.publishEach(ctx, events)
}

// publishEach sends the events one behind the other and then waits for all.
func (b *Bus) publishEach(ctx context.Context, events []Event) error {
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
