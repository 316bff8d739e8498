package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/errs"
)

// isReply reports whether err is an answer of the server.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// replyText returns the server's words in err; empty when there are none.
func replyText(err error) string {
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return reply.Error()
	}
	return ""
}

// broken reports whether a connection had been closed when it was used: then
// another one may do.
func broken(err error) bool {
	if err == nil || isReply(err) {
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// unavailable gives an error its kind while the store is in use. Whatever is
// wrong with the server or our way to it, callers can only wait until somebody
// has mended it, so it is errs.Unavailable, also where Open would refuse. What
// is wrong with the data, or with the scripts, stays errs.Internal.
func unavailable(err error) error {
	text := replyText(err)
	word, _, _ := strings.Cut(text, " ")
	switch {
	case err == nil:
		return nil
	case word == "WRONGTYPE", word == "DAMAGED", word == "ERR" && !strings.Contains(text, "max number of clients"):
		return errs.New(errs.Internal, "Redis: %w", err)
	}
	return errs.New(errs.Unavailable, "%w", explain(err, word))
}

// precise gives an error the kind that says what to do about it.
func precise(err error) error {
	word, _, _ := strings.Cut(replyText(err), " ")
	kind := errs.Unavailable
	switch {
	case err == nil:
		return nil
	case errs.KindOf(err) != errs.Internal:
		return err
	case word == "NOAUTH", word == "WRONGPASS", strings.Contains(replyText(err), "AUTH <password> called without any password"):
		kind = errs.Unauthenticated
	case word == "NOPERM":
		kind = errs.PermissionDenied
	case word == "WRONGTYPE", word == "DAMAGED", word == "MOVED", isTLS(err), word == "ERR" && !strings.Contains(replyText(err), "max number of clients"):
		kind = errs.FailedPrecondition
	case errors.Is(err, redis.Nil): // no read of ours: what sentinels say
		return errs.New(errs.FailedPrecondition, "%w", hinted{"the sentinels know no such master", err})
	case errors.Is(err, context.Canceled):
		return err
	}
	return errs.New(kind, "%w", explain(err, word))
}

// explain adds what helps to what a server says too shortly.
func explain(err error, word string) error {
	hint := ""
	switch word {
	case "OOM":
		hint = "the server's memory is full: raise maxmemory (CONFIG SET maxmemory BYTES) or make room"
	case "NOAUTH":
		hint = "the server wants a password"
	case "WRONGPASS":
		hint = "the server does not know this user with this password"
	case "NOPERM":
		hint = "the user may not do this; ACL SETUSER gives the right, see docs/operations.md"
	case "READONLY":
		hint = "the server has become a replica"
	case "MISCONF":
		hint = "the server cannot write to its disk"
	default:
		if isTLS(err) {
			hint = "no TLS connection"
		}
	}
	if hint == "" {
		return err
	}
	return hinted{hint, err}
}

// guess adds what is often wrong when a server says nothing at all.
func (o Options) guess(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case o.TLS != nil && errors.As(err, &timeout) && timeout.Timeout():
		return hinted{"no answer, as from a server without TLS", err}
	case o.TLS == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return hinted{"the connection was closed, as by a server that wants TLS", err}
	}
	return err
}

// hinted is an error with words for people before it.
type hinted struct {
	hint string
	error
}

func (h hinted) Error() string { return h.hint + ": " + h.error.Error() }
func (h hinted) Unwrap() error { return h.error }

// isTLS reports whether either side refused the other's TLS.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return true // an alert of the server's
	}
	return false
}
