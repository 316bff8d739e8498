package bus

import (
	"context"
	"strings"

	"github.com/redrive-io/redrive/pkg/trace"
)

// An event is published below the span that it was put into the outbox in, and
// carries the publishing span on. Who handles it links to that: see pkg/trace.

// publishing begins a span for each event and returns the events as they are
// sent, which name them; without tracing, the very same events.
func publishing(ctx context.Context, events []Event) ([]Event, spans) {
	if !trace.On() {
		return events, nil
	}
	sent, all := make([]Event, len(events)), make(spans, len(events))
	for i, e := range events {
		subject := SubjectPrefix + string(e.Type)
		_, all[i] = trace.Begin(ctx, "publish "+subject, trace.How{Kind: trace.Producer, Parent: e.TraceParent})
		all[i].Set(append(about(e, subject), trace.Text("messaging.operation.name", "publish"), trace.Text("messaging.operation.type", "send"))...)
		e.TraceParent = all[i].Parent()
		sent[i] = e
	}
	return sent, all
}

// spans are those of events that are published together.
type spans []trace.Span

// end ends all: they share their fate.
func (s spans) end(err error) {
	for _, span := range s {
		span.End(err)
	}
}

// processing begins the span of a handler.
func processing(ctx context.Context, c Consumer, e Event) (context.Context, trace.Span) {
	if !trace.On() {
		return ctx, trace.Span{}
	}
	subject := SubjectPrefix + string(e.Type)
	if c.Reports {
		subject = ReportPrefix + string(e.Type)
	}
	ctx, span := trace.Begin(ctx, "process "+subject, trace.How{Kind: trace.Consumer, Link: e.TraceParent, Root: true})
	span.Set(append(about(e, subject),
		trace.Text("messaging.operation.name", "process"), trace.Text("messaging.operation.type", "process"),
		trace.Text("messaging.consumer.group.name", c.Name), trace.Number("redrive.delivery", e.Delivery),
	)...)
	return ctx, span
}

// about is what spans say of an event. The subject has no ids in it, so it is
// its own template.
func about(e Event, subject string) []trace.Attr {
	all := []trace.Attr{
		trace.Text("messaging.system", "nats"), trace.Text("messaging.destination.name", subject), trace.Text("messaging.destination.template", subject),
		trace.Text("messaging.message.id", e.ID), trace.Number("messaging.message.body.size", len(e.Data)),
		trace.Text("cloudevents.event_source", e.Source),
	}
	if strings.HasPrefix(e.Subject, "jobs/") {
		all = append(all, trace.Text("redrive.job", e.Subject))
	}
	if e.Emission > 0 {
		all = append(all, trace.Number("redrive.emission", e.Emission))
	}
	return all
}
