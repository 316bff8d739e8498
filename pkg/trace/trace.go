// Package trace records what happens to a job as OpenTelemetry spans, which are
// sent to a collector when the environment names one (see Setup) and cost next
// to nothing when it does not. Within a process, and over a call, a span is a
// child of what asked for it. Over the event bus it is not: whoever handles an
// event begins a trace of its own, with a link to the span that published the
// event, because one event has many listeners and some come days later.
//
// The one recorder of the process is global, like the collector that it sends
// to. The domain packages know only this package's words.
package trace

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/status"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/redact"
)

// scope names what made the spans.
const scope = "github.com/redrive-io/redrive/pkg/trace"

// maxText bounds every text on a span, in bytes.
const maxText = 512

// current makes the spans; nil while nothing is recorded.
var current atomic.Pointer[otel.Tracer]

// Install lets a provider record the spans of this process until restore is
// called. Setup calls it; a test may, with an exporter in memory.
func Install(p *sdk.TracerProvider) (restore func()) {
	tracer := p.Tracer(scope)
	before := current.Swap(&tracer)
	return func() { current.Store(before) }
}

// On reports whether spans are recorded. Ask before making a name or an
// attribute that costs something.
func On() bool { return current.Load() != nil }

// Kind says what a span is in relation to others.
type Kind int

// The kinds, as in OpenTelemetry.
const (
	Internal Kind = iota
	Server        // answers a call of another process
	Client        // calls another process
	Producer      // publishes an event
	Consumer      // handles an event
)

var kinds = [...]otel.SpanKind{
	Internal: otel.SpanKindInternal, Server: otel.SpanKindServer, Client: otel.SpanKindClient,
	Producer: otel.SpanKindProducer, Consumer: otel.SpanKindConsumer,
}

// How says how a span begins; the zero value is a child of the span in ctx.
type How struct {
	Kind Kind
	// Parent is the W3C traceparent of the span that this one is a child of,
	// instead of the one in ctx. One that is empty or malformed is ignored.
	Parent string
	// Link is the traceparent of a span that this one follows without being its
	// child: the span begins a trace of its own. Where that span was not sampled
	// it is taken for the parent, so that nothing of this chain is recorded.
	Link string
	// Root begins a trace of its own also without a link.
	Root bool
	// Time is when it began; now when zero.
	Time time.Time
}

// Span is something that takes time. The zero Span records nothing.
type Span struct{ span otel.Span }

// Start begins a span below the one in ctx. End must be called.
func Start(ctx context.Context, name string) (context.Context, Span) {
	return Begin(ctx, name, How{})
}

// Begin begins a span. End must be called.
func Begin(ctx context.Context, name string, how How) (context.Context, Span) {
	tracer := current.Load()
	if tracer == nil {
		return ctx, Span{}
	}
	options := []otel.SpanStartOption{otel.WithSpanKind(kinds[how.Kind])}
	if !how.Time.IsZero() {
		options = append(options, otel.WithTimestamp(how.Time))
	}
	link, linked := parse(how.Link)
	switch {
	case linked && link.IsSampled():
		options = append(options, otel.WithNewRoot(), otel.WithLinks(otel.Link{SpanContext: link}))
	case linked:
		ctx = otel.ContextWithRemoteSpanContext(ctx, link)
	case how.Link != "" || how.Root:
		options = append(options, otel.WithNewRoot())
	default:
		if parent, ok := parse(how.Parent); ok {
			ctx = otel.ContextWithRemoteSpanContext(ctx, parent)
		}
	}
	ctx, span := (*tracer).Start(ctx, name, options...)
	return ctx, Span{span}
}

// Attr says something about a span. Ids may be in it; secrets and the text of
// logs may not.
type Attr struct {
	key, text string
	number    int64
	numeric   bool
}

// Text returns an attribute. An empty text is left out.
func Text(key, value string) Attr { return Attr{key: key, text: value} }

// Number returns an attribute.
func Number(key string, value int) Attr {
	return Attr{key: key, number: int64(value), numeric: true}
}

// Set adds attributes.
func (s Span) Set(attrs ...Attr) {
	if s.span == nil || !s.span.IsRecording() {
		return
	}
	all := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		switch {
		case a.numeric:
			all = append(all, attribute.Int64(a.key, a.number))
		case a.text != "":
			all = append(all, attribute.String(a.key, cut(a.text)))
		}
	}
	s.span.SetAttributes(all...)
}

// End ends the span. Of an error the code that a caller would get is recorded as
// "error.type", and its text, without what looks like a secret, where it is about
// trouble here: that of a caller's own mistake may quote what was sent.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil && s.span.IsRecording() {
		s.span.SetAttributes(attribute.String("error.type", status.Code(errs.ToStatus(err)).String()))
		text := ""
		switch errs.KindOf(err) {
		case errs.Internal, errs.Unavailable, errs.Exhausted, errs.Conflict:
			text = cut(redact.Text(err.Error()))
		}
		s.span.SetStatus(codes.Error, text)
	}
	s.span.End()
}

// Fail says that what the span is about went wrong, although nothing did with
// Redrive itself.
func (s Span) Fail() {
	if s.span != nil {
		s.span.SetStatus(codes.Error, "")
	}
}

// Current returns the span in ctx, the zero Span when nothing is recorded.
func Current(ctx context.Context) Span {
	if !On() {
		return Span{}
	}
	return Span{otel.SpanFromContext(ctx)}
}

// Parent is the W3C traceparent by which others may refer to the span; empty for
// the zero Span.
func (s Span) Parent() string {
	if s.span == nil {
		return ""
	}
	return format(s.span.SpanContext())
}

// Parent is the W3C traceparent of the span in ctx; empty when there is none.
func Parent(ctx context.Context) string {
	if !On() {
		return ""
	}
	return format(otel.SpanContextFromContext(ctx))
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	// What is cut in the middle of a character is not UTF-8; exporters mind.
	for i := maxText; ; i-- {
		if s[i]&0xC0 != 0x80 {
			return s[:i]
		}
	}
}
