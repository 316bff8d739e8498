package wire

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
)

// Recommender asks the recommender service.
type Recommender struct {
	client redrivev1.RecommenderServiceClient
}

// NewRecommender returns the recommender behind client.
func NewRecommender(client redrivev1.RecommenderServiceClient) Recommender {
	return Recommender{client}
}

// Recommend implements record.Recommender. Log text is not sent.
func (r Recommender) Recommend(ctx context.Context, q record.Question) (record.Recommendation, error) {
	config, err := structOf(q.Config)
	if err != nil {
		return record.Recommendation{}, errs.Field("config", "%w", err)
	}
	attemptConfig, err := structOf(q.AttemptConfig)
	if err != nil {
		return record.Recommendation{}, errs.Field("attempt_config", "%w", err)
	}
	answer, err := r.client.Recommend(ctx, &redrivev1.RecommendRequest{
		Failure: FailureName(q.ID()), Type: q.Type.Proto(), Config: config, AttemptConfig: attemptConfig,
		Evidence: q.Evidence.Facts().Proto(), Class: string(q.Result.Class), Fingerprint: q.Result.Fingerprint,
		SameFailures: int32(q.SameFailures), Attempt: int32(q.Attempt.Number), Setting: q.Result.Setting, Owner: q.Owner,
	})
	if err != nil {
		return record.Recommendation{}, errs.FromStatus(err)
	}
	return Recommendation(answer), nil
}

// Recommendation reads a recommendation off the wire. It says what it was asked;
// the configurations of that are the failure's, which Whole puts back.
func Recommendation(p *redrivev1.Recommendation) record.Recommendation {
	return record.Recommendation{Outcome: record.Outcome(p.GetOutcome()), Operations: OperationsFromProto(p.GetOperations()), Answer: lean(p)}
}

// Answer is the recommendation that r was read from. It must not be changed.
func Answer(r record.Recommendation) *redrivev1.Recommendation {
	p, _ := r.Answer.(*redrivev1.Recommendation)
	return p
}

// Patcher asks the config service.
type Patcher struct{ client redrivev1.ConfigServiceClient }

// NewPatcher returns the patcher behind client.
func NewPatcher(client redrivev1.ConfigServiceClient) Patcher { return Patcher{client} }

// CreatePatch implements record.Patcher: the patch is for the job's remaining
// attempts.
func (p Patcher) CreatePatch(ctx context.Context, f record.Failure) (string, error) {
	made, err := p.client.CreatePatch(ctx, &redrivev1.CreatePatchRequest{
		Patch: &redrivev1.Patch{
			Scope: &redrivev1.PatchScope{Job: f.Attempt.JobName()}, Type: f.Type.Proto(), Operations: Operations(f.Operations()),
			Failure: FailureName(f.ID()), Reason: f.Result.Summary,
		},
		RequestId: f.ID(),
	})
	if err != nil {
		return "", errs.FromStatus(err)
	}
	return made.GetName(), nil
}
