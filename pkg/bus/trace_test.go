package bus_test

import (
	"testing"

	"go.opentelemetry.io/otel/codes"
	otel "go.opentelemetry.io/otel/trace"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/pkg/trace/tracetest"
)

// TestHandlersLinkToThePublisher publishes one event below a span. The handler,
// which fails once, begins a trace of its own each time, linked to the publisher.
func TestHandlersLinkToThePublisher(t *testing.T) {
	spans := tracetest.Record(t)
	b := bustest.New(t)
	ctx, cause := trace.Start(t.Context(), "attempt")
	e := jobFinished(t, "one")
	e.TraceParent = trace.Parent(ctx)
	handled := make(chan bus.Event, 2)
	stop := listen(t, b, bus.NotifierEvents, into(handled, func(e bus.Event) error {
		if e.Delivery == 1 {
			return errs.New(errs.Internal, "not the first time")
		}
		return nil
	}))
	if err := b.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	first, second := <-handled, <-handled
	stop()
	cause.End(nil)
	published := spans.Named("publish redrive.v1.job.finished")
	processed := spans.Named("process redrive.v1.job.finished")
	if len(published) != 1 || len(processed) != 2 {
		t.Fatalf("%d spans of publishing, %d of processing", len(published), len(processed))
	}
	p := published[0]
	if p.SpanKind != otel.SpanKindProducer || p.Parent.SpanID() != spans.Named("attempt")[0].SpanContext.SpanID() {
		t.Errorf("published by a %v below %v", p.SpanKind, p.Parent.SpanID())
	}
	for _, e := range []bus.Event{first, second} {
		if want := p.SpanContext.TraceID().String(); len(e.TraceParent) != 55 || e.TraceParent[3:35] != want || e.TraceParent[36:52] != p.SpanContext.SpanID().String() {
			t.Errorf("the event carries %q, not the publishing span", e.TraceParent)
		}
	}
	for i, s := range processed {
		if s.SpanKind != otel.SpanKindConsumer || s.Parent.IsValid() || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != p.SpanContext.SpanID() {
			t.Errorf("processed by a %v below %v, linked to %v", s.SpanKind, s.Parent, s.Links)
		}
		if failed := s.Status.Code == codes.Error; failed != (i == 0) {
			t.Errorf("delivery %d failed: %v", i+1, failed)
		}
		said := map[string]string{}
		for _, a := range s.Attributes {
			said[string(a.Key)] = a.Value.String()
		}
		for key, want := range map[string]string{
			"messaging.system": "nats", "messaging.destination.template": "redrive.v1.job.finished", "messaging.message.id": "one",
			"messaging.consumer.group.name": "notifier-events", "redrive.delivery": []string{"1", "2"}[i],
		} {
			if said[key] != want {
				t.Errorf("%s = %q, want %q", key, said[key], want)
			}
		}
	}
}
