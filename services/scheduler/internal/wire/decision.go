package wire

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// Decision writes a decision; name is "jobs/{job}/decisions/{attempt}".
func Decision(name string, d policy.Decision) *redrivev1.Decision {
	in := d.Inputs
	p := &redrivev1.Decision{
		Name: name, Job: "jobs/" + d.Job, Attempt: int32(d.Attempt),
		Action: redrivev1.Decision_Action(d.Action), DueTime: wellknown.Timestamp(d.Due), Reason: d.Reason,
		Attention: redrivev1.Decision_Attention(d.Attention), Degraded: in.Verdict.Degraded,
		RetriesUsed: int32(d.RetriesUsed), RetryLimit: int32(d.RetryLimit), CreateTime: wellknown.Timestamp(d.Created),
	}
	p.Inputs = &redrivev1.DecisionInputs{
		Now: wellknown.Timestamp(in.Now), Failure: in.Verdict.Failure, Class: string(in.Verdict.Class),
		Category: redrivev1.Category(in.Verdict.Category), Verdict: redrivev1.Verdict(in.Verdict.Verdict),
		Patch: in.Verdict.Patch, NotFeasible: in.Verdict.NotFeasible, NotFeasibleReason: in.Verdict.NotFeasibleReason,
		RetryAfter: wellknown.Duration(in.Verdict.RetryAfter), Seed: in.Seed, FailuresByClass: counts(in.FailuresByClass),
		ConsecutiveFailures: int32(in.Consecutive), RetryPolicy: Overrides(in.Overrides), JobCreateTime: wellknown.Timestamp(in.BudgetStart),
		CancelRequested: in.Cancelled, Degraded: in.Verdict.Degraded,
		ClassPolicy: &redrivev1.ClassPolicy{
			Retries: int32(in.Class.Retries), BaseDelay: wellknown.Duration(in.Class.BaseDelay), Factor: in.Class.Factor, AlertAfter: int32(in.Class.AlertAfter),
		},
	}
	return p
}

// FromDecision reads a decision off the store.
func FromDecision(p *redrivev1.Decision) policy.Decision {
	in := p.GetInputs()
	return policy.Decision{
		Job: strings.TrimPrefix(p.GetJob(), "jobs/"), Attempt: int(p.GetAttempt()), Action: policy.Action(p.GetAction()),
		Due: wellknown.Time(p.GetDueTime()), Reason: p.GetReason(), Attention: policy.Attention(p.GetAttention()),
		RetriesUsed: int(p.GetRetriesUsed()), RetryLimit: int(p.GetRetryLimit()), Created: wellknown.Time(p.GetCreateTime()),
		Inputs: policy.Inputs{
			Now: wellknown.Time(in.GetNow()),
			Verdict: policy.Verdict{
				Failure: in.GetFailure(), Class: failure.Class(in.GetClass()), Category: failure.Category(in.GetCategory()),
				Verdict: failure.Verdict(in.GetVerdict()), Patch: in.GetPatch(), NotFeasible: in.GetNotFeasible(),
				NotFeasibleReason: in.GetNotFeasibleReason(), RetryAfter: in.GetRetryAfter().AsDuration(), Degraded: in.GetDegraded(),
			},
			Class: policy.Class{
				Retries: int(in.GetClassPolicy().GetRetries()), BaseDelay: in.GetClassPolicy().GetBaseDelay().AsDuration(),
				Factor: in.GetClassPolicy().GetFactor(), AlertAfter: int(in.GetClassPolicy().GetAlertAfter()),
			},
			FailuresByClass: classCounts(in.GetFailuresByClass()), Consecutive: int(in.GetConsecutiveFailures()),
			Overrides: FromOverrides(in.GetRetryPolicy()), BudgetStart: wellknown.Time(in.GetJobCreateTime()),
			Seed: in.GetSeed(), Cancelled: in.GetCancelRequested(),
		},
	}
}

// Verdict reads what the classifier said of a failure.
func Verdict(f *redrivev1.Failure) policy.Verdict {
	v := policy.Verdict{
		Failure: f.GetName(), Class: failure.Class(f.GetClass()), Category: failure.Category(f.GetCategory()),
		Verdict: failure.Verdict(f.GetVerdict()), Patch: f.GetPatch(), RetryAfter: f.GetRetryAfter().AsDuration(),
	}
	if r := f.GetRecommendation(); r.GetOutcome() == redrivev1.Recommendation_OUTCOME_NOT_FEASIBLE {
		v.NotFeasible, v.NotFeasibleReason = true, r.GetReason()
	}
	return v
}
