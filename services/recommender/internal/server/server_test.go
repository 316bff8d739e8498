package server_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
	"github.com/redrive-io/redrive/services/recommender/internal/server"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

const mib, gib = 1 << 20, 1 << 30

var kind = failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}

func settings(failure.Type, string, failure.Class) search.Settings {
	return search.Settings{Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 8 * gib}
}

type builtin struct{}

func (builtin) Serving() model.Model { return model.Builtin() }

func newServer(t testing.TB) (*server.Server, *store.Histories, map[string]int) {
	histories, outcomes := store.New(storetest.Open(t), 0), map[string]int{}
	return server.New(histories, builtin{}, settings, func(outcome string, _ time.Duration) { outcomes[outcome]++ }), histories, outcomes
}

func killed(t testing.TB, memory float64) *redrivev1.RecommendRequest {
	t.Helper()
	c, err := structpb.NewStruct(map[string]any{"memory_mb": memory, "input": "orders.csv"})
	if err != nil {
		t.Fatal(err)
	}
	return &redrivev1.RecommendRequest{
		Failure: "failures/f1", Type: kind.Proto(), Config: c, Class: "memory.container", Fingerprint: "f", SameFailures: 1, Attempt: 1,
		Evidence: &redrivev1.Evidence{
			TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, TerminationProof: "oom_kill 1", Signal: 9,
			MemoryLimitBytes: int64(memory) * mib, Duration: durationpb.New(time.Minute), Logs: []*redrivev1.Log{{Source: "stderr", Head: "Killed"}},
		},
	}
}

func learn(t testing.TB, h *store.Histories, n int, peak int64) {
	t.Helper()
	for i := range n {
		id := failure.Attempt{Source: failure.Own, Job: "j", Number: i + 1}.FailureID()
		err := h.Learn(t.Context(), record.Record{Type: kind, Attempt: history.Attempt{
			ID: id, Outcome: history.Succeeded, Peak: peak, Seconds: 60, End: time.Unix(int64(i), 0).UTC(),
		}}, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRecommendAndReplay(t *testing.T) {
	s, histories, outcomes := newServer(t)
	hopeless := killed(t, 512)
	hopeless.Class, hopeless.SameFailures, hopeless.Evidence = "unknown", 3, nil
	keep := killed(t, 512)
	keep.Class, keep.Evidence = "preemption", nil
	learn(t, histories, 20, 700*mib)
	for _, tc := range []struct {
		name string
		req  *redrivev1.RecommendRequest
		want redrivev1.Recommendation_Outcome
	}{
		{"a kill", killed(t, 512), redrivev1.Recommendation_OUTCOME_CHANGE},
		{"a kill beyond all that was seen", killed(t, 2048), redrivev1.Recommendation_OUTCOME_CHANGE},
		{"a kill at the ceiling", killed(t, 8192), redrivev1.Recommendation_OUTCOME_NOT_FEASIBLE},
		{"the same unexplained failure three times", hopeless, redrivev1.Recommendation_OUTCOME_NOT_FEASIBLE},
		{"a preemption", keep, redrivev1.Recommendation_OUTCOME_KEEP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := s.Recommend(t.Context(), tc.req)
			if err != nil {
				t.Fatal(err)
			}
			if got.GetOutcome() != tc.want || got.GetReason() == "" || got.GetCurrent() == nil || got.GetCandidateCount() < 1 {
				t.Fatalf("Recommend = %s, want %v", protojson.Format(got), tc.want)
			}
			if len(got.GetInputs().GetRequest().GetEvidence().GetLogs()) > 0 {
				t.Error("log text is recorded")
			}
			// What is recorded goes through a store and comes back.
			b, err := proto.Marshal(got.GetInputs())
			if err != nil {
				t.Fatal(err)
			}
			var inputs redrivev1.RecommendationInputs
			if err := proto.Unmarshal(b, &inputs); err != nil {
				t.Fatal(err)
			}
			// What the job type teaches meanwhile is of no account.
			learn(t, histories, 64, 7*gib)
			again, err := s.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: &inputs})
			if err != nil || !proto.Equal(again, got) {
				t.Errorf("replay = %s, %v\nwant %s", protojson.Format(again), err, protojson.Format(got))
			}
		})
	}
	if got := outcomes["OUTCOME_CHANGE"]; got != 2 {
		t.Errorf("observed %v, want 2 changes", outcomes)
	}
}

