// Package tracetest records the spans of a test in memory.
package tracetest

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/redrive-io/redrive/pkg/trace"
)

// Recorder has the spans that ended.
type Recorder struct{ spans *tracetest.InMemoryExporter }

// Record records all spans of this process until the test ends. Tests that
// record cannot run at the same time as others of their package.
func Record(tb testing.TB) *Recorder {
	tb.Helper()
	r := &Recorder{tracetest.NewInMemoryExporter()}
	p := sdk.NewTracerProvider(sdk.WithSyncer(r.spans), sdk.WithSampler(sdk.AlwaysSample()))
	restore := trace.Install(p)
	tb.Cleanup(func() {
		restore()
		if err := p.Shutdown(context.Background()); err != nil {
			tb.Errorf("stop recording: %v", err)
		}
	})
	return r
}

// Spans returns the spans that ended, in that order.
func (r *Recorder) Spans() tracetest.SpanStubs { return r.spans.GetSpans() }

// Named returns those with a name.
func (r *Recorder) Named(name string) (all []tracetest.SpanStub) {
	for _, s := range r.Spans() {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}
