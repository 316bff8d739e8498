package classifier

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
)

// Whom the classifier asks, as the label "to".
const (
	toRecommender = "recommender"
	toConfig      = "configsvc"
)

// askedRecommender counts what came of asking.
type askedRecommender struct {
	record.Recommender
	calls *prometheus.CounterVec
}

// Recommend implements record.Recommender.
func (a askedRecommender) Recommend(ctx context.Context, q record.Question) (record.Recommendation, error) {
	ctx, span := trace.Start(ctx, "recommend")
	span.Set(about(q.Failure)...)
	r, err := a.Recommender.Recommend(ctx, q)
	span.End(err)
	a.calls.WithLabelValues(toRecommender, outcomeOf(err)).Inc()
	return r, err
}

// askedPatcher counts what came of asking.
type askedPatcher struct {
	record.Patcher
	calls *prometheus.CounterVec
}

// CreatePatch implements record.Patcher.
func (a askedPatcher) CreatePatch(ctx context.Context, f record.Failure) (string, error) {
	ctx, span := trace.Start(ctx, "patch")
	span.Set(about(f)...)
	name, err := a.Patcher.CreatePatch(ctx, f)
	span.Set(trace.Text("redrive.patch", name))
	span.End(err)
	a.calls.WithLabelValues(toConfig, outcomeOf(err)).Inc()
	return name, err
}

// about is what a span says of a failure.
func about(f record.Failure) []trace.Attr {
	if !trace.On() {
		return nil
	}
	return []trace.Attr{
		trace.Text("redrive.job", f.Attempt.JobName()), trace.Number("redrive.attempt", f.Attempt.Number),
		trace.Text("redrive.failure", f.ID()), trace.Text("redrive.class", string(f.Result.Class)),
	}
}

// outcomeOf is the label: what was refused is not asked again, all else is.
func outcomeOf(err error) string {
	switch errs.KindOf(err) {
	case errs.None:
		return "ok"
	case errs.Invalid, errs.FailedPrecondition, errs.NotFound, errs.AlreadyExists:
		return "refused"
	}
	return "failed"
}
