package serve_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

type secret struct{}

// TestACallWithinTheProcessIsLikeAnyOther: what the two sides know of each other
// is what would have crossed a wire.
func TestACallWithinTheProcessIsLikeAnyOther(t *testing.T) {
	kept := &redrivev1.Job{Name: "jobs/kept", Labels: map[string]string{"a": "1"}}
	s, _ := start(t, &scheduler{
		submit: func(ctx context.Context, _ *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
			if ctx.Value(secret{}) != nil {
				t.Error("the handler sees the caller's context")
			}
			if got := metadata.ValueFromIncomingContext(ctx, "x-extra"); len(got) != 1 || got[0] != "yes" {
				t.Errorf("x-extra = %q, want what the caller sent", got)
			}
			return kept, nil
		},
		get: func(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
			switch r.GetName() {
			case "jobs/panics":
				panic("no")
			case "jobs/slow":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &redrivev1.Job{}, nil
		},
	})
	calls := redrivev1.NewSchedulerServiceClient(s.Conn())
	ctx := metadata.AppendToOutgoingContext(context.WithValue(t.Context(), secret{}, "x"), "x-extra", "yes")
	request := &redrivev1.SubmitJobRequest{Job: &redrivev1.Job{Labels: map[string]string{"a": "1"}}}
	got, err := calls.SubmitJob(ctx, request)
	if err != nil || got.GetName() != "jobs/kept" {
		t.Fatalf("SubmitJob = %v, %v", got, err)
	}
	got.Name = "jobs/other"
	if kept.GetName() != "jobs/kept" {
		t.Error("caller and handler share an answer, and not only what is inside")
	}
	var header metadata.MD
	if _, err := calls.SubmitJob(ctx, request, grpc.Header(&header)); err != nil || len(header.Get("x-request-id")) != 1 {
		t.Errorf("headers of an answer = %v, %v; want its request id", header, err)
	}
	if _, err := calls.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/panics"}); !errs.Is(err, errs.Internal) {
		t.Errorf("a panic = %v, want Internal", err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := calls.GetJob(short, &redrivev1.GetJobRequest{Name: "jobs/slow"}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a call over its deadline = %v, want Unavailable", err)
	}
	if _, err := redrivev1.NewNotifierServiceClient(s.Conn()).ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{}); err == nil {
		t.Error("a service that is not here answered")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := calls.GetJob(t.Context(), &redrivev1.GetJobRequest{}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after Close: %v, want Unavailable", err)
	}
}

// BenchmarkCall compares a call within the process with one over a socket.
func BenchmarkCall(b *testing.B) {
	s, _ := start(b, &scheduler{})
	var socket float64
	b.Run("socket", func(b *testing.B) { socket = callRate(b, client(b, s, token)) })
	b.Run("process", func(b *testing.B) {
		b.ReportMetric(callRate(b, redrivev1.NewSchedulerServiceClient(s.Conn()))/socket, "times-socket")
	})
}

// callRate returns calls per second.
func callRate(b *testing.B, c redrivev1.SchedulerServiceClient) float64 {
	for b.Loop() {
		if _, err := c.GetJob(b.Context(), &redrivev1.GetJobRequest{Name: "jobs/a"}); err != nil {
			b.Fatal(err)
		}
	}
	return float64(b.N) / b.Elapsed().Seconds()
}
