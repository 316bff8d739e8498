package runner

import (
	"context"

	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// What a job goes through is a chain of traces: each transition leaves its trace
// context in the job, and what comes next begins a trace that links to it.

// nextSpan begins a span that links to what the job went through last.
func nextSpan(ctx context.Context, name string, j job.Job, how trace.How) (context.Context, trace.Span) {
	if !trace.On() {
		return ctx, trace.Span{}
	}
	how.Link, how.Root = j.Trace, true
	ctx, span := trace.Begin(ctx, name, how)
	span.Set(trace.Text("redrive.job", j.Name()), trace.Text("redrive.workflow", j.Type.Workflow), trace.Text("redrive.step", j.Type.Step), trace.Text("redrive.engine", j.Type.Engine))
	return ctx, span
}

// starting begins the span of a start: of asking for the configuration and of
// putting the job to run, not of the process.
func starting(ctx context.Context, j job.Job) (context.Context, trace.Span) {
	return nextSpan(ctx, "start", j, trace.How{})
}

// attempting begins the span of an attempt, from its start on: also where a
// process before this one started it.
func attempting(ctx context.Context, j job.Job, a job.Attempt) (context.Context, trace.Span) {
	ctx, span := nextSpan(ctx, "attempt", j, trace.How{Time: a.Start})
	span.Set(trace.Number("redrive.attempt", a.Number))
	return ctx, span
}

// tellEnd says on the span of an attempt how it ended.
func tellEnd(ctx context.Context, e job.Ended) {
	span := trace.Current(ctx)
	outcome := succeeded
	if !e.Succeeded {
		outcome = failed
		span.Fail()
	}
	span.Set(trace.Text("redrive.outcome", outcome), trace.Text("redrive.termination_reason", e.Evidence.Reason.String()))
}

const succeeded, failed = "succeeded", "failed"

// deciding begins the span of a decision: below what asked for it, or, where
// nobody did, as the next of the job.
func deciding(ctx context.Context, c Classified) (context.Context, trace.Span) {
	if !trace.On() {
		return ctx, trace.Span{}
	}
	var span trace.Span
	if trace.Parent(ctx) == "" {
		ctx, span = nextSpan(ctx, "decide", c.Report.Job, trace.How{})
	} else {
		ctx, span = trace.Start(ctx, "decide")
	}
	span.Set(trace.Text("redrive.job", c.Report.Ref.JobName()), trace.Number("redrive.attempt", c.Report.Ref.Number), trace.Text("redrive.class", string(c.Verdict.Class)))
	return ctx, span
}

// tellDecision says what was decided.
func tellDecision(span trace.Span, d policy.Decision) {
	span.Set(trace.Text("redrive.action", [...]string{"none", "retry", "retry_with_config", "stop"}[d.Action]))
	if d.Inputs.Verdict.Degraded {
		span.Set(trace.Text("redrive.degraded", "true"))
	}
}
