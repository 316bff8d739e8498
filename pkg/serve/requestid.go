package serve

import (
	"context"
	"regexp"

	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
)

// requestIDHeader carries the id of a request, in and out, over gRPC and REST.
const requestIDHeader = "x-request-id"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type requestIDKey struct{}

// RequestID returns the id of the call that ctx belongs to: the caller's
// x-request-id, else one made here. It names the call in the log and is handed
// on to the calls that it causes.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// incomingRequestID takes the caller's id only where it cannot forge log lines.
func incomingRequestID(ctx context.Context) string {
	if v := metadata.ValueFromIncomingContext(ctx, requestIDHeader); len(v) == 1 && requestIDPattern.MatchString(v[0]) {
		return v[0]
	}
	return uuid.NewString()
}
