package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxAckPending bounds the events of one consumer that are handled or wait
	// for their next try; when it is reached, no new ones come.
	maxAckPending = 10_000
	// An ephemeral consumer that nobody asks is removed after this time.
	inactiveThreshold = 5 * time.Minute
)

// Provision makes the streams and the durable consumers, and corrects those
// that differ from what this program needs. Several replicas may call it at the
// same time. It is errs.FailedPrecondition when the server refuses, such as
// when a stream that was made by someone else cannot be changed.
func (b *Bus) Provision(ctx context.Context) error {
	for _, stream := range b.streams() {
		if err := b.provisionStream(ctx, stream); err != nil {
			return err
		}
	}
	for _, c := range Consumers {
		if c.Ephemeral {
			continue
		}
		if err := b.durable(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name:        EventStream,
			Description: "What happens in Redrive. Made and corrected by redrive.",
			Subjects:    []string{SubjectPrefix + ">"},
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			Storage:     jetstream.FileStorage,
			MaxAge:      EventMaxAge,
			MaxBytes:    b.config.MaxBytes,
			MaxMsgs:     -1, MaxMsgSize: -1, MaxConsumers: -1,
			Duplicates:         DuplicateWindow,
			Replicas:           b.config.Replicas,
			AllowDirect:        true,
			AllowAtomicPublish: true,
		},
		{
			Name:        DeadLetterStream,
			Description: "Events that a consumer gave up. Made and corrected by redrive.",
			Subjects:    []string{DeadPrefix + ">"},
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			Storage:     jetstream.FileStorage,
			MaxAge:      DeadLetterMaxAge,
			MaxBytes:    DeadLetterBytes,
			MaxMsgs:     DeadLetterMaximum, MaxMsgSize: -1, MaxConsumers: -1,
			Duplicates:  DuplicateWindow,
			Replicas:    b.config.Replicas,
			AllowDirect: true,
		},
	}
}

func (b *Bus) provisionStream(ctx context.Context, c jetstream.StreamConfig) error {
	ctx, cancel := callContext(ctx)
	defer cancel()
	if _, err := b.js.CreateOrUpdateStream(ctx, c); err != nil {
		return callError(err, "make or correct stream %s", c.Name)
	}
	return nil
}

// durable makes or corrects the durable consumer of c.
func (b *Bus) durable(ctx context.Context, c Consumer) error {
	config := b.consumerConfig(c)
	config.Durable = c.Name
	config.Replicas = b.config.Replicas
	ctx, cancel := callContext(ctx)
	defer cancel()
	if _, err := b.js.CreateOrUpdateConsumer(ctx, EventStream, config); err != nil {
		return callError(err, "make or correct consumer %s", c.Name)
	}
	return nil
}

// ephemeral makes a consumer of c that starts at a sequence and is this
// process's own.
func (b *Bus) ephemeral(ctx context.Context, c Consumer, name string, start uint64) error {
	config := b.consumerConfig(c)
	config.Name = name
	config.Replicas = 1
	config.MemoryStorage = true
	config.InactiveThreshold = inactiveThreshold
	config.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
	config.OptStartSeq = start
	ctx, cancel := callContext(ctx)
	defer cancel()
	if _, err := b.js.CreateOrUpdateConsumer(ctx, EventStream, config); err != nil {
		return callError(err, "make consumer %s", name)
	}
	return nil
}

// consumerConfig is what both sorts of consumers have.
func (b *Bus) consumerConfig(c Consumer) jetstream.ConsumerConfig {
	subjects := make([]string, 0, len(c.Types))
	for _, t := range c.Types {
		subjects = append(subjects, SubjectPrefix+string(t))
	}
	return jetstream.ConsumerConfig{
		Description:    "Made and corrected by redrive.",
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        b.config.AckWait,
		MaxAckPending:  maxAckPending,
		FilterSubjects: subjects,
		// The server must never give an event up: it would count the tries
		// during an outage. settle.go decides, and keeps what is given up.
		MaxDeliver: -1,
	}
}
