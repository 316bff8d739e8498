// Package bus carries events between the services: CloudEvents in binary mode
// on NATS JetStream. subjects.go is the whole flow on one page; settle.go is
// what becomes of an event whose handler fails.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	// inboxPrefix keeps replies, and with them delivered events, out of reach
	// of users that may subscribe to "_INBOX.>" alone.
	inboxPrefix    = "_REDRIVE_INBOX"
	connectTimeout = 5 * time.Second
	reconnectWait  = 200 * time.Millisecond
	sayEvery       = 5 * time.Second // in the log, that NATS is waited for
	// A server that stands elsewhere and does not answer maxPings pings is left
	// for another one: nothing else tells of a machine that is gone.
	pingInterval, maxPings = 3 * time.Second, 2
	// callTimeout bounds a request to the server whose caller gave no deadline.
	callTimeout    = 10 * time.Second
	defaultAckWait = 30 * time.Second
	// headroom is for the headers of an event of MaxData bytes.
	headroom = 64 << 10
)

// Config says where the bus is; one of URL and InProcess is required.
type Config struct {
	// URL is that of the NATS servers, separated by commas.
	URL string
	// User and Password, or Token, are the credentials.
	User, Password, Token string
	// CredsFile, instead of those, is a .creds file of NATS: a JWT and its seed.
	CredsFile string
	// TLS is for servers that ask for it.
	TLS *tls.Config
	// InProcess is a server in this process, such as *natsserver.Server. It is
	// connected to without a socket, and has one bus.
	InProcess Server
	// Name names the connection in the server's lists; "redrive" when empty.
	Name string
	// Replicas is how many servers keep each stream; 0 is 3 where the cluster
	// has three servers, and else 1. A stream that has more keeps them.
	Replicas int
	// MaxBytes bounds the event stream; 0 is DefaultMaxBytes. The oldest events
	// go first.
	MaxBytes int64
	// AckWait is how long after a crash an event that was being handled waits
	// until it is handled again; 0 is 30 s, and less than 1 s is not possible.
	AckWait time.Duration
	// Log gets what is worth knowing; nil is silent.
	Log *slog.Logger
	// Metrics gets the bus's counters; nil is none.
	Metrics prometheus.Registerer
}

// Server is a server in this process.
type Server interface {
	nats.InProcessConnProvider
	// Sync returns when what the server has acknowledged is on the disk.
	Sync(ctx context.Context) error
}

// Bus is one connection. Its methods may be called concurrently.
type Bus struct {
	config  Config
	began   time.Time
	log     *slog.Logger
	metrics *metrics
	conn    *nats.Conn
	js      jetstream.JetStream
	back    reconnects
	close   func()

	server    Server // in this process; nil when it stands elsewhere
	receiving sync.Mutex
	reception *reception // only where server is set, from Provision on
}

