// Package events translates the events that the scheduler listens to: what other
// schedulers report of their attempts, and classified failures.
package events

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

// Handler hands events to the runner.
type Handler struct{ runner *runner.Runner }

// New returns a handler.
func New(r *runner.Runner) *Handler { return &Handler{r} }

// Run listens until ctx is done.
func (h *Handler) Run(ctx context.Context, b *bus.Bus) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.Consume(ctx, bus.SchedulerReports, h.Report) })
	group.Go(func() error { return b.Consume(ctx, bus.SchedulerVerdicts, h.Verdict) })
	return group.Wait()
}

// Report handles attempt.failed and attempt.succeeded of other schedulers. Each
// speaks of its own attempts alone.
func (h *Handler) Report(ctx context.Context, e bus.Event) error {
	var m redrivev1.AttemptFailed
	succeeded := e.Type == bus.AttemptSucceeded
	if succeeded {
		var s redrivev1.AttemptSucceeded
		if err := e.Decode(&s); err != nil {
			return err
		}
		m.Attempt, m.Type, m.Config, m.AttemptConfig, m.Evidence = s.GetAttempt(), s.GetType(), s.GetConfig(), s.GetAttemptConfig(), s.GetEvidence()
	} else if err := e.Decode(&m); err != nil {
		return err
	}
	if m.GetAttempt().GetSource() != e.Source {
		return errs.Field("attempt.source", "is %q, but the event's ce-source is %q; they must be the same", m.GetAttempt().GetSource(), e.Source)
	}
	if err := errs.Fields(wire.CheckJSON("config", m.GetConfig()), wire.CheckJSON("attempt_config", m.GetAttemptConfig())); err != nil {
		return err
	}
	r := runner.Report{
		Ref: failure.AttemptFromProto(m.GetAttempt()), Original: wire.Map(m.GetConfig()), Config: wire.Map(m.GetAttemptConfig()),
		Job: job.Job{
			Type: failure.TypeFromProto(m.GetType()), Overrides: wire.FromOverrides(m.GetRetryPolicy()),
			Labels: m.GetLabels(), Owner: m.GetOwner(),
		},
		Evidence: redact.Evidence(failure.FromProto(m.GetEvidence())), Succeeded: succeeded,
	}
	_, err := h.runner.Report(ctx, r)
	return err
}

// Verdict handles failure.classified.
func (h *Handler) Verdict(ctx context.Context, e bus.Event) error {
	var m redrivev1.FailureClassified
	if err := e.Decode(&m); err != nil {
		return err
	}
	f := m.GetFailure()
	r := runner.Report{
		Ref: failure.AttemptFromProto(f.GetAttempt()), Original: wire.Map(f.GetConfig()), Config: wire.Map(f.GetAttemptConfig()),
		Job: job.Job{
			Type: failure.TypeFromProto(f.GetType()), Overrides: wire.FromOverrides(f.GetRetryPolicy()),
			Labels: f.GetLabels(), Owner: f.GetOwner(),
		},
		Evidence: redact.Evidence(failure.FromProto(f.GetEvidence())), Told: true,
	}
	if err := validate(r, f); err != nil {
		return err
	}
	_, err := h.runner.Decide(ctx, runner.Classified{
		Report: r, Verdict: wire.Verdict(f), Summary: f.GetSummary(), Runbook: f.GetRunbook(), Excerpt: f.GetExcerpt(),
	})
	return err
}

// validate names what is wrong with a classified failure. A class that is not
// known here, of a newer classifier, is decided on like an unknown one.
func validate(r runner.Report, f *redrivev1.Failure) error {
	known := func(field string, names map[int32]string, value int32) error {
		if _, ok := names[value]; !ok || value == 0 {
			return errs.Field(field, "%d is none", value)
		}
		return nil
	}
	class := error(nil)
	if f.GetClass() == "" {
		class = errs.Field("failure.class", "is required")
	}
	return errs.Fields(
		r.Ref.Validate("failure.attempt"), job.ValidateOverrides("failure.retry_policy", r.Job.Overrides), class,
		known("failure.verdict", redrivev1.Verdict_name, int32(f.GetVerdict())),
		known("failure.category", redrivev1.Category_name, int32(f.GetCategory())),
	)
}
