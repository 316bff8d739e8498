package trace_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/trace"
)

// sink is a collector.
type sink struct {
	collector.UnimplementedTraceServiceServer
	got chan *collector.ExportTraceServiceRequest
}

func (s *sink) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.got <- r
	return &collector.ExportTraceServiceResponse{}, nil
}

func listen(t *testing.T) (*sink, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{got: make(chan *collector.ExportTraceServiceRequest, 16)}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return s, "http://" + l.Addr().String()
}

func TestSetupIsOffWithoutAnEndpoint(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing set": {},
		"disabled":    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"},
		"no exporter": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range env {
				t.Setenv(k, v)
			}
			stop, err := trace.Setup(t.Context(), trace.Options{})
			if err != nil || trace.On() {
				t.Fatalf("Setup: %v, on: %v", err, trace.On())
			}
			if err := stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSetupRefuses(t *testing.T) {
	for _, tc := range []struct{ name, value, text string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://collector:4317"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "gRPC port"},
		{"OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"},
		{"OTEL_TRACES_SAMPLER", "sometimes", "parentbased_traceidratio"},
		{"OTEL_TRACES_SAMPLER_ARG", "2", "from 0 to 1"},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN", "from 0 to 1"},
	} {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(tc.name, tc.value)
			_, err := trace.Setup(t.Context(), trace.Options{})
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.name) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("Setup = %v", err)
			}
		})
	}
}

func TestSpansArriveWhenStopped(t *testing.T) {
	s, url := listen(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	reg := prometheus.NewRegistry()
	stop, err := trace.Setup(t.Context(), trace.Options{Service: "redrive", Version: "v9", Replica: "a", Log: slog.New(slog.DiscardHandler), Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	_, span := trace.Start(t.Context(), "attempt")
	span.End(nil)
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if trace.On() {
		t.Error("spans are recorded after the stop")
	}
	got := (<-s.got).GetResourceSpans()[0]
	if name := got.GetScopeSpans()[0].GetSpans()[0].GetName(); name != "attempt" {
		t.Errorf("the span is %q", name)
	}
	said := map[string]string{}
	for _, a := range got.GetResource().GetAttributes() {
		said[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if said["service.name"] != "redrive" || said["service.version"] != "v9" || said["service.instance.id"] != "a" || said["deployment.environment.name"] != "test" {
		t.Errorf("the resource is %v", said)
	}
	want := `
# HELP redrive_trace_spans_total Spans by what became of them: ended, exported or failed. Those that only ended wait, or were dropped from a full queue.
# TYPE redrive_trace_spans_total counter
redrive_trace_spans_total{outcome="ended"} 1
redrive_trace_spans_total{outcome="exported"} 1
redrive_trace_spans_total{outcome="failed"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestServiceNameOfTheEnvironmentWins(t *testing.T) {
	s, url := listen(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
	t.Setenv("OTEL_SERVICE_NAME", "redrive-staging")
	stop, err := trace.Setup(t.Context(), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, span := trace.Start(t.Context(), "attempt")
	span.End(nil)
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range (<-s.got).GetResourceSpans()[0].GetResource().GetAttributes() {
		if a.GetKey() == "service.name" && a.GetValue().GetStringValue() != "redrive-staging" {
			t.Errorf("service.name is %v", a.GetValue())
		}
	}
}

// TestCollectorThatIsAway fills the queue many times over: nothing may wait, and
// the stop must end when its context does.
func TestCollectorThatIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
	reg := prometheus.NewRegistry()
	stop, err := trace.Setup(t.Context(), trace.Options{Log: slog.New(slog.DiscardHandler), Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10_000 {
			_, span := trace.Start(t.Context(), "attempt")
			span.End(nil)
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("spans wait for a collector that does not answer")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := stop(ctx); err == nil {
		t.Error("the stop says that the spans were sent")
	}
	if n := testutil.ToFloat64(reg1{reg}); n != 10_000 {
		t.Errorf("%v spans were counted", n)
	}
}

// reg1 shows the spans that ended alone.
type reg1 struct{ *prometheus.Registry }

func (r reg1) Collect(ch chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric, 8)
	r.Registry.Collect(all)
	close(all)
	for m := range all {
		if strings.Contains(writeOf(m), `"ended"`) {
			ch <- m
		}
	}
}
