package serve_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/pkg/trace/tracetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const schedulerService = "redrive.v1.SchedulerService"

func dialPeer(t *testing.T, o serve.PeerOptions) *serve.Peer {
	t.Helper()
	o.Service, o.Token = schedulerService, token
	p, err := serve.DialPeer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// gatewayTo serves what the schedulers at addrs serve.
func gatewayTo(t *testing.T, addrs ...string) (*serve.Server, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	p := dialPeer(t, serve.PeerOptions{Addrs: addrs})
	s, err := serve.New(serve.Options{
		Token: token, REST: []serve.Gateway{redrivev1.RegisterSchedulerServiceHandler}, Peers: []*serve.Peer{p},
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.AddPeer("scheduler", p)
	s.Start()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, log
}

func TestAGatewayHandsOnWhatBelongsToACall(t *testing.T) {
	behind, behindLog := start(t, &scheduler{
		get: func(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
			deadline, _ := ctx.Deadline()
			md, _ := metadata.FromIncomingContext(ctx)
			if err := grpc.SetHeader(ctx, metadata.Pairs("x-answer", md.Get("x-question")[0], "x-left", time.Until(deadline).Round(time.Second).String())); err != nil {
				return nil, err
			}
			return &redrivev1.Job{Name: r.GetName()}, nil
		},
		submit: func(context.Context, *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
			return nil, errs.Fields(errs.Field("job.type.workflow", "is required"), errs.Field("job.spec", "is required"))
		},
	})
	door, doorLog := gatewayTo(t, behind.GRPCAddr())
	c := client(t, door, token)
	for want, ctx := range map[string]func() (context.Context, context.CancelFunc){
		"30s": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		"7s":  func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), 7*time.Second) },
	} {
		ctx, cancel := ctx()
		var header metadata.MD
		ctx = metadata.AppendToOutgoingContext(ctx, "x-question", "why", "x-request-id", "id-"+want)
		job, err := c.GetJob(ctx, &redrivev1.GetJobRequest{Name: "jobs/etl"}, grpc.Header(&header))
		cancel()
		if err != nil || job.GetName() != "jobs/etl" {
			t.Fatalf("GetJob = %v, %v", job, err)
		}
		if got := header.Get("x-answer"); len(got) != 1 || got[0] != "why" {
			t.Errorf("x-answer = %q, want why", got)
		}
		if got := header.Get("x-left"); len(got) != 1 || got[0] != want {
			t.Errorf("the deadline is in %v, want %s", got, want)
		}
		if got := header.Get("x-request-id"); len(got) != 1 || got[0] != "id-"+want {
			t.Errorf("x-request-id = %q, want the caller's, once", got)
		}
		for name, log := range map[string]*syncBuffer{"gateway": doorLog, "scheduler": behindLog} {
			if !strings.Contains(log.String(), "caller=operator request_id=id-"+want) {
				t.Errorf("the log of the %s lacks the operator's call %s", name, want)
			}
		}
	}
	_, err := c.SubmitJob(t.Context(), &redrivev1.SubmitJobRequest{})
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid || len(e.Violations) != 2 {
		t.Errorf("SubmitJob = %v, want both violations", err)
	}
	resp, text := request(t, door, http.MethodGet, "/v1/jobs", "", nil)
	if resp.StatusCode != http.StatusOK || !strings.Contains(text, `"jobs":[]`) {
		t.Errorf("REST = %d %s", resp.StatusCode, text)
	}
	if resp, text = request(t, door, http.MethodPost, "/v1/jobs", `{}`, nil); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "job.type.workflow") {
		t.Errorf("REST = %d %s, want the violation", resp.StatusCode, text)
	}
	if _, err := client(t, door, serve.NewToken()).GetJob(t.Context(), &redrivev1.GetJobRequest{}); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("with another token: %v, want Unauthenticated", err)
	}
}

