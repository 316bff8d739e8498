package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// replayBatch is how many events are asked for at a time, and replayWait how
	// long they may take before the server is asked whether there are any.
	replayBatch = 500
	replayWait  = 5 * time.Second
)

// Replay tells do of every event of these types that the event stream has now,
// in the order in which they were stored, and returns how many there were. What
// is no event is left out. It ends with the first error of do. Nothing is
// acknowledged, and no consumer sees less of it.
func (b *Bus) Replay(ctx context.Context, types []Type, do func(context.Context, Event) error) (events int64, err error) {
	subjects := make([]string, 0, len(types))
	for _, t := range types {
		subjects = append(subjects, SubjectPrefix+string(t))
	}
	name := "replay-" + rand.Text()
	call, cancel := callContext(ctx)
	defer cancel()
	consumer, err := b.js.CreateConsumer(call, EventStream, jetstream.ConsumerConfig{
		Name: name, Description: "Reads the stream once.", AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		FilterSubjects: subjects, Replicas: 1, MemoryStorage: true, InactiveThreshold: inactiveThreshold,
	})
	if err != nil {
		return 0, callError(err, "make consumer %s", name)
	}
	defer func() {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := b.js.DeleteConsumer(call, EventStream, name); err != nil {
			b.log.Debug("the server will remove the consumer by itself", "name", name, "err", err)
		}
	}()
	for left := consumer.CachedInfo().NumPending; left > 0 && ctx.Err() == nil; {
		batch, err := consumer.Fetch(int(min(left, replayBatch)), jetstream.FetchMaxWait(replayWait))
		if err != nil {
			return events, callError(err, "read stream %s", EventStream)
		}
		came := false
		for m := range batch.Messages() {
			came = true
			left--
			meta, err := m.Metadata()
			if err != nil {
				continue
			}
			e, err := eventOf(m.Subject(), m.Headers(), m.Data(), meta.Timestamp)
			if err != nil {
				continue
			}
			events++
			if err := do(ctx, e); err != nil {
				return events, err
			}
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
			return events, callError(err, "read stream %s", EventStream)
		}
		if came {
			continue
		}
		// What was there may have grown too old meanwhile.
		info, err := b.consumerInfo(ctx, consumer)
		if err != nil {
			return events, err
		}
		left = min(left, info.NumPending)
	}
	return events, ctx.Err()
}

func (b *Bus) consumerInfo(ctx context.Context, c jetstream.Consumer) (*jetstream.ConsumerInfo, error) {
	call, cancel := callContext(ctx)
	defer cancel()
	info, err := c.Info(call)
	if err != nil {
		return nil, callError(err, "ask for consumer %s", c.CachedInfo().Name)
	}
	return info, nil
}
