package trace

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// count counts the spans that end, and by the exporter that it returns what
// becomes of them. Those that are neither exported nor failed wait, or were
// dropped from a full queue.
func count(e sdk.SpanExporter, r prometheus.Registerer) (sdk.SpanProcessor, sdk.SpanExporter, error) {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "redrive_trace_spans_total",
		Help: "Spans by what became of them: ended, exported or failed. Those that only ended wait, or were dropped from a full queue.",
	}, []string{"outcome"})
	if r != nil {
		err := r.Register(spans)
		if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			spans, _ = known.ExistingCollector.(*prometheus.CounterVec) // of an earlier Setup
		} else if err != nil {
			return nil, nil, err
		}
	}
	return counting{spans.WithLabelValues("ended")},
		counted{e, spans.WithLabelValues("exported"), spans.WithLabelValues("failed")}, nil
}

// counting counts spans that end.
type counting struct{ ended prometheus.Counter }

// OnStart implements sdk.SpanProcessor.
func (counting) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (c counting) OnEnd(s sdk.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.ended.Inc()
	}
}

// Shutdown implements sdk.SpanProcessor.
func (counting) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor.
func (counting) ForceFlush(context.Context) error { return nil }

// counted is an exporter that counts.
type counted struct {
	sdk.SpanExporter
	exported, failed prometheus.Counter
}

// ExportSpans implements sdk.SpanExporter.
func (c counted) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		c.failed.Add(float64(len(spans)))
		return err
	}
	c.exported.Add(float64(len(spans)))
	return nil
}
