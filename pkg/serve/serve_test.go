package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const token = "a-token-of-a-test-that-is-long-enough"

// scheduler answers each call with what the test gave it.
type scheduler struct {
	redrivev1.UnimplementedSchedulerServiceServer
	get    func(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error)
	submit func(ctx context.Context, r *redrivev1.SubmitJobRequest) (*redrivev1.Job, error)
	watch  func(r *redrivev1.WatchJobRequest, s grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error
}

func (s *scheduler) GetJob(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
	if s.get == nil {
		return &redrivev1.Job{Name: r.GetName()}, nil
	}
	return s.get(ctx, r)
}

func (s *scheduler) SubmitJob(ctx context.Context, r *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
	if s.submit == nil {
		return r.GetJob(), nil
	}
	return s.submit(ctx, r)
}

func (s *scheduler) ListJobs(context.Context, *redrivev1.ListJobsRequest) (*redrivev1.ListJobsResponse, error) {
	return &redrivev1.ListJobsResponse{}, nil
}

func (s *scheduler) WatchJob(r *redrivev1.WatchJobRequest, stream grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
	return s.watch(r, stream)
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start serves sched until the test ends.
func start(t testing.TB, sched *scheduler) (*serve.Server, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	s, err := serve.New(serve.Options{
		Token: token, REST: []serve.Gateway{redrivev1.RegisterSchedulerServiceHandler}, OpenAPI: []byte(`{}`),
		AllowHosts: []string{"redrive.example"},
		Log:        slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	redrivev1.RegisterSchedulerServiceServer(s, sched)
	s.Start()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, log
}

func client(t testing.TB, s *serve.Server, token string) redrivev1.SchedulerServiceClient {
	t.Helper()
	conn, err := serve.Dial(s.GRPCAddr(), token, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return redrivev1.NewSchedulerServiceClient(conn)
}

// request sends a REST request with the token and whatever change makes of it.
func request(t *testing.T, s *serve.Server, method, path, body string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestOnlyTheTokenOpensGRPC(t *testing.T) {
	s, log := start(t, &scheduler{})
	for _, tc := range []struct {
		name, token string
		want        errs.Kind
	}{
		{"no token", "", errs.Unauthenticated},
		{"another token of the same length", strings.Repeat("x", len(token)), errs.Unauthenticated},
		{"the beginning of the token", token[:len(token)-1], errs.Unauthenticated},
		{"the token", token, errs.None},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := client(t, s, tc.token)
			_, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/a"})
			if got := errs.KindOf(err); got != tc.want {
				t.Errorf("unary call: kind %v (%v), want %v", got, err, tc.want)
			}
		})
	}
	t.Run("a stream without a token", func(t *testing.T) {
		stream, err := client(t, s, "").WatchJob(t.Context(), &redrivev1.WatchJobRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("got %v, want Unauthenticated", err)
		}
	})
	t.Run("no header at all", func(t *testing.T) {
		conn, err := grpc.NewClient(s.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // nothing is left to lose
		_, err = redrivev1.NewSchedulerServiceClient(conn).GetJob(t.Context(), &redrivev1.GetJobRequest{})
		if e, ok := errors.AsType[*errs.Error](errs.FromStatus(err)); !ok || e.Reason != "TOKEN_MISSING" {
			t.Errorf("got %v, want the reason TOKEN_MISSING", err)
		}
	})
	if strings.Contains(log.String(), token) {
		t.Error("the log has the token")
	}
}

func TestServicesCallEachOtherWithoutAToken(t *testing.T) {
	callers := make(chan serve.Caller, 2)
	s, _ := start(t, &scheduler{get: func(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		callers <- serve.CallerOf(ctx)
		if r.GetName() == "" {
			return nil, errs.Field("name", "is required")
		}
		return &redrivev1.Job{}, nil
	}})
	inner := redrivev1.NewSchedulerServiceClient(s.Conn())
	_, err := inner.GetJob(t.Context(), &redrivev1.GetJobRequest{})
	if got := errs.KindOf(err); got != errs.Invalid {
		t.Errorf("an error over the in-memory connection has the kind %v (%v), want Invalid", got, err)
	}
	if _, err := client(t, s, token).GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/a"}); err != nil {
		t.Fatal(err)
	}
	if got := []serve.Caller{<-callers, <-callers}; got[0] != serve.Internal || got[1] != serve.Operator {
		t.Errorf("callers = %v, want internal, then operator", got)
	}
}

func TestAUnaryCallHasADeadlineAndARequestID(t *testing.T) {
	ids := make(chan string, 2)
	var inner redrivev1.SchedulerServiceClient
	s, log := start(t, &scheduler{get: func(ctx context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		ids <- serve.RequestID(ctx)
		d, ok := ctx.Deadline()
		if left := time.Until(d); !ok || left <= 0 || left > serve.DefaultDeadline {
			t.Errorf("deadline in %v (%v), want one within %v", left, ok, serve.DefaultDeadline)
		}
		if r.GetName() == "jobs/outer" {
			return inner.GetJob(ctx, &redrivev1.GetJobRequest{Name: "jobs/inner"})
		}
		return &redrivev1.Job{}, nil
	}})
	inner = redrivev1.NewSchedulerServiceClient(s.Conn())
	resp, _ := request(t, s, "GET", "/v1/jobs/outer", "", func(r *http.Request) { r.Header.Set("X-Request-Id", "from-the-caller") })
	if got := resp.Header.Get("X-Request-Id"); got != "from-the-caller" {
		t.Errorf("answer's request id = %q, want the caller's", got)
	}
	if outer, nested := <-ids, <-ids; outer != "from-the-caller" || nested != outer {
		t.Errorf("request ids %q and %q, want the caller's on both calls", outer, nested)
	}
	if !strings.Contains(log.String(), "request_id=from-the-caller") {
		t.Error("the log does not name the request")
	}
	resp, _ = request(t, s, "GET", "/v1/jobs/a", "", func(r *http.Request) { r.Header.Set("X-Request-Id", "a\tline=forged") })
	if got := <-ids; got == "" || strings.ContainsAny(got, "\t= ") || resp.Header.Get("X-Request-Id") != got {
		t.Errorf("request id %q in the call, %q in the answer; want a new one", got, resp.Header.Get("X-Request-Id"))
	}
}

func TestAPanicIsInternalAndTheServerGoesOn(t *testing.T) {
	s, log := start(t, &scheduler{
		get: func(_ context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
			if r.GetName() == "jobs/bad" {
				panic("boom at the bottom, password=hunter2")
			}
			return &redrivev1.Job{}, nil
		},
		watch: func(*redrivev1.WatchJobRequest, grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
			panic("boom in the stream")
		},
	})
	c := client(t, s, token)
	_, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/bad"})
	if !errs.Is(err, errs.Internal) || strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v, want an internal error that tells nothing", err)
	}
	stream, err := c.WatchJob(t.Context(), &redrivev1.WatchJobRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if !errs.Is(err, errs.Internal) {
		t.Errorf("stream: got %v, want Internal", err)
	}
	if _, err := c.GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "jobs/good"}); err != nil {
		t.Errorf("the next call failed: %v", err)
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log has a secret of the panic")
	}
	for _, want := range []string{"boom at the bottom", "boom in the stream", "serve_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestTheLogNamesFieldsAndNeverQuotesRequests(t *testing.T) {
	s, log := start(t, &scheduler{get: func(_ context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
		return nil, errs.Field("job.env", "%q is wrong", r.GetName())
	}})
	_, err := client(t, s, token).GetJob(t.Context(), &redrivev1.GetJobRequest{Name: "hunter2"})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the caller got %v, want the whole text", err)
	}
	if text := log.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "job.env") {
		t.Errorf("log = %s\nwant the field and not its value", text)
	}
}

func TestAddressesBeyondLoopbackNeedConsent(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0"} {
		if _, err := serve.New(serve.Options{Token: token, HTTPAddr: addr}); !errs.Is(err, errs.Invalid) {
			t.Errorf("HTTP on %s: got %v, want Invalid", addr, err)
		}
		if _, err := serve.New(serve.Options{Token: token, GRPCAddr: addr}); !errs.Is(err, errs.Invalid) {
			t.Errorf("gRPC on %s: got %v, want Invalid", addr, err)
		}
	}
	s, err := serve.New(serve.Options{Token: token, GRPCAddr: "0.0.0.0:0", InsecureListen: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close of a server that never started: %v", err)
	}
	if _, err := serve.New(serve.Options{Token: "secret"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a short token: got %v, want Invalid", err)
	}
}
