// Package bus carries events between the services: CloudEvents in binary mode
// on NATS JetStream. subjects.go is the whole flow on one page; settle.go is
// what becomes of an event whose handler fails.
package bus

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Config says where the bus is; one of URL and InProcess is required.
type Config struct {
	// URL is that of the NATS servers, separated by commas.
	URL string
	// User and Password, or Token, are the credentials.
	User, Password, Token string
	// TLS is for servers that ask for it.
	TLS *tls.Config
	// InProcess connects to a server in this process, such as
	// *natsserver.Server, without a socket.
	InProcess nats.InProcessConnProvider
	// Name names the connection in the server's lists; "redrive" when empty.
	Name string
	// Replicas is how many servers keep each stream; 0 is 1.
	Replicas int
	// MaxBytes bounds the event stream; 0 is DefaultMaxBytes. The oldest events
	// go first.
	MaxBytes int64
	// Log gets what is worth knowing; nil is silent.
	Log *slog.Logger
	// Metrics gets the bus's counters; nil is none.
	Metrics prometheus.Registerer
}

// Bus is one connection. Its methods may be called concurrently.
type Bus struct{}

// Connect connects. It tries until ctx is done and then is errs.Unavailable;
// credentials that the server refuses are errs.Unauthenticated. After that the
// connection comes back by itself whenever it is lost.
func Connect(ctx context.Context, c Config) (*Bus, error) {
	return nil, errs.New(errs.Unavailable, "not connected")
}

// Close ends the connection. What is not acknowledged is delivered again.
func (b *Bus) Close() {}

// Ready is nil while the connection is up and else errs.Unavailable.
func (b *Bus) Ready() error { return errs.New(errs.Unavailable, "not connected") }

// Provision makes the streams and the durable consumers, and corrects those
// that differ from what this program needs. Several replicas may call it at the
// same time.
func (b *Bus) Provision(ctx context.Context) error {
	return errs.New(errs.Unavailable, "not connected")
}

// Publish sends events, in order, and waits until all are durable. It is
// errs.Invalid, and nothing is sent, when one of them is; errs.Unavailable when
// any is not known to be durable: send all again, the stream drops those that
// it has.
func (b *Bus) Publish(ctx context.Context, events ...Event) error {
	return errs.New(errs.Unavailable, "not connected")
}

// DeadLetter is an event that a consumer gave up.
type DeadLetter struct {
	Sequence   uint64 // of the dead letter, for Reemit
	Consumer   string
	Reason     string
	Subject    string // the NATS subject that it came by
	Deliveries int
	Time       time.Time // when it was given up
	Event      Event
}

// DeadLetters returns the newest dead letters, newest first, at most limit.
func (b *Bus) DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error) {
	return nil, errs.New(errs.Unavailable, "not connected")
}

// Reemit publishes a dead letter's event again, as a new emission, to all
// consumers of its type, and removes the dead letter. It is errs.NotFound when
// there is none of this sequence.
func (b *Bus) Reemit(ctx context.Context, sequence uint64) error {
	return errs.New(errs.Unavailable, "not connected")
}
