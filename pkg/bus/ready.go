package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/pkg/errs"
)

// heard is how long a server that keeps the event stream may have said nothing
// to its leader; while it lives it says something every second.
const heard = 4 * time.Second

// Answers is nil when events can be published: the connection is up, and the
// servers that keep the event stream have a leader who answers and hears most
// of them. Else it is errs.Unavailable.
func (b *Bus) Answers(ctx context.Context) error {
	if err := b.Ready(); err != nil {
		return err
	}
	stream, err := b.js.Stream(ctx, EventStream)
	if err != nil {
		return errs.New(errs.Unavailable, "the stream %s does not answer: %w", EventStream, err)
	}
	c := stream.CachedInfo().Cluster
	if c == nil {
		return nil // a server of its own
	}
	// A leader whose followers are gone goes on answering for a while, and
	// stores nothing.
	servers, alive := len(c.Replicas)+1, 1
	for _, r := range c.Replicas {
		if !r.Offline && r.Active < heard {
			alive++
		}
	}
	switch {
	case c.Leader == "":
		return errs.New(errs.Unavailable, "the stream %s has no leader: most of its servers have to be up", EventStream)
	case 2*alive <= servers:
		return errs.New(errs.Unavailable, "the stream %s hears %d of its %d servers: most of them have to be up", EventStream, alive, servers)
	}
	return nil
}

// hopeless returns why a connection that failed would fail again and again; nil
// when another try is worth it.
func (b *Bus) hopeless(err error) error {
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, badAlert := errors.AsType[tls.AlertError](err)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return errs.New(errs.Unauthenticated, "NATS refuses the credentials of user %q", b.config.User)
	case badCertificate, badAlert:
		return errs.New(errs.FailedPrecondition, "the TLS connection to NATS fails: %w", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return errs.New(errs.FailedPrecondition, "NATS does not offer TLS, which was asked for")
	case b.config.CredsFile != "" && errors.Is(err, os.ErrNotExist):
		return errs.New(errs.FailedPrecondition, "the NATS credentials: %w", err)
	default:
		return nil
	}
}
