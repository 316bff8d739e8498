package serve_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestDrainFinishesWhatIsInFlightAndTakesNothingNew(t *testing.T) {
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	var inner redrivev1.SchedulerServiceClient
	s, _ := start(t, &scheduler{get: func(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		if r.GetName() == "jobs/inner" {
			return &redrivev1.Job{Name: "jobs/inner"}, nil
		}
		entered <- struct{}{}
		<-leave
		return inner.GetJob(ctx, &redrivev1.GetJobRequest{Name: "jobs/inner"}) // needs the internal side
	}})
	inner = redrivev1.NewSchedulerServiceClient(s.Conn())
	c := client(t, s, token)
	grpcDone, restDone := make(chan error, 1), make(chan int, 1)
	go func() {
		_, err := c.GetJob(context.WithoutCancel(t.Context()), &redrivev1.GetJobRequest{Name: "jobs/a"})
		grpcDone <- err
	}()
	go func() {
		resp, _ := request(t, s, "GET", "/v1/jobs/b", "", nil)
		restDone <- resp.StatusCode
	}()
	<-entered
	<-entered
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context()) }()
	// The REST listener is gone before anything else is waited for.
	for {
		conn, err := net.Dial("tcp", s.HTTPAddr())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	select {
	case err := <-drained:
		t.Fatalf("Drain returned (%v) with two calls in flight", err)
	default:
	}
	close(leave)
	if err := <-grpcDone; err != nil {
		t.Errorf("the gRPC call in flight: %v", err)
	}
	if code := <-restDone; code != http.StatusOK {
		t.Errorf("the REST call in flight: status %d", code)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
	if _, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/late"}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a call after Drain: %v, want Unavailable", err)
	}
	if _, err := inner.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/inner"}); err != nil {
		t.Errorf("an internal call after Drain: %v", err)
	}
}

func TestDrainEndsStreamsAndTellsThemToComeBack(t *testing.T) {
	s, _ := start(t, &scheduler{watch: func(_ *redrivev1.WatchJobRequest, stream grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
		if err := stream.Send(&redrivev1.WatchJobResponse{Job: &redrivev1.Job{Name: "jobs/a"}}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}})
	stream, err := client(t, s, token).WatchJob(t.Context(), &redrivev1.WatchJobRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	_, err = stream.Recv()
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Unavailable || e.RetryAfter == 0 {
		t.Errorf("the stream ended with %v, want Unavailable with a delay", err)
	}
}

func TestDrainCutsOffWhatDoesNotFinish(t *testing.T) {
	entered := make(chan struct{})
	s, _ := start(t, &scheduler{get: func(ctx context.Context, _ *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	done := make(chan error, 1)
	c := client(t, s, token)
	go func() {
		_, err := c.GetJob(context.WithoutCancel(t.Context()), &redrivev1.GetJobRequest{})
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drain(ctx); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Drain = %v, want an error that says what was cut off", err)
	}
	if err := <-done; err == nil {
		t.Error("the call that was cut off succeeded")
	}
}

func TestProbesAreOpenAndSayWhatFailed(t *testing.T) {
	s, log := start(t, &scheduler{})
	var broken atomic.Pointer[error]
	s.AddDependency("store", func(context.Context) error { return nil })
	s.AddDependency("bus", func(context.Context) error {
		if err := broken.Load(); err != nil {
			return *err
		}
		return nil
	})
	bare := func(r *http.Request) { r.Header.Del("Authorization") }
	probe := func(path string) (int, string) {
		resp, text := request(t, s, "GET", path, "", bare)
		return resp.StatusCode, text
	}
	if code, text := probe("/healthz"); code != 200 || text != "ok\n" {
		t.Errorf("healthz = %d %q", code, text)
	}
	if code, text := probe("/readyz"); code != 200 || text != "ready\n" {
		t.Errorf("readyz = %d %q, want 200", code, text)
	}
	conn, err := grpc.NewClient(s.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to lose
	healthIs := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, name := range []string{"", "redrive.v1.SchedulerService"} {
			w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			for got := new(healthpb.HealthCheckResponse); got.GetStatus() != want; {
				if err != nil {
					t.Fatalf("health of %q: %v", name, err)
				}
				got, err = w.Recv()
			}
		}
	}
	up := func(want string) {
		t.Helper()
		if _, text := request(t, s, "GET", "/metrics", "", nil); !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	healthIs(healthpb.HealthCheckResponse_SERVING)
	reason := errors.New("no route to redis:6379,\n password=hunter2hunter2")
	broken.Store(&reason)
	healthIs(healthpb.HealthCheckResponse_NOT_SERVING)
	up(`redrive_dependency_up{dependency="bus"} 0`)
	up(`redrive_dependency_up{dependency="store"} 1`)
	if code, text := probe("/readyz"); code != 503 || !strings.HasPrefix(text, "not ready: bus: no route to redis:6379, password=") || strings.Contains(text, "hunter2") || strings.Count(text, "\n") != 1 {
		t.Errorf("readyz = %d %q, want which check and why, without the secret", code, text)
	}
	if code, _ := probe("/healthz"); code != 200 {
		t.Errorf("healthz = %d, want 200: a restart cures nothing", code)
	}
	if !strings.Contains(log.String(), "no route to redis") {
		t.Error("the log does not say why")
	}
	broken.Store(nil)
	healthIs(healthpb.HealthCheckResponse_SERVING)
	up(`redrive_dependency_up{dependency="bus"} 1`)
	if !strings.Contains(log.String(), "a check is good again") {
		t.Error("the log does not say that it is good again")
	}
}

func TestMetricsCountCalls(t *testing.T) {
	s, _ := start(t, &scheduler{})
	if _, err := client(t, s, token).GetJob(t.Context(), &redrivev1.GetJobRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, s, "").GetJob(t.Context(), &redrivev1.GetJobRequest{}); err == nil {
		t.Fatal("a call without a token succeeded")
	}
	_, text := request(t, s, "GET", "/metrics", "", nil)
	for _, want := range []string{
		`redrive_rpc_calls_total{caller="operator",code="OK",method="/redrive.v1.SchedulerService/GetJob"} 1`,
		`redrive_rpc_calls_total{caller="",code="Unauthenticated",method="/redrive.v1.SchedulerService/GetJob"} 1`,
		`redrive_rpc_duration_seconds_count{method="/redrive.v1.SchedulerService/GetJob"} 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestClosersStopInReverseAndLeaveNothingOut(t *testing.T) {
	var c serve.Closers
	var order []string
	boom := errors.New("boom")
	for _, name := range []string{"store", "bus", "server"} {
		c.Add(name, func(context.Context) error {
			order = append(order, name)
			if name == "bus" {
				return boom
			}
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Close(ctx); !errors.Is(err, boom) || !strings.Contains(err.Error(), "stop bus") {
		t.Errorf("Close = %v, want the error and whose it is", err)
	}
	if got := strings.Join(order, " "); got != "server bus store" {
		t.Errorf("order = %s, want server bus store", got)
	}
	if err := c.Close(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("the second Close = %v and stopped %v", err, order[3:])
	}
}
