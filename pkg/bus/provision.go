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
	return b.openReception()
}

// openReception begins to take reports where that is this process's task.
func (b *Bus) openReception() (err error) {
	b.receiving.Lock()
	defer b.receiving.Unlock()
	if b.server == nil || b.reception != nil {
		return nil
	}
	b.reception, err = b.receive()
	return err
}

func (b *Bus) streams() []jetstream.StreamConfig {
	stream := func(name, description, subjects string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name:        name,
			Description: description + " Made and corrected by redrive.",
			Subjects:    []string{subjects},
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			Storage:     jetstream.FileStorage,
			MaxAge:      EventMaxAge,
			MaxBytes:    b.config.MaxBytes,
			MaxMsgs:     -1, MaxMsgSize: -1, MaxConsumers: -1,
			Duplicates:  DuplicateWindow,
			AllowDirect: true,
		}
	}
	dead := stream(DeadLetterStream, "Events that a consumer gave up.", DeadPrefix+">")
	dead.MaxAge, dead.MaxBytes, dead.MaxMsgs = DeadLetterMaxAge, DeadLetterBytes, DeadLetterMaximum
	return []jetstream.StreamConfig{
		stream(EventStream, "What happens in Redrive.", SubjectPrefix+">"),
		stream(ReportStream, "What other schedulers tell.", b.prefix(Consumer{Reports: true})+">"),
		dead,
	}
}

// prefix is that of the subjects that the events of c are kept under.
func (b *Bus) prefix(c Consumer) string {
	switch {
	case !c.Reports:
		return SubjectPrefix
	case b.server != nil:
		return receivedPrefix
	}
	return ReportPrefix
}

func (b *Bus) provisionStream(ctx context.Context, c jetstream.StreamConfig) error {
	ctx, cancel := callContext(ctx)
	defer cancel()
	if err := b.putStream(ctx, c); err != nil {
		return callError(err, "make or correct stream %s", c.Name)
	}
	return nil
}

// durable makes or corrects the durable consumer of c.
func (b *Bus) durable(ctx context.Context, c Consumer) error {
	config := b.consumerConfig(c)
	config.Durable = c.Name
	config.Replicas = 0 // as many as the stream has
	ctx, cancel := callContext(ctx)
	defer cancel()
	if _, err := b.js.CreateOrUpdateConsumer(ctx, c.stream(), config); err != nil {
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
	if _, err := b.js.CreateOrUpdateConsumer(ctx, c.stream(), config); err != nil {
		return callError(err, "make consumer %s", name)
	}
	return nil
}

// consumerConfig is what both sorts of consumers have.
func (b *Bus) consumerConfig(c Consumer) jetstream.ConsumerConfig {
	subjects := make([]string, 0, len(c.Types))
	for _, t := range c.Types {
		subjects = append(subjects, b.prefix(c)+string(t))
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
