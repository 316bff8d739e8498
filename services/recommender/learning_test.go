package recommender_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender"
)

// trained begins a training and waits for its end. While one of the schedule
// runs, it waits for the end of that first.
func trained(t *testing.T, client redrivev1.RecommenderServiceClient, req *redrivev1.TrainModelRequest) *redrivev1.Training {
	t.Helper()
	for {
		began, err := client.TrainModel(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var got *redrivev1.Training
		until(t, func(ctx context.Context) bool {
			got, err = client.GetTraining(ctx, &redrivev1.GetTrainingRequest{Name: began.GetName()})
			if err != nil {
				t.Fatal(err)
			}
			return got.GetEndTime() != nil
		})
		if began.GetReason() == req.GetReason() {
			return got
		}
	}
}

// until waits until done.
func until(t *testing.T, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come")
		case <-poll.C:
		}
	}
}

// answers waits until a replica answers with a model.
func answers(t *testing.T, client redrivev1.RecommenderServiceClient, model string) {
	t.Helper()
	req := &redrivev1.RecommendRequest{Type: kind.Proto(), Config: config(t, 512), Class: "unknown"}
	until(t, func(ctx context.Context) bool {
		r, err := client.Recommend(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return r.GetInputs().GetModel() == model
	})
}

func TestAModelIsTrainedPromotedAndRolledBackOnEveryReplica(t *testing.T) {
	b, store := bustest.New(t), storetest.Open(t)
	one := replica(t, recommender.Deps{Store: store, Bus: b, Replica: "one"})
	two := replica(t, recommender.Deps{Store: store, Bus: b, Replica: "two"})
	answers(t, two, "models/builtin")
	const jobs = 10
	if err := b.Publish(t.Context(), outcomes(t, jobs)...); err != nil {
		t.Fatal(err)
	}
	model(t, one, 2*jobs)
	first := trained(t, one, &redrivev1.TrainModelRequest{Full: true, Promote: true, Reason: "a test"})
	if first.GetState() != redrivev1.Training_STATE_DONE || first.GetRecords() != 2*jobs || !first.GetFull() || first.GetModel() == "models/builtin" {
		t.Fatalf("training %v", first)
	}
	again := trained(t, two, &redrivev1.TrainModelRequest{Reason: "the same"})
	if again.GetName() == first.GetName() || again.GetModel() != first.GetModel() {
		t.Errorf("a training that learnt nothing new made %s, want %s", again.GetModel(), first.GetModel())
	}
	got, err := two.GetModel(t.Context(), &redrivev1.GetModelRequest{Name: first.GetModel()})
	if err != nil || got.GetContent().GetRecords() != 2*jobs || got.GetAudit() == nil || got.GetTraining() != first.GetName() {
		t.Fatalf("model %v, %v", got, err)
	}
	if passed := got.GetAudit().GetPassed(); passed != first.GetPromoted() {
		t.Errorf("passed %v, promoted %v: %v", passed, first.GetPromoted(), got.GetAudit().GetFindings())
	}
	promoted, err := two.PromoteModel(t.Context(), &redrivev1.PromoteModelRequest{Name: first.GetModel(), Reason: "by hand", Force: true})
	if err != nil || promoted.GetState() != redrivev1.Model_STATE_SERVING || promoted.GetPromoteReason() != "by hand" {
		t.Fatalf("promoted %v, %v", promoted, err)
	}
	answers(t, one, first.GetModel())
	answers(t, two, first.GetModel())
	diff, err := one.DiffModels(t.Context(), &redrivev1.DiffModelsRequest{Name: "models/builtin"})
	if err != nil || len(diff.GetDifferences()) == 0 || diff.GetDifferences()[0].GetAfter() != "0" {
		t.Errorf("diff of the built-in model against the one that serves: %v, %v", diff, err)
	}
	rolled := 0
	for ; err == nil; rolled++ {
		_, err = one.RollbackModel(t.Context(), &redrivev1.RollbackModelRequest{Reason: "worse"})
	}
	if rolled < 2 || rolled > 4 { // the schedule may have trained on some of the records before
		t.Errorf("rolled back %d times, %v", rolled-1, err)
	}
	answers(t, two, "models/builtin")
	all, err := two.ListModels(t.Context(), &redrivev1.ListModelsRequest{})
	if err != nil || len(all.GetModels()) < 2 {
		t.Fatalf("models %v, %v", all, err)
	}
	for i, m := range all.GetModels() {
		if last := i == len(all.GetModels())-1; m.GetContent() != nil || last != (m.GetState() == redrivev1.Model_STATE_SERVING) || last != (m.GetName() == "models/builtin") {
			t.Errorf("model %d of the list: %v", i, m)
		}
	}
	served, err := two.GetModel(t.Context(), &redrivev1.GetModelRequest{Name: "models/serving"})
	if err != nil || served.GetName() != "models/builtin" {
		t.Errorf("serving %v, %v", served, err)
	}
}

func TestWhatCannotBeAskedOfModels(t *testing.T) {
	_, client, _ := run(t)
	for name, call := range map[string]func(context.Context) (proto.Message, error){
		"no name": func(ctx context.Context) (proto.Message, error) {
			return client.GetModel(ctx, &redrivev1.GetModelRequest{})
		},
		"no such model": func(ctx context.Context) (proto.Message, error) {
			return client.GetModel(ctx, &redrivev1.GetModelRequest{Name: "models/x"})
		},
		"no such training": func(ctx context.Context) (proto.Message, error) {
			return client.GetTraining(ctx, &redrivev1.GetTrainingRequest{Name: "trainings/x"})
		},
		"nothing to go back to": func(ctx context.Context) (proto.Message, error) {
			return client.RollbackModel(ctx, &redrivev1.RollbackModelRequest{})
		},
		"the reason of the schedule": func(ctx context.Context) (proto.Message, error) {
			return client.TrainModel(ctx, &redrivev1.TrainModelRequest{Reason: "schedule"})
		},
	} {
		if answer, err := call(t.Context()); err == nil {
			t.Errorf("%s: %v", name, answer)
		}
	}
	if done := trained(t, client, &redrivev1.TrainModelRequest{}); done.GetModel() != "models/builtin" || done.GetState() != redrivev1.Training_STATE_DONE {
		t.Errorf("a training without records: %v", done)
	}
}
