package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/pkg/trace"
)

func (s *Server) serverOptions(auth authenticate) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxRequestBytes),
		grpc.MaxSendMsgSize(MaxResponseBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(10 * time.Second),
		// A peer that vanished is noticed, so that its streams end.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: peerKeepalive / 2, PermitWithoutStream: true}),
		grpc.UnknownServiceHandler(s.proxy),
		grpc.UnaryInterceptor(s.unary(auth)),
		grpc.StreamInterceptor(s.stream(auth)),
	}
}

// unary is all that happens around a unary call, outermost first.
func (s *Server) unary(auth authenticate) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		// It is the first that is made of the call's own context, which may know
		// how to tell it of its end.
		if _, has := ctx.Deadline(); !has {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, DefaultDeadline)
			defer cancel()
		}
		c, ctx := s.begin(ctx, info.FullMethod, auth)
		c.label = info.FullMethod
		defer func() { err = s.end(ctx, c, err) }()
		if c.refused != nil {
			return nil, c.refused
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs(requestIDHeader, c.requestID)); err != nil {
			return nil, err
		}
		defer s.recovered(ctx, info.FullMethod, &err)
		return next(ctx, req)
	}
}

// stream is all that happens around a streaming call. A stream has no default
// deadline; it ends when the server begins to stop. Calls that are handed on to
// a peer come this way too, and keep what holds for unary ones if they are.
func (s *Server) stream(auth authenticate) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		c, ctx := s.begin(ss.Context(), info.FullMethod, auth)
		c.label = info.FullMethod
		streams := true
		if srv == nil { // nothing that is registered
			handedOn := s.findProxied(info.FullMethod)
			c.label, streams = handedOn.label, handedOn.streams
		}
		defer func() { err = s.end(ctx, c, err) }()
		if c.refused != nil {
			return c.refused
		}
		if err := ss.SetHeader(metadata.Pairs(requestIDHeader, c.requestID)); err != nil {
			return err
		}
		ctx, cancel := streamContext(ctx, streams)
		defer cancel()
		if streams {
			defer context.AfterFunc(s.stopping, cancel)()
		}
		defer func() {
			if errors.Is(err, context.Canceled) && ss.Context().Err() == nil {
				err = errs.Again(time.Second, "the server is stopping")
			}
		}()
		defer s.recovered(ctx, info.FullMethod, &err)
		return next(srv, &streamWithContext{ss, ctx})
	}
}

// streamContext gives a call that is no stream a deadline if it has none.
func streamContext(ctx context.Context, streams bool) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has || streams {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultDeadline)
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream's context is what this type replaces
}

func (s *streamWithContext) Context() context.Context { return s.ctx }

// recovered turns a panic into errs.Internal, with the stack in the log.
func (s *Server) recovered(ctx context.Context, method string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	s.metrics.panics.Inc()
	s.log.ErrorContext(ctx, "a call panicked", "method", method, "request_id", RequestID(ctx), "panic", redact.Text(fmt.Sprint(p)), "stack", string(debug.Stack()))
	*err = errs.New(errs.Internal, "panic in %s", method)
}

// call is what the log line and the metrics say of a call.
type call struct {
	method, requestID string
	label             string // of the method in metrics
	caller            Caller
	start             time.Time
	refused           error
	span              trace.Span
}

func (s *Server) begin(ctx context.Context, method string, auth authenticate) (*call, context.Context) {
	c := &call{method: method, requestID: incomingRequestID(ctx), start: time.Now()}
	ctx, c.span = serverSpan(ctx, method)
	ctx = context.WithValue(ctx, requestIDKey{}, c.requestID)
	c.caller, c.refused = auth(ctx, method)
	return c, context.WithValue(ctx, callerKey{}, c.caller)
}

// end logs and counts the call, and is where an error becomes a status: the
// one place of the process.
func (s *Server) end(ctx context.Context, c *call, err error) error {
	sent := errs.ToStatus(err)
	code := codeOf(sent)
	c.span.End(err)
	took := time.Since(c.start)
	s.metrics.observe(c, code, took)
	level := levelOf(c, code)
	if !s.log.Enabled(ctx, level) {
		return sent
	}
	attrs := []slog.Attr{
		slog.String("method", c.method), slog.String("code", code.String()), slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("caller", string(c.caller)), slog.String("request_id", c.requestID),
	}
	s.log.LogAttrs(ctx, level, "call", append(attrs, describe(err, code)...)...)
	return sent
}

// levelOf keeps what happens all the time out of the log of an operator.
func levelOf(c *call, code codes.Code) slog.Level {
	switch {
	case code == codes.Internal || code == codes.Unknown || code == codes.DataLoss:
		return slog.LevelError
	case c.caller != Operator && c.refused == nil:
		return slog.LevelDebug // services among themselves, and health
	default:
		return slog.LevelInfo
	}
}

// describe says why a call failed. The text of a caller's own mistake may quote
// the request, so only the names of the fields are logged; the text of the
// server's trouble is for the log, without what looks like a secret.
func describe(err error, code codes.Code) []slog.Attr {
	switch code {
	case codes.OK:
		return nil
	case codes.Internal, codes.Unknown, codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted:
		return []slog.Attr{slog.String("error", redact.Text(err.Error()))}
	}
	e, ok := errs.FromStatus(errs.ToStatus(err)).(*errs.Error) //nolint:errorlint // FromStatus makes it just so
	if !ok {
		return nil
	}
	attrs := []slog.Attr{slog.String("reason", e.Reason)}
	if len(e.Violations) > 0 {
		fields := make([]string, len(e.Violations))
		for i, v := range e.Violations {
			fields[i] = v.Field
		}
		attrs = append(attrs, slog.Any("fields", fields))
	}
	return attrs
}
