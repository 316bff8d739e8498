package server_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

func cluster(nodes int) failure.Shape {
	return failure.Shape{
		Name: fmt.Sprintf("m5.xlarge x %d", nodes), InstanceType: "m5.xlarge", Nodes: nodes, CoresPerNode: 4, MemoryPerNode: 16 * gib,
		DollarsPerHour: 0.192 * float64(nodes),
	}
}

// learnClusters teaches the runs of another job type on clusters of 2 to 32
// machines; a tenth of its work does not share.
func learnClusters(t testing.TB, h *store.Histories) {
	t.Helper()
	other := failure.Type{Workflow: "w", Step: "other", Engine: engine.Spark}
	for i := range 20 {
		s := cluster(2 << (i % 5))
		id := failure.Attempt{Source: failure.Own, Job: "o", Number: i + 1}.FailureID()
		err := h.Learn(t.Context(), record.Record{Type: other, Attempt: history.Attempt{
			ID: id, Outcome: history.Succeeded, Seconds: 100 + 900*32/s.Cores(), Shape: s, End: time.Unix(int64(i), 0).UTC(),
		}}, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func askClusters() *redrivev1.RecommendRequest {
	req := &redrivev1.RecommendRequest{
		Failure: "failures/f1", Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: engine.Spark}, Class: "timeout", Attempt: 1,
		Evidence: &redrivev1.Evidence{
			TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_TIMEOUT, Duration: durationpb.New(time.Hour), Shape: cluster(4).Proto(),
		},
	}
	for nodes := 2; nodes <= 64; nodes *= 2 {
		req.Shapes = append(req.Shapes, cluster(nodes).Proto())
	}
	return req
}

func TestRecommendACluster(t *testing.T) {
	s, histories, _ := newServer(t)
	learnClusters(t, histories)
	got, err := s.Recommend(t.Context(), askClusters())
	if err != nil {
		t.Fatal(err)
	}
	chosen := got.GetChosen()
	if got.GetOutcome() != redrivev1.Recommendation_OUTCOME_CHANGE || chosen.GetShape().GetNodes() <= 4 || chosen.GetShape().GetInstanceType() != "m5.xlarge" {
		t.Errorf("Recommend = %v %v (%s), want more machines", got.GetOutcome(), chosen, got.GetReason())
	}
	if len(got.GetOperations()) > 0 || got.GetCandidateCount() != 6 || len(got.GetInputs().GetShapes().GetCurves()) != 1 || chosen.GetSeconds() <= 0 {
		t.Errorf("operations %v, %d candidates, inputs %v", got.GetOperations(), got.GetCandidateCount(), got.GetInputs().GetShapes())
	}
	again, err := s.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: got.GetInputs()})
	if err != nil || !proto.Equal(again.GetChosen(), chosen) {
		t.Errorf("replay = %v, %v, want the same", again.GetChosen(), err)
	}
}

func TestBadQuestionsAboutClusters(t *testing.T) {
	s, _, _ := newServer(t)
	for field, change := range map[string]func(*redrivev1.RecommendRequest){
		"evidence.shape":           func(r *redrivev1.RecommendRequest) { r.Evidence.Shape = nil },
		"evidence.duration":        func(r *redrivev1.RecommendRequest) { r.Evidence.Duration = nil },
		"shapes[1]":                func(r *redrivev1.RecommendRequest) { r.Shapes[1].Nodes = 0 },
		"failed_shapes[0].seconds": func(r *redrivev1.RecommendRequest) { r.FailedShapes = []*redrivev1.FailedShape{{Shape: r.Shapes[0]}} },
		"shapes": func(r *redrivev1.RecommendRequest) {
			for range 1000 {
				r.Shapes = append(r.Shapes, r.Shapes[0])
			}
		},
	} {
		req := askClusters()
		change(req)
		_, err := s.Recommend(t.Context(), req)
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || !errs.Is(err, errs.Invalid) || len(e.Violations) != 1 || e.Violations[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