func TestAnEmptyAttemptConfigurationIsNone(t *testing.T) {
	s, _, _ := newServer(t)
	req := killed(t, 512)
	req.AttemptConfig = &structpb.Struct{}
	got, err := s.Recommend(t.Context(), req)
	if err != nil || got.GetOutcome() != redrivev1.Recommendation_OUTCOME_CHANGE || got.GetCurrent().GetMemoryBytes() != 512*mib {
		t.Errorf("Recommend = %s, %v, want a change from 512 MiB", protojson.Format(got), err)
	}
}

func TestWhatTheHistoryKnowsDecides(t *testing.T) {
	s, histories, _ := newServer(t)
	learn(t, histories, 20, 700*mib)
	got, err := s.Recommend(t.Context(), killed(t, 512))
	if err != nil {
		t.Fatal(err)
	}
	chosen := got.GetChosen()
	if chosen.GetMemoryBytes() < 700*mib || chosen.GetMemoryBytes() > 1000*mib || chosen.GetFailProbability() > 0.2 {
		t.Errorf("chosen = %s, want a little more than 700 MiB", protojson.Format(chosen))
	}
	ops := got.GetOperations()
	if len(ops) != 2 || ops[0].GetOp() != "test" || ops[0].GetPath() != "/memory_mb" || ops[0].GetValue().GetNumberValue() != 512 ||
		ops[1].GetOp() != "replace" || int64(ops[1].GetValue().GetNumberValue())*mib != chosen.GetMemoryBytes() {
		t.Errorf("operations = %v", ops)
	}
}

func TestADeadlineThatHasPassedGivesTheBestSoFarAndReplays(t *testing.T) {
	s, _, _ := newServer(t)
	req := killed(t, 16)
	req.Evidence.MemoryLimitBytes = 0
	first, err := s.Recommend(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := first.GetInputs()
	in.SeenBytes, in.Settings.MaxMemoryBytes = 8<<40, 8<<40 // a grid of several hundred
	cut, err := s.ReplayRecommendation(ctx, &redrivev1.ReplayRecommendationRequest{Inputs: in})
	if err != nil {
		t.Fatal(err)
	}
	if cut.GetInputs().GetConsidered() == 0 || cut.GetInputs().GetConsidered() != cut.GetCandidateCount() {
		t.Fatalf("considered %d of %d, want a record of the cut", cut.GetInputs().GetConsidered(), cut.GetCandidateCount())
	}
	again, err := s.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: cut.GetInputs()})
	if err != nil || !proto.Equal(again, cut) {
		t.Errorf("replay = %s, %v\nwant %s", protojson.Format(again), err, protojson.Format(cut))
	}
}

