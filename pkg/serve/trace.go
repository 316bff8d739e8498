package serve

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/redrive-io/redrive/pkg/trace"
)

// traceHeader is that of W3C trace context, in and out, over gRPC and REST.
const traceHeader = "traceparent"

// traced are the methods that get spans: Redrive's own, not health and such.
const traced = "/redrive."

// serverSpan begins the span of a call that came in. It is a child of the
// caller's, if the caller says one.
func serverSpan(ctx context.Context, method string) (context.Context, trace.Span) {
	if !trace.On() || !strings.HasPrefix(method, traced) {
		return ctx, trace.Span{}
	}
	how := trace.How{Kind: trace.Server}
	if v := metadata.ValueFromIncomingContext(ctx, traceHeader); len(v) == 1 {
		how.Parent = v[0]
	}
	ctx, span := trace.Begin(ctx, method[1:], how)
	aboutCall(span, method)
	return ctx, span
}

// clientSpan begins the span of a call that goes out, and tells the callee.
func clientSpan(ctx context.Context, method string) (context.Context, trace.Span) {
	if !trace.On() || !strings.HasPrefix(method, traced) {
		return ctx, trace.Span{}
	}
	ctx, span := trace.Begin(ctx, method[1:], trace.How{Kind: trace.Client})
	aboutCall(span, method)
	return withTrace(ctx), span
}

// withTrace tells the callee the span in ctx.
func withTrace(ctx context.Context) context.Context {
	if parent := trace.Parent(ctx); parent != "" {
		return metadata.AppendToOutgoingContext(ctx, traceHeader, parent)
	}
	return ctx
}

func aboutCall(span trace.Span, method string) {
	service, name, _ := strings.Cut(method[1:], "/")
	span.Set(trace.Text("rpc.system", "grpc"), trace.Text("rpc.service", service), trace.Text("rpc.method", name))
}
