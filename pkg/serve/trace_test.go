package serve_test

import (
	"context"
	"net/http"
	"testing"

	otel "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/pkg/trace/tracetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	remote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	get    = "redrive.v1.SchedulerService/GetJob"
)

// TestCallsAreTraced: over REST, over a socket and within the process the span
// of the called is below that of the caller.
func TestCallsAreTraced(t *testing.T) {
	spans := tracetest.Record(t)
	inside := make(chan string, 1)
	s, _ := start(t, &scheduler{get: func(ctx context.Context, _ *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		inside <- trace.Parent(ctx)
		return &redrivev1.Job{}, nil
	}})
	over := map[string]func(ctx context.Context) error{
		"the process": func(ctx context.Context) error {
			_, err := redrivev1.NewSchedulerServiceClient(s.Conn()).GetJob(ctx, &redrivev1.GetJobRequest{Name: "jobs/a"})
			return err
		},
		"a socket": func(ctx context.Context) error {
			_, err := client(t, s, token).GetJob(ctx, &redrivev1.GetJobRequest{Name: "jobs/a"})
			return err
		},
	}
	for name, call := range over {
		ctx, outer := trace.Start(t.Context(), name)
		if err := call(ctx); err != nil {
			t.Fatalf("over %s: %v", name, err)
		}
		outer.End(nil)
		<-inside
		got := spans.Named(get)
		server, caller := got[len(got)-2], got[len(got)-1]
		if server.SpanKind != otel.SpanKindServer || caller.SpanKind != otel.SpanKindClient ||
			server.Parent.SpanID() != caller.SpanContext.SpanID() || caller.Parent.SpanID() != spans.Named(name)[0].SpanContext.SpanID() {
			t.Errorf("over %s: a %v below %v, a %v below %v", name, server.SpanKind, server.Parent, caller.SpanKind, caller.Parent)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTPAddr()+"/v1/jobs/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Traceparent", remote)
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("over REST: %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	if at := <-inside; at[3:35] != remote[3:35] {
		t.Errorf("over REST the handler is in trace %q", at)
	}
}

// TestNothingIsSaidOfTracesWhenOff: a caller's own header is its own affair.
func TestNothingIsSaidOfTracesWhenOff(t *testing.T) {
	heard := make(chan []string, 1)
	s, _ := start(t, &scheduler{get: func(ctx context.Context, _ *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		heard <- metadata.ValueFromIncomingContext(ctx, "traceparent")
		return &redrivev1.Job{}, nil
	}})
	if _, err := redrivev1.NewSchedulerServiceClient(s.Conn()).GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/a"}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; len(got) != 0 {
		t.Errorf("traceparent is %q", got)
	}
}
