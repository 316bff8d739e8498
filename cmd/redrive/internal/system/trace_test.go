package system_test

import (
	"os"
	"path/filepath"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace/tracetest"
	otel "go.opentelemetry.io/otel/trace"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/trace/tracetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestALifeIsOneChainOfTraces runs a job that fails once and then succeeds, and
// goes back from the alert's and the second attempt's spans to the first
// attempt: below one parent, over one link, and so on.
func TestALifeIsOneChainOfTraces(t *testing.T) {
	spans := tracetest.Record(t)
	dir := t.TempDir()
	o := options(t.TempDir())
	o.RetryPolicy = filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(o.RetryPolicy, []byte("classes:\n  \"*\": {base_delay: 10ms}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := system.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	job := submit(t, s, dir, 1)
	if state := ended(t, s, job); state != redrivev1.Job_STATE_SUCCEEDED {
		t.Errorf("the job is %v", state)
	}
	stop(t, s)
	last := attempt(t, spans, 2)
	for _, step := range []string{
		"start", "decide", "process redrive.v1.failure.classified", "publish redrive.v1.failure.classified",
		"process redrive.v1.attempt.failed", "publish redrive.v1.attempt.failed", "attempt",
	} {
		last = before(t, spans, last)
		if last.Name != step {
			t.Fatalf("before comes %q, want %q", last.Name, step)
		}
	}
	if last.SpanContext.SpanID() != attempt(t, spans, 1).SpanContext.SpanID() {
		t.Error("the chain does not begin with the first attempt")
	}
	// What is done in between is below the handlers, and who listens is linked.
	classified := spans.Named("process redrive.v1.attempt.failed")
	for _, name := range []string{"classify", "recommend", "redrive.v1.RecommenderService/Recommend"} {
		found := false
		for _, s := range spans.Named(name) {
			for _, c := range classified {
				found = found || s.SpanContext.TraceID() == c.SpanContext.TraceID()
			}
		}
		if !found {
			t.Errorf("no %s is in the trace of a handler of the failure", name)
		}
	}
	for _, name := range []string{"process redrive.v1.decision.made", "process redrive.v1.attempt.succeeded", "process redrive.v1.job.finished"} {
		for _, s := range spans.Named(name) {
			if len(s.Links) != 1 || s.Parent.IsValid() {
				t.Errorf("%s has links %v and parent %v", name, s.Links, s.Parent)
			}
		}
	}
	for _, a := range spans.Named("attempt") {
		if said(a)["redrive.job"] != job {
			t.Errorf("an attempt says %v", said(a))
		}
	}
}

func said(s sdk.SpanStub) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

func attempt(t *testing.T, spans *tracetest.Recorder, number int) sdk.SpanStub {
	t.Helper()
	for _, s := range spans.Named("attempt") {
		if said(s)["redrive.attempt"] == string(rune('0'+number)) {
			return s
		}
	}
	t.Fatalf("no span of attempt %d", number)
	return sdk.SpanStub{}
}

// before returns the span that s is a child of, or else is linked to.
func before(t *testing.T, spans *tracetest.Recorder, s sdk.SpanStub) sdk.SpanStub {
	t.Helper()
	var want otel.SpanID
	switch {
	case s.Parent.IsValid():
		want = s.Parent.SpanID()
	case len(s.Links) == 1:
		want = s.Links[0].SpanContext.SpanID()
	}
	for _, other := range spans.Spans() {
		if other.SpanContext.SpanID() == want {
			return other
		}
	}
	t.Fatalf("nothing comes before %q: parent %v, links %v", s.Name, s.Parent, s.Links)
	return sdk.SpanStub{}
}
