package serve

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Caller says who makes a call.
type Caller string

// The callers.
const (
	// Nobody is a caller who did not say who it is: only health answers it.
	Nobody Caller = ""
	// Operator is a caller with the token.
	Operator Caller = "operator"
	// Internal is a service of Redrive: one of this process, or of another that
	// has the token.
	Internal Caller = "internal"
)

type callerKey struct{}

// CallerOf returns who makes the call that ctx belongs to.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// authenticate returns the caller, or errs.Unauthenticated.
type authenticate func(ctx context.Context, method string) (Caller, error)

// trusted is for the in-memory connection, which nothing outside this process
// can open.
func trusted(context.Context, string) (Caller, error) { return Internal, nil }

// tokenAuth asks for the token, except for health.
func tokenAuth(token string) authenticate {
	return func(ctx context.Context, method string) (Caller, error) {
		if strings.HasPrefix(method, "/grpc.health.v1.Health/") {
			return Nobody, nil
		}
		values := metadata.ValueFromIncomingContext(ctx, "authorization")
		if len(values) != 1 {
			return Nobody, errNoToken
		}
		if !bearer(values[0], token) {
			return Nobody, errWrongToken
		}
		if len(metadata.ValueFromIncomingContext(ctx, peerHeader)) > 0 {
			return Internal, nil
		}
		return Operator, nil
	}
}

var (
	errNoToken = errs.Because("TOKEN_MISSING", errs.New(errs.Unauthenticated,
		`this call needs the header "authorization: Bearer TOKEN"; the token is in the file "token" of the server's data folder`))
	errWrongToken = errs.Because("TOKEN_WRONG", errs.New(errs.Unauthenticated,
		`the token is not this server's; it is in the file "token" of the server's data folder`))
)

// bearer reports whether an authorization header presents the token.
func bearer(header, token string) bool {
	scheme, got, ok := strings.Cut(header, " ")
	return ok && strings.EqualFold(scheme, "bearer") && sameToken(strings.TrimSpace(got), token)
}
