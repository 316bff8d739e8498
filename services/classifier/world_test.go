package classifier

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// recommender doubles the memory where memory is the cause, and gives up on the
// third failure of one kind.
type recommender struct {
	redrivev1.UnimplementedRecommenderServiceServer
	mu    sync.Mutex
	down  bool
	asked chan struct{} // gets one for every question, when there is room
}

func (r *recommender) Recommend(_ context.Context, req *redrivev1.RecommendRequest) (*redrivev1.Recommendation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.asked <- struct{}{}:
	default:
	}
	if r.down {
		return nil, errs.New(errs.Unavailable, "the recommender is down")
	}
	return recommend(req), nil
}

func recommend(req *redrivev1.RecommendRequest) *redrivev1.Recommendation {
	p := &redrivev1.Recommendation{Outcome: redrivev1.Recommendation_OUTCOME_KEEP, Reason: "as it is", Inputs: &redrivev1.RecommendationInputs{Request: req}}
	memory := req.GetConfig().GetFields()["memory_mb"].GetNumberValue()
	switch {
	case req.GetSameFailures() > 2:
		p.Outcome = redrivev1.Recommendation_OUTCOME_NOT_FEASIBLE
	case failure.Class(req.GetClass()).Memory():
		p.Outcome = redrivev1.Recommendation_OUTCOME_CHANGE
		p.Operations = []*redrivev1.PatchOperation{
			{Op: "test", Path: "/memory_mb", Value: structpb.NewNumberValue(memory)}, {Op: "replace", Path: "/memory_mb", Value: structpb.NewNumberValue(2 * memory)},
		}
	}
	return p
}

func (r *recommender) ReplayRecommendation(_ context.Context, req *redrivev1.ReplayRecommendationRequest) (*redrivev1.Recommendation, error) {
	return recommend(req.GetInputs().GetRequest()), nil
}

func (r *recommender) PlotRecommendation(_ context.Context, req *redrivev1.PlotRecommendationRequest) (*redrivev1.PlotRecommendationResponse, error) {
	asked := req.GetInputs().GetRequest()
	if !failure.Class(asked.GetClass()).Memory() {
		return nil, errs.New(errs.FailedPrecondition, "there is nothing to draw")
	}
	return &redrivev1.PlotRecommendationResponse{Svg: fmt.Sprintf("<svg>%v</svg>", asked.GetConfig().GetFields()["memory_mb"].GetNumberValue())}, nil
}

func (r *recommender) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// config makes one patch a request id, and none beyond its ceiling.
type config struct {
	redrivev1.UnimplementedConfigServiceServer
	mu      sync.Mutex
	patches map[string]*redrivev1.Patch
}

func (c *config) CreatePatch(_ context.Context, req *redrivev1.CreatePatchRequest) (*redrivev1.Patch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.patches[req.GetRequestId()]; p != nil {
		return p, nil
	}
	for _, op := range req.GetPatch().GetOperations() {
		if op.GetValue().GetNumberValue() > 8192 {
			return nil, errs.New(errs.FailedPrecondition, "8192 is the ceiling")
		}
	}
	p := proto.CloneOf(req.GetPatch())
	p.Name = fmt.Sprint("patches/", len(c.patches)+1)
	c.patches[req.GetRequestId()] = p
	return p, nil
}

func (c *config) all() []*redrivev1.Patch {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*redrivev1.Patch
	for _, p := range c.patches {
		all = append(all, p)
	}
	return all
}

// world has everything that replicas of the service share.
type world struct {
	t           testing.TB
	store       docstore.Store
	bus         *bus.Bus
	recommender *recommender
	config      *config
	told        chan *redrivev1.Failure // of failure.classified
	metrics     prometheus.Registerer   // of the one replica that the test starts; may be nil
	replica     string                  // name of the next one
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, store: storetest.Open(t), bus: bustest.New(t), recommender: &recommender{asked: make(chan struct{}, 1)},
		config: &config{patches: map[string]*redrivev1.Patch{}}, told: make(chan *redrivev1.Failure, 1000),
	}
	w.run(func(ctx context.Context) error {
		return w.bus.Consume(ctx, bus.SchedulerVerdicts, func(_ context.Context, e bus.Event) error {
			var m redrivev1.FailureClassified
			if err := e.Decode(&m); err != nil {
				return err
			}
			w.told <- m.GetFailure()
			return nil
		})
	})
	return w
}

// run runs f until the test ends.
func (w *world) run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
}

// dial serves what register registers and returns a connection to it.
func (w *world) dial(register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	w.t.Helper()
	listener := bufconn.Listen(1 << 20)
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		resp, err := h(ctx, req)
		return resp, errs.ToStatus(err)
	}))
	register(s)
	go s.Serve(listener) //nolint:errcheck // it ends with Stop
	w.t.Cleanup(s.Stop)
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() }) //nolint:errcheck // the test is over
	return conn
}

// service starts one replica, without Run.
func (w *world) service(o Options) (*Service, redrivev1.ClassifierServiceClient) {
	w.t.Helper()
	peers := w.dial(func(r grpc.ServiceRegistrar) {
		redrivev1.RegisterRecommenderServiceServer(r, w.recommender)
		redrivev1.RegisterConfigServiceServer(r, w.config)
	})
	s, err := New(o, Deps{
		Store: w.store, Bus: w.bus, Recommender: redrivev1.NewRecommenderServiceClient(peers), Config: redrivev1.NewConfigServiceClient(peers),
		Metrics: w.metrics, Replica: w.replica,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s, redrivev1.NewClassifierServiceClient(w.dial(s.Register))
}

// running starts one replica with Run, and with rules that win over all
// built-in ones.
func (w *world) running(o Options) (*Service, redrivev1.ClassifierServiceClient) {
	w.t.Helper()
	s, client := w.service(o)
	w.run(s.Run)
	for id, class := range map[string]string{"t-heap": "memory.container", "t-bug": "code.bug"} {
		_, err := client.CreateRule(w.t.Context(), &redrivev1.CreateRuleRequest{RuleId: id, Rule: &redrivev1.Rule{Any: []string{id + " (?P<what>.+)"}, Class: class, Summary: "{what}"}, RequestId: "setup", Force: true})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return s, client
}

// wait returns the next failure that is told.
func (w *world) wait() *redrivev1.Failure {
	w.t.Helper()
	select {
	case f := <-w.told:
		return f
	case <-time.After(30 * time.Second):
		w.t.Fatal("no failure.classified for 30 s")
		return nil
	}
}

func attempt(job string, number int) *redrivev1.AttemptRef {
	return &redrivev1.AttemptRef{Source: "acme", Job: job, Attempt: int32(number)}
}

func told(job string, number int, log string) *redrivev1.AttemptFailed {
	memory, err := structpb.NewStruct(map[string]any{"memory_mb": 512, "api_token": "hunter2-hunter2"})
	if err != nil {
		panic(err)
	}
	return &redrivev1.AttemptFailed{
		Attempt: attempt(job, number), Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "process"}, Config: memory,
		Evidence: &redrivev1.Evidence{Logs: []*redrivev1.Log{{Source: "stderr", Head: log}}, TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_EXITED},
	}
}

func (w *world) publish(m *redrivev1.AttemptFailed, emission int) {
	w.t.Helper()
	a := failure.AttemptFromProto(m.GetAttempt())
	e, err := bus.NewEvent(bus.AttemptFailed, a.FailureID(), "redrive/scheduler", a.JobName(), time.Now(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	e.Emission = emission
	if err := w.bus.Publish(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
}
