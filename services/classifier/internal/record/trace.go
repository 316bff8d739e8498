package record

import "github.com/redrive-io/redrive/pkg/trace"

// tellClass ends the span of a classification.
func tellClass(span trace.Span, f Failure) {
	if trace.On() {
		span.Set(
			trace.Text("redrive.job", f.Attempt.JobName()), trace.Number("redrive.attempt", f.Attempt.Number),
			trace.Text("redrive.class", string(f.Result.Class)), trace.Text("redrive.rule", f.Result.Rule),
		)
	}
	span.End(nil)
}