func TestCallsThatAreHandedOnAreTraced(t *testing.T) {
	inside := make(chan string, 1)
	behind, _ := start(t, &scheduler{get: func(ctx context.Context, _ *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		inside <- strings.Join(metadata.ValueFromIncomingContext(ctx, "traceparent"), " ")
		return &redrivev1.Job{}, nil
	}})
	door, _ := gatewayTo(t, behind.GRPCAddr())
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", remote)
	ask := func(ctx context.Context, name string, c redrivev1.SchedulerServiceClient) string {
		t.Helper()
		if _, err := c.GetJob(ctx, &redrivev1.GetJobRequest{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return <-inside
	}
	if got := ask(ctx, "without traces", client(t, door, token)); got != remote {
		t.Errorf("a caller's trace came as %q, want it as it was", got)
	}
	tracetest.Record(t)
	ctx, span := trace.Start(t.Context(), "a caller")
	defer span.End(nil)
	below := func(name, got string) {
		if mine := trace.Parent(ctx); len(got) != len(remote) || got[3:35] != mine[3:35] || got == mine {
			t.Errorf("the trace of %s came as %q, want a span below %q", name, got, mine)
		}
	}
	below("a caller", ask(ctx, "with traces", client(t, door, token)))
	peer := dialPeer(t, serve.PeerOptions{Addrs: []string{behind.GRPCAddr()}})
	below("a service", ask(ctx, "a peer", redrivev1.NewSchedulerServiceClient(peer.Conn())))
}

func TestAGatewayHandsStreamsOnBothWays(t *testing.T) {
	left := make(chan struct{})
	behind, _ := start(t, &scheduler{watch: func(r *redrivev1.WatchJobRequest, s grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
		for range 3 {
			if err := s.Send(&redrivev1.WatchJobResponse{Job: &redrivev1.Job{Name: r.GetName()}}); err != nil {
				return err
			}
		}
		if r.GetName() == "jobs/short" {
			return errs.New(errs.NotFound, "it is gone")
		}
		<-s.Context().Done()
		close(left)
		return s.Context().Err()
	}})
	door, _ := gatewayTo(t, behind.GRPCAddr())
	c := client(t, door, token)
	watch := func(ctx context.Context, name string) grpc.ServerStreamingClient[redrivev1.WatchJobResponse] {
		stream, err := c.WatchJob(ctx, &redrivev1.WatchJobRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got, err := stream.Recv(); err != nil || got.GetJob().GetName() != name {
				t.Fatalf("Recv = %v, %v", got, err)
			}
		}
		return stream
	}
	if _, err := watch(t.Context(), "jobs/short").Recv(); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "it is gone") {
		t.Errorf("the stream ended with %v, want NotFound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch(ctx, "jobs/long")
	cancel()
	<-left // the caller's going away goes through

	left = make(chan struct{})
	stream := watch(t.Context(), "jobs/long")
	if err := door.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	_, err := stream.Recv()
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Unavailable || e.RetryAfter == 0 {
		t.Errorf("the stream of a gateway that stops ended with %v, want Unavailable with a delay", err)
	}
	<-left
}

func TestAGatewayThatStopsLetsCallsFinish(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	behind, _ := start(t, &scheduler{get: func(context.Context, *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		close(entered)
		<-finish
		return &redrivev1.Job{Name: "jobs/etl"}, nil
	}})
	door, _ := gatewayTo(t, behind.GRPCAddr())
	c := client(t, door, token)
	answered := make(chan error, 1)
	go func() {
		_, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{})
		answered <- err
	}()
	<-entered
	drained := make(chan error, 1)
	go func() { drained <- door.Drain(t.Context()) }()
	for { // until it accepts nothing more
		conn, err := net.Dial("tcp", door.GRPCAddr())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(finish)
	if err := <-answered; err != nil {
		t.Errorf("the call ended with %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestAGatewayKeepsTheLimits(t *testing.T) {
	large := strings.Repeat("x", 8<<20)
	behind, _ := start(t, &scheduler{get: func(context.Context, *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		return &redrivev1.Job{Name: large}, nil
	}})
	door, _ := gatewayTo(t, behind.GRPCAddr())
	c := client(t, door, token)
	if job, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{}); err != nil || len(job.GetName()) != len(large) {
		t.Errorf("a large answer: %v", err)
	}
	conn, err := grpc.NewClient(door.GRPCAddr(), insecurely, grpc.WithPerRPCCredentials(bearer{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to lose
	_, err = redrivev1.NewSchedulerServiceClient(conn).GetJob(t.Context(), &redrivev1.GetJobRequest{Name: large})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request of %d bytes: %v, want ResourceExhausted", len(large), err)
	}
	for method, want := range map[string]codes.Code{
		"/redrive.v1.SchedulerService/NoSuchCall": codes.Unimplemented,
		"/redrive.v1.NoSuchService/Call":          codes.Unimplemented,
	} {
		if err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != want {
			t.Errorf("%s: %v, want %s", method, err, want)
		}
	}
	_, metrics := request(t, door, http.MethodGet, "/metrics", "", nil)
	if strings.Contains(metrics, "NoSuch") || !strings.Contains(metrics, `method="other"`) || !strings.Contains(metrics, `method="/redrive.v1.SchedulerService/GetJob"`) {
		t.Error("metrics name methods that callers made up, or not those that are")
	}
}

// insecurely and bearer are for calls without what serve.Dial adds.
var insecurely = grpc.WithTransportCredentials(insecure.NewCredentials())

type bearer struct{}

func (bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func TestCallsGoToTheReplicasThatServe(t *testing.T) {
	var calls [2]atomic.Int64
	var sick atomic.Bool
	var all [2]*serve.Server
	for i := range all {
		all[i], _ = start(t, &scheduler{get: func(ctx context.Context, _ *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
			if serve.CallerOf(ctx) != serve.Internal {
				return nil, errs.New(errs.PermissionDenied, "the caller is %q", serve.CallerOf(ctx))
			}
			calls[i].Add(1)
			return &redrivev1.Job{}, nil
		}})
	}
	all[1].AddCheck("luck", func(context.Context) error {
		if sick.Load() {
			return errors.New("no luck")
		}
		return nil
	})
	p := dialPeer(t, serve.PeerOptions{Addrs: []string{all[0].GRPCAddr(), all[1].GRPCAddr()}})
	c := redrivev1.NewSchedulerServiceClient(p.Conn())
	// until reports whether the calls came to be as wanted.
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; {
			for i := range calls {
				calls[i].Store(0)
			}
			for range 10 {
				if _, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{}); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			if ok() {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: calls were %d and %d", what, calls[0].Load(), calls[1].Load())
			}
		}
	}
	until("both serve", func() bool { return calls[0].Load() == 5 && calls[1].Load() == 5 })
	sick.Store(true)
	until("one is not ready", func() bool { return calls[0].Load() == 10 })
	sick.Store(false)
	until("it is ready again", func() bool { return calls[0].Load() == 5 })
	if err := all[0].Drain(t.Context()); err != nil {
		t.Error(err)
	}
	until("the other one stopped", func() bool { return calls[1].Load() == 10 })
}

func TestACallWaitsForAPeerUntilItsDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := dialPeer(t, serve.PeerOptions{Addrs: []string{addr}})
	c := redrivev1.NewSchedulerServiceClient(p.Conn())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err = c.GetJob(ctx, &redrivev1.GetJobRequest{}); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), addr) {
		t.Errorf("GetJob = %v, want Unavailable that says where", err)
	}
	if err := p.Ready(t.Context()); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Ready = %v, want Unavailable that says why", err)
	}
	door, _ := gatewayTo(t, addr)
	if resp, text := request(t, door, http.MethodGet, "/v1/jobs", "", nil); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "connection refused") || !strings.Contains(text, "PEER_UNAVAILABLE") || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("REST = %d %s, want 503 that says why", resp.StatusCode, text)
	}
	resp, text := request(t, door, http.MethodGet, "/readyz", "", nil)
	if resp.StatusCode != http.StatusOK || !strings.Contains(text, "ready\ndegraded: scheduler: no replica at "+addr) {
		t.Errorf("readyz = %d %q, want degraded", resp.StatusCode, text)
	}

	waiting := make(chan error, 1)
	go func() {
		_, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{})
		waiting <- err
	}()
	s, err := serve.New(serve.Options{Token: token, GRPCAddr: addr, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	redrivev1.RegisterSchedulerServiceServer(s, &scheduler{})
	s.Start()
	defer s.Close() //nolint:errcheck // nothing is left to lose
	if err := <-waiting; err != nil {
		t.Errorf("the call that waited: %v", err)
	}
}

func TestAPeerSaysWhatIsWrongWithAnAddress(t *testing.T) {
	for _, addr := range []string{"", "host", "host:", ":8470", "http://host:8470"} {
		if _, err := serve.DialPeer(serve.PeerOptions{Service: schedulerService, Addrs: []string{addr}}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "HOST:PORT") {
			t.Errorf("%q: %v, want Invalid", addr, err)
		}
	}
	p := dialPeer(t, serve.PeerOptions{Addrs: []string{"no-such-host.invalid:8470"}})
	if err := p.Ready(t.Context()); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "no-such-host.invalid") {
		t.Errorf("Ready = %v, want the name", err)
	}
}
