package trace

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	otel "go.opentelemetry.io/otel/trace"
)

// traceparent is the one header of a propagation.TextMapCarrier. The header
// tracestate, of the vendors of tracing systems, is not carried.
type traceparent string

const traceparentHeader = "traceparent"

// Get implements propagation.TextMapCarrier.
func (t *traceparent) Get(key string) string {
	if key == traceparentHeader {
		return string(*t)
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (t *traceparent) Set(key, value string) {
	if key == traceparentHeader {
		*t = traceparent(value)
	}
}

// Keys implements propagation.TextMapCarrier.
func (t *traceparent) Keys() []string { return []string{traceparentHeader} }

// parse reads a traceparent; ok is false for what is none.
func parse(s string) (c otel.SpanContext, ok bool) {
	if s == "" {
		return c, false
	}
	t := traceparent(s)
	c = otel.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), &t))
	return c, c.IsValid()
}

// format writes the traceparent of a span; empty for one that is none.
func format(c otel.SpanContext) string {
	if !c.IsValid() {
		return ""
	}
	var t traceparent
	propagation.TraceContext{}.Inject(otel.ContextWithSpanContext(context.Background(), c), &t)
	return string(t)
}
