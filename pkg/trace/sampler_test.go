package trace_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/redrive-io/redrive/pkg/trace"
)

// TestChainIsSampledAsAWhole goes over many hops of the bus: where the first
// span was kept all are, and where it was not none is.
func TestChainIsSampledAsAWhole(t *testing.T) {
	_, url := listen(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
	stop, err := trace.Setup(t.Context(), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stop(t.Context()) }()
	kept := map[string]int{}
	for range 200 {
		_, span := trace.Begin(t.Context(), "attempt", trace.How{Root: true})
		first := span.Parent()[53:]
		kept[first]++
		for range 10 {
			parent := span.Parent()
			span.End(nil)
			if _, span = trace.Begin(t.Context(), "process", trace.How{Link: parent, Kind: trace.Consumer}); span.Parent()[53:] != first {
				t.Fatalf("a chain that began with %s goes on with %s", first, span.Parent()[53:])
			}
		}
		span.End(nil)
	}
	if kept["00"] == 0 || kept["01"] == 0 {
		t.Errorf("at one in two, %d of 200 were kept", kept["01"])
	}
}

func writeOf(m prometheus.Metric) string {
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		return err.Error()
	}
	return out.String()
}