// Connect connects. It tries until ctx is done and then is errs.Unavailable;
// credentials that the server refuses are errs.Unauthenticated; TLS that cannot
// work, and a server whose messages are too small for our events is errs.FailedPrecondition. After
// that the connection comes back by itself whenever it is lost.
//
// A server with permissions of its own must let the user subscribe to
// "_REDRIVE_INBOX.>", where replies go.
func Connect(ctx context.Context, c Config) (*Bus, error) {
	switch {
	case (c.URL == "") == (c.InProcess == nil):
		return nil, errs.New(errs.Invalid, "connect to NATS: give either a URL or a server in this process")
	case c.Replicas < 0 || c.Replicas > 5:
		return nil, errs.New(errs.Invalid, "connect to NATS: %d replicas; 1 to 5 are possible", c.Replicas)
	case c.AckWait != 0 && c.AckWait < time.Second:
		return nil, errs.New(errs.Invalid, "connect to NATS: an ack wait of %v; 1 s is the least", c.AckWait)
	case c.MaxBytes < 0:
		return nil, errs.New(errs.Invalid, "connect to NATS: a stream of %d bytes", c.MaxBytes)
	}
	if c.Name == "" {
		c.Name = "redrive"
	}
	if c.InProcess != nil {
		c.Replicas = 1
	}
	if c.AckWait == 0 {
		c.AckWait = defaultAckWait
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	b := &Bus{config: c, began: time.Now(), log: c.Log.With("component", "bus"), server: c.InProcess}
	var err error
	if b.metrics, err = newMetrics(c.Metrics); err != nil {
		return nil, err
	}
	if b.conn, err = b.dial(ctx); err != nil {
		return nil, err
	}
	b.close = sync.OnceFunc(func() {
		if r := b.reception; r != nil {
			r.close()
		}
		b.conn.Close()
	})
	if most := b.conn.MaxPayload(); most < MaxData+headroom {
		b.Close()
		return nil, errs.New(errs.FailedPrecondition, "NATS takes messages of at most %d bytes: set its max_payload to %d or more", most, MaxData+headroom)
	}
	b.js, err = jetstream.New(b.conn,
		jetstream.WithPublishAsyncMaxPending(maxPending),
		jetstream.WithPublishAsyncTimeout(publishTimeout),
		jetstream.WithDefaultTimeout(callTimeout),
	)
	if err != nil {
		b.Close()
		return nil, errs.New(errs.Internal, "use JetStream: %w", err)
	}
	if err := b.registerGauges(c.Metrics); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// dial tries to connect until ctx is done.
func (b *Bus) dial(ctx context.Context) (*nats.Conn, error) {
	var said time.Time
	for {
		conn, err := nats.Connect(b.config.URL, b.options()...)
		if err == nil {
			return conn, nil
		}
		if err := b.hopeless(err); err != nil {
			return nil, err
		}
		if time.Since(said) > sayEvery {
			said = time.Now()
			b.log.Warn("NATS cannot be reached, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, errs.New(errs.Unavailable, "connect to NATS: %w", errors.Join(err, ctx.Err()))
		case <-time.After(reconnectWait):
		}
	}
}

func (b *Bus) options() []nats.Option {
	all := []nats.Option{
		nats.Name(b.config.Name),
		nats.Timeout(connectTimeout),
		nats.CustomInboxPrefix(inboxPrefix),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		// What is published while the connection is away fails at once: the
		// outbox keeps it, and a second memory of it would only reorder.
		nats.ReconnectBufSize(-1),
		// A password may be changed on both sides one after the other.
		nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("connection to NATS is lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			b.log.Info("connection to NATS is back", "server", c.ConnectedServerName())
			b.back.happened()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("error on the connection to NATS", "err", err)
		}),
	}
	if b.config.User != "" {
		all = append(all, nats.UserInfo(b.config.User, b.config.Password))
	}
	if b.config.Token != "" {
		all = append(all, nats.Token(b.config.Token))
	}
	if b.config.CredsFile != "" {
		all = append(all, nats.UserCredentials(b.config.CredsFile))
	}
	if b.config.TLS != nil {
		all = append(all, nats.Secure(b.config.TLS))
	}
	if b.config.InProcess != nil {
		all = append(all, nats.InProcessServer(b.config.InProcess))
	} else {
		all = append(all, nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(maxPings))
	}
	return all
}

// Close ends the connection. What is not acknowledged is delivered again. A
// second call does nothing.
func (b *Bus) Close() { b.close() }

// Ready is nil while the connection is up and else errs.Unavailable.
func (b *Bus) Ready() error {
	if status := b.conn.Status(); status != nats.CONNECTED {
		return errs.New(errs.Unavailable, "the connection to NATS is %s", status)
	}
	return nil
}

// callContext gives a call to the server a deadline when it has none.
func callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// callError gives an error of a call to the server its kind.
func callError(err error, format string, args ...any) error {
	kind := errs.Unavailable
	// Servers that are not there yet may come.
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.Code < 500 && api.ErrorCode != codeNoPeers {
		kind = errs.FailedPrecondition
	}
	return errs.New(kind, format+": %w", append(args, err)...)
}