func TestBadCallsAreInvalid(t *testing.T) {
	s, _, _ := newServer(t)
	good, err := s.Recommend(t.Context(), killed(t, 512))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*redrivev1.RecommendationInputs){
		"no request":   func(in *redrivev1.RecommendationInputs) { in.Request = nil },
		"failure name": func(in *redrivev1.RecommendationInputs) { in.Request.Failure = "f1" },
		"class":        func(in *redrivev1.RecommendationInputs) { in.Request.Class = "" },
		"config": func(in *redrivev1.RecommendationInputs) {
			in.Request.Config.Fields["memory_mb"] = structpb.NewStringValue("4x")
		},
		"probability":      func(in *redrivev1.RecommendationInputs) { in.PermanentProbability = 1 },
		"settings":         func(in *redrivev1.RecommendationInputs) { in.Settings = nil },
		"weight":           func(in *redrivev1.RecommendationInputs) { in.Settings.Weight = -1 },
		"point":            func(in *redrivev1.RecommendationInputs) { in.MemoryNeed[3].Bytes = 0 },
		"order":            func(in *redrivev1.RecommendationInputs) { in.MemoryNeed[3].Probability = 0.999 },
		"considered":       func(in *redrivev1.RecommendationInputs) { in.Considered = -1 },
		"expected seconds": func(in *redrivev1.RecommendationInputs) { in.ExpectedSeconds = -1 },
	} {
		in := proto.CloneOf(good.GetInputs())
		spoil(in)
		if _, err := s.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: in}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: replay = %v, want Invalid", name, err)
		}
	}
	if _, err := s.Recommend(t.Context(), nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("Recommend of nothing = %v, want Invalid", err)
	}
	if _, err := s.ReplayRecommendation(t.Context(), nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("ReplayRecommendation of nothing = %v, want Invalid", err)
	}
	if _, err := s.GetJobTypeModel(t.Context(), nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("GetJobTypeModel of nothing = %v, want Invalid", err)
	}
}

func TestGetJobTypeModel(t *testing.T) {
	s, histories, _ := newServer(t)
	req := &redrivev1.GetJobTypeModelRequest{Type: kind.Proto()}
	if _, err := s.GetJobTypeModel(t.Context(), req); !errs.Is(err, errs.NotFound) {
		t.Errorf("GetJobTypeModel of an unknown type = %v, want NotFound", err)
	}
	learn(t, histories, 10, 700*mib)
	got, err := s.GetJobTypeModel(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got.GetObservations() != 10 || got.GetSuccesses() != 10 || got.GetMemoryFailures() != 0 || got.GetMeanSeconds() != 60 || got.GetPart() != "tree" {
		t.Errorf("model = %s", protojson.Format(got))
	}
	for _, q := range got.GetMemoryNeed() {
		if q.GetProbability() == 0.5 && (q.GetBytes() < 650*mib || q.GetBytes() > 750*mib) {
			t.Errorf("median = %d MiB, want about 700", q.GetBytes()/mib)
		}
	}
}

func FuzzReplay(f *testing.F) {
	s, _, _ := newServer(f)
	good, err := s.Recommend(f.Context(), killed(f, 512))
	if err != nil {
		f.Fatal(err)
	}
	b, err := proto.Marshal(good.GetInputs())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	cluster, err := s.Recommend(f.Context(), askClusters())
	if err != nil {
		f.Fatal(err)
	}
	if b, err = proto.Marshal(cluster.GetInputs()); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var in redrivev1.RecommendationInputs
		if proto.Unmarshal(b, &in) != nil {
			return
		}
		_, err := s.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: &in})
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("replay = %v, want an answer or Invalid", err)
		}
	})
}

func BenchmarkRecommend(b *testing.B) {
	s, _, _ := newServer(b)
	config, err := structpb.NewStruct(map[string]any{
		"spark.executor.memory": "2g", "spark.executor.cores": "2", "spark.executor.instances": "12", "spark.driver.memory": "1g",
		"spark.sql.shuffle.partitions": "400", "spark.eventLog.dir": "hdfs:///spark/events", "input": "s3a://lake/orders", "date": "2026-11-20",
	})
	if err != nil {
		b.Fatal(err)
	}
	req := &redrivev1.RecommendRequest{
		Failure: "failures/f1", Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: engine.Spark}, Config: config, Class: "memory.executor",
		Fingerprint: "f", SameFailures: 1, Attempt: 1, Evidence: &redrivev1.Evidence{PeakMemoryBytes: proto.Int64(2 * gib), Duration: durationpb.New(time.Minute)},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Recommend(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
