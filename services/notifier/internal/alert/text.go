package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// describe fills in everything that a human reads.
func (a *Alert) describe(ep Episode) {
	a.WillRetry, a.NextRetry = false, time.Time{}
	a.Attempt, a.Class, a.Failure, a.Excerpt, a.Runbook = 0, failure.Unknown, "", nil, ""
	a.Source, a.Type, a.Owner = "", failure.Type{}, ""
	if s := ep.Stop; s != nil {
		a.Source, a.Type = s.Source, s.Type
	}
	if f := ep.Last; f != nil {
		a.Source, a.Type, a.Owner = f.Source, f.Type, f.Owner
		a.Attempt, a.Class, a.Failure, a.Excerpt, a.Runbook = f.Attempt, f.Class, f.Name, f.Excerpt, f.Runbook
		if ep.End == nil && ep.Stop == nil && !f.Stopped {
			a.WillRetry, a.NextRetry = true, f.NextRetry
		}
	}
	a.Summary = line(summary(*a, ep), MaxSummary)
	a.Action = Cut(action(*a, ep), MaxText)
	a.SafeToRetry = safeToRetry(*a, ep)
}

func summary(a Alert, ep Episode) string {
	if a.Job == Models {
		return modelSummary(ep)
	}
	step := a.Type.Workflow + "/" + a.Type.Step
	if ep.Last == nil {
		reason := "the job stopped"
		if ep.Stop != nil && ep.Stop.Reason != "" {
			reason = ep.Stop.Reason
		}
		return fmt.Sprintf("%s: stopped without a failed attempt: %s", step, reason)
	}
	what := ep.Last.Summary
	if what == "" {
		what = "attempt failed"
	}
	return fmt.Sprintf("%s: attempt %d failed (%s): %s", step, a.Attempt, a.Class, what)
}

// action says what Redrive did and will do.
func action(a Alert, ep Episode) string {
	if a.Job == Models {
		return modelAction(ep)
	}
	var b strings.Builder
	switch f := ep.Last; {
	case ep.Stop != nil:
		fmt.Fprintf(&b, "Stopped: %s.", sentence(ep.Stop.Reason))
	case f == nil:
		b.WriteString("Stopped.")
	case f.Stopped:
		fmt.Fprintf(&b, "Stopped: %s.", sentence(f.Reason))
	default:
		fmt.Fprintf(&b, "Decided: %s.", sentence(f.Reason))
	}
	if f := ep.Last; f != nil && f.Patch != "" {
		fmt.Fprintf(&b, " The configuration change is %s.", f.Patch)
	}
	switch {
	case ep.End != nil:
		b.WriteString(" " + over(*ep.End))
	case !a.WillRetry:
		fmt.Fprintf(&b, " Nothing more happens by itself. Once it is mended: redrive retry %s", strings.TrimPrefix(a.Job, "jobs/"))
	case !a.NextRetry.IsZero():
		fmt.Fprintf(&b, " Attempt %d starts at %s.", a.Attempt+1, a.NextRetry.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintf(&b, " Attempt %d follows.", a.Attempt+1)
	}
	return b.String()
}

func over(e End) string {
	switch e.Cause {
	case Recovered:
		return fmt.Sprintf("Recovered: attempt %d succeeded.", e.Point.Attempt)
	case Cancelled:
		return "The job was cancelled."
	case ByHand:
		return fmt.Sprintf("Resolved by %s.", Person(e.By))
	case Expired:
		return "Closed: nothing was heard of the job for long."
	}
	return "It is over."
}

// sentence prepares a reason for a full stop behind it.
func sentence(reason string) string {
	reason = strings.TrimRight(strings.TrimSpace(reason), ".")
	if reason == "" {
		return "no reason is on record"
	}
	return reason
}

// safeToRetry says what is known of the harm that another start by hand can do,
// and what is not known.
func safeToRetry(a Alert, ep Episode) string {
	var b strings.Builder
	switch {
	case a.Job == Models:
		return modelRetry
	case ep.End != nil && ep.End.Cause == Recovered:
		return "No retry is needed: the job succeeded."
	case a.Source == failure.Own || a.Source == "":
		b.WriteString("redrive retry never starts an attempt while another one runs. ")
	default:
		fmt.Fprintf(&b, "The scheduler %s runs the attempts: make sure there that none runs. ", a.Source)
	}
	if a.WillRetry {
		b.WriteString("A retry is planned already: a start by hand outside of it would run the job twice. ")
	} else if f := ep.Last; f != nil && f.Verdict == failure.DoNotRetry {
		fmt.Fprintf(&b, "Unchanged it fails again: %s does not pass by itself. ", f.Class)
	}
	b.WriteString("Whether the job's own writes can be repeated is not known to Redrive.")
	return b.String()
}
