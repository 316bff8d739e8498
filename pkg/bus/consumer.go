package bus

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Defaults of a Consumer.
const (
	// Handlers mostly wait for the store, whose fsync is for all that wait: more
	// of them at a time cost little and keep a consumer from falling behind.
	defaultConcurrency = 64
	defaultNotYet      = time.Minute
	defaultMaxFailures = 5
	defaultTimeout     = 5 * time.Minute
	maxConcurrency     = 1024
)

// Consumer says who listens to what, and how failures are treated. The values
// are in subjects.go.
type Consumer struct {
	// Name names the durable consumer in the stream, its dead letters and its
	// metrics. It is 1 to 32 of [a-z0-9-].
	Name string
	// Types are what it listens to.
	Types []Type
	// Reports makes it listen to what other schedulers report, and not to what
	// Redrive says.
	Reports bool
	// Ephemeral makes it a replica's own: it gets every event published from
	// the moment that Consume listens, also across a lost connection. Without
	// it, the replicas share the events, from the oldest one kept.
	Ephemeral bool
	// Concurrency is how many events are handled at a time; 0 is 64.
	Concurrency int
	// NotYet is how long after an event was published its handler may answer
	// errs.NotFound before the event goes to the dead letters; 0 is one
	// minute.
	NotYet time.Duration
	// MaxFailures is how many counted failures send an event to the dead
	// letters; 0 is 5.
	MaxFailures int
	// Timeout ends the handler's context; 0 is 5 minutes.
	Timeout time.Duration
	// Listening, when set, is called each time that Consume begins to listen,
	// before the first event: what was true before is to be read now.
	Listening func()
}

// Handler handles one event. It may be called for several events at a time, and
// for the same event more than once. The kind of its error settles the event:
//
//	nil          done
//	Invalid      to the dead letters at once: it can never succeed
//	Unavailable  again; the consumer pauses, 1 s growing to 30 s; not counted
//	NotFound     not there yet: again until Consumer.NotYet has passed since
//	             the event was published, then to the dead letters
//	Conflict     a lost race: again after a moment, growing to 5 s; to the dead
//	             letters only after 100 times
//	any other    again with growing delay; to the dead letters at
//	             Consumer.MaxFailures. A panic is one of these.
//
// An error without a kind that comes from a deadline of the handler's own is
// Unavailable. ctx ends with the consumer and at Consumer.Timeout; until then
// the bus tells the server that the handler still works.
type Handler func(ctx context.Context, e Event) error

// stream is where the consumer's events are kept.
func (c Consumer) stream() string {
	if c.Reports {
		return ReportStream
	}
	return EventStream
}

var consumerName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// withDefaults returns c complete, or errs.Invalid.
func (c Consumer) withDefaults() (Consumer, error) {
	switch {
	case !consumerName.MatchString(c.Name):
		return c, errs.New(errs.Invalid, "consumer name %q is not 1 to 32 of [a-z0-9-]", c.Name)
	case len(c.Types) == 0:
		return c, errs.New(errs.Invalid, "consumer %s listens to nothing", c.Name)
	case c.Concurrency < 0 || c.Concurrency > maxConcurrency:
		return c, errs.New(errs.Invalid, "consumer %s handles %d at a time; 1 to %d are possible", c.Name, c.Concurrency, maxConcurrency)
	case c.NotYet < 0 || c.MaxFailures < 0 || c.Timeout < 0:
		return c, errs.New(errs.Invalid, "consumer %s has a negative limit", c.Name)
	}
	for _, t := range c.Types {
		if !slices.Contains(Types, t) {
			return c, errs.New(errs.Invalid, "consumer %s listens to %q, which is not one of the event types", c.Name, t)
		}
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	if c.NotYet == 0 {
		c.NotYet = defaultNotYet
	}
	if c.MaxFailures == 0 {
		c.MaxFailures = defaultMaxFailures
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return c, nil
}
