package recommender_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender"
)

const mib, gib = 1 << 20, 1 << 30

var kind = failure.Type{Workflow: "w", Step: "s", Engine: "process"}

// run starts the service on a bus and a store of its own.
func run(t *testing.T) (*bus.Bus, redrivev1.RecommenderServiceClient, *prometheus.Registry) {
	t.Helper()
	b, registry := bustest.New(t), prometheus.NewRegistry()
	return b, replica(t, recommender.Deps{Store: storetest.Open(t), Bus: b, Metrics: registry}), registry
}

// replica starts the service on what others may share.
func replica(t *testing.T, d recommender.Deps) redrivev1.RecommenderServiceClient {
	t.Helper()
	d.Config = patches(t, d)
	s, err := recommender.New(recommender.Options{MaxMemory: 8 * gib, RightSizing: recommender.RightSizing{MinRuns: 5, MaxRisk: 0.05}}, d)
	if err != nil {
		t.Fatal(err)
	}
	server, listener := grpc.NewServer(), bufconn.Listen(1<<20)
	s.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	conn, err := grpc.NewClient("passthrough:bufconn",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run = %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return redrivev1.NewRecommenderServiceClient(conn)
}

func config(t *testing.T, memory float64) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(map[string]any{"memory_mb": memory})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outcomes are the events of n jobs that are killed at 512 MiB and then succeed
// with 1 GiB, having used 700 MiB.
func outcomes(t *testing.T, n int) []bus.Event {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var all []bus.Event
	for i := range n {
		a := failure.Attempt{Source: failure.Own, Job: fmt.Sprintf("job-%d", i), Number: 1}
		add := func(of bus.Type, m proto.Message) {
			e, err := bus.NewEvent(of, a.FailureID(), "redrive/scheduler", a.JobName(), start, m)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		end := start.Add(time.Duration(i) * time.Hour)
		evidence := failure.Evidence{Reason: failure.OutOfMemory, Proof: "oom_kill 1", LimitBytes: 512 * mib, End: end, Duration: time.Minute}
		add(bus.FailureClassified, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
			Attempt: a.Proto(), Type: kind.Proto(), Config: config(t, 512), Evidence: evidence.Proto(), Class: "memory.container", Fingerprint: "f",
		}})
		a.Number = 2
		peak := int64(700 * mib)
		evidence = failure.Evidence{Reason: failure.Exited, LimitBytes: gib, PeakBytes: &peak, End: end.Add(time.Minute), Duration: time.Minute}
		add(bus.AttemptSucceeded, &redrivev1.AttemptSucceeded{
			Attempt: a.Proto(), Type: kind.Proto(), Config: config(t, 512), AttemptConfig: config(t, 1024), Evidence: evidence.Proto(),
		})
	}
	return all
}

// model waits until all attempts are learnt.
func model(t *testing.T, client redrivev1.RecommenderServiceClient, attempts int32) *redrivev1.JobTypeModel {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		m, err := client.GetJobTypeModel(ctx, &redrivev1.GetJobTypeModelRequest{Type: kind.Proto()})
		if err == nil && m.GetObservations() >= attempts {
			return m
		}
		select {
		case <-ctx.Done():
			t.Fatalf("model = %s, %v; want %d attempts", protojson.Format(m), err, attempts)
		case <-poll.C:
		}
	}
}

func TestTheServiceLearnsFromTheBusAndRecommends(t *testing.T) {
	const jobs = 8
	var want []*redrivev1.Quantile
	for round := range 3 {
		t.Run(fmt.Sprintf("order %d", round), func(t *testing.T) {
			b, client, registry := run(t)
			all := outcomes(t, jobs)
			if round > 0 { // twice, in another order, past the stream's own deduplication
				for _, e := range all[:len(all):len(all)] {
					e.Emission = 1
					all = append(all, e)
				}
				rand.New(rand.NewPCG(1, uint64(round))).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			}
			if err := b.Publish(t.Context(), all...); err != nil {
				t.Fatal(err)
			}
			m := model(t, client, 2*jobs)
			if m.GetObservations() != 2*jobs || m.GetSuccesses() != jobs || m.GetMemoryFailures() != jobs {
				t.Errorf("model = %s", protojson.Format(m))
			}
			if want == nil {
				want = m.GetMemoryNeed()
			}
			for i, q := range m.GetMemoryNeed() {
				if !proto.Equal(q, want[i]) {
					t.Errorf("quantile %d = %v, want %v", i, q, want[i])
				}
			}
			got, err := client.Recommend(t.Context(), &redrivev1.RecommendRequest{
				Failure: "failures/next", Type: kind.Proto(), Config: config(t, 512), Class: "memory.container", Fingerprint: "f", SameFailures: 1,
				Attempt: 1, Evidence: failure.Evidence{Reason: failure.OutOfMemory, Proof: "oom_kill 1", LimitBytes: 512 * mib}.Proto(),
			})
			if err != nil || got.GetOutcome() != redrivev1.Recommendation_OUTCOME_CHANGE {
				t.Fatalf("Recommend = %s, %v", protojson.Format(got), err)
			}
			if memory := got.GetChosen().GetMemoryBytes() / mib; memory < 700 || memory > 1300 {
				t.Errorf("chosen = %d MiB, want a little more than 700: %s", memory, got.GetReason())
			}
			again, err := client.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: got.GetInputs()})
			if err != nil || !proto.Equal(again, got) {
				t.Errorf("replay = %s, %v\nwant %s", protojson.Format(again), err, protojson.Format(got))
			}
			families, err := registry.Gather()
			if err != nil || len(families) < 2 {
				t.Errorf("metrics = %v, %v, want recommendations and their duration", families, err)
			}
		})
	}
}

// TestReplicasLearnEverythingOnce: two of them share the events, each told
// twice, in any order, and say the same.
func TestReplicasLearnEverythingOnce(t *testing.T) {
	const jobs = 20
	b, db := bustest.New(t), storetest.Open(t)
	var clients []redrivev1.RecommenderServiceClient
	for _, name := range []string{"a", "b"} {
		clients = append(clients, replica(t, recommender.Deps{Store: db, Bus: b, Replica: name}))
	}
	all := outcomes(t, jobs)
	for _, e := range all[:len(all):len(all)] {
		e.Emission = 1
		all = append(all, e)
	}
	rand.New(rand.NewPCG(1, 3)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if err := b.Publish(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	first, second := model(t, clients[0], 2*jobs), model(t, clients[1], 2*jobs)
	if first.GetObservations() != 2*jobs || first.GetSuccesses() != jobs || first.GetMemoryFailures() != jobs || !proto.Equal(first, second) {
		t.Errorf("models = %s\nand %s", protojson.Format(first), protojson.Format(second))
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, o := range map[string]recommender.Options{
		"weight":       {Weight: -1},
		"price":        {DollarsPerCoreHour: -1},
		"threshold":    {NotFeasibleAbove: 1},
		"observations": {MinObservations: -1},
		"memory":       {MaxMemory: -1},
	} {
		if _, err := recommender.New(o, recommender.Deps{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: New = %v, want Invalid", name, err)
		}
	}
}
