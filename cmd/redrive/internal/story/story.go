// Package story tells the life of a job to people, as it happens.
package story

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// Teller turns the states of one job into lines, each told once. States may be
// left out: what happened in between is told from the record.
type Teller struct {
	// Scheduler and Classifier are asked for decisions and failures.
	Scheduler  redrivev1.SchedulerServiceClient
	Classifier redrivev1.ClassifierServiceClient
	Style      screen.Style

	started, ended, decided int32 // the last attempt of which this was told
	over                    bool
}

// Skip leaves out what has happened to job until now.
func (t *Teller) Skip(job *redrivev1.Job) {
	for _, at := range job.GetAttempts() {
		t.started = at.GetNumber()
		if at.GetEndTime() != nil {
			t.ended = at.GetNumber()
		}
		if at.GetDecision() != "" {
			t.decided = at.GetNumber()
		}
	}
	t.over = Ended(job)
}

// Tell returns what is new in job since the last call. An error is a record
// that could not be read; the lines are good without it, and the next call asks
// again.
func (t *Teller) Tell(ctx context.Context, job *redrivev1.Job) (lines []string, err error) {
	for i, at := range job.GetAttempts() {
		var before *redrivev1.Attempt
		if i > 0 {
			before = job.GetAttempts()[i-1]
		}
		lines = append(lines, t.start(at, before)...)
		lines = append(lines, t.end(at)...)
		if at.GetDecision() == "" || at.GetNumber() <= t.decided {
			continue
		}
		why, err := t.why(ctx, at)
		if err != nil {
			return lines, err
		}
		lines = append(lines, why...)
		t.decided = at.GetNumber()
	}
	return append(lines, t.finish(job)...), nil
}

func (t *Teller) start(at, before *redrivev1.Attempt) []string {
	if at.GetNumber() <= t.started {
		return nil
	}
	t.started = at.GetNumber()
	line := t.attempt(at) + " starts"
	if before == nil {
		if config := screen.Config(at.GetConfig()); config != "" {
			line += " with " + config
		}
		return t.skipped([]string{line}, at)
	}
	for i, c := range screen.Changes(before.GetConfig(), at.GetConfig()) {
		line += map[bool]string{true: " with ", false: ", "}[i == 0] + t.Style.Good(c.String())
	}
	return t.skipped([]string{line}, at)
}

// skipped adds why patches did not apply.
func (t *Teller) skipped(lines []string, at *redrivev1.Attempt) []string {
	for _, s := range at.GetSkippedPatches() {
		lines = append(lines, indent+t.Style.Faint(fmt.Sprintf("%s was not applied: %s", s.GetPatch(), screen.Clean(s.GetReason()))))
	}
	return lines
}

// indent is below the name of an attempt.
const indent = "           "

func (t *Teller) attempt(at *redrivev1.Attempt) string {
	return t.Style.Strong(fmt.Sprintf("%-*s", len(indent)-1, fmt.Sprintf("attempt %d", at.GetNumber())))
}

func (t *Teller) end(at *redrivev1.Attempt) []string {
	if at.GetEndTime() == nil || at.GetNumber() <= t.ended {
		return nil
	}
	t.ended = at.GetNumber()
	took := screen.Took(at)
	peak := ""
	if e := at.GetEvidence(); e.GetPeakMemoryBytes() > 0 {
		peak = ", peak memory " + screen.Bytes(e.GetPeakMemoryBytes())
	}
	if parts := screen.Parts(at.GetEvidence().GetPartPeakBytes()); parts != "" {
		peak += ", sampled " + parts
	}
	if at.GetSucceeded() {
		return []string{t.attempt(at) + t.Style.Good(" succeeds") + " after " + took + peak}
	}
	end := screen.End(at.GetEvidence())
	if e := at.GetEvidence(); e.GetTerminationReason() == redrivev1.TerminationReason_TERMINATION_REASON_NOT_STARTED && e.GetTerminationProof() != "" {
		end = screen.Clean(e.GetTerminationProof()) // no log says it
	}
	return []string{t.attempt(at) + t.Style.Bad(" fails") + " after " + took + ": " + end + peak}
}

// why tells what the failure of an attempt means and what was decided.
func (t *Teller) why(ctx context.Context, at *redrivev1.Attempt) ([]string, error) {
	var lines []string
	if at.GetFailure() != "" {
		f, err := t.Classifier.GetFailure(ctx, &redrivev1.GetFailureRequest{Name: at.GetFailure()})
		switch {
		case err == nil:
			lines = append(lines, indent+t.class(f))
			if r := f.GetRecommendation(); r.GetReason() != "" {
				lines = append(lines, indent+screen.Clean(r.GetReason()))
			}
		case errs.KindOf(errs.FromStatus(err)) != errs.NotFound: // a degraded decision has no failure yet
			return nil, err
		}
	}
	d, err := t.Scheduler.GetDecision(ctx, &redrivev1.GetDecisionRequest{Name: at.GetDecision()})
	if err != nil {
		return nil, err
	}
	lines = append(lines, indent+t.Style.Decision(d))
	switch d.GetAttention() {
	case redrivev1.Decision_ATTENTION_BEFORE_CAP:
		lines = append(lines, indent+t.Style.Warn("a human is told: whoever acts now can still save it"))
	case redrivev1.Decision_ATTENTION_PERMANENT:
		lines = append(lines, indent+t.Style.Bad("a human is told: no retry follows by itself"))
	}
	return lines, nil
}

func (t *Teller) class(f *redrivev1.Failure) string {
	line := t.Style.Strong(screen.Clean(f.GetClass()))
	if f.GetSummary() != "" {
		line += ": " + screen.Clean(f.GetSummary())
	}
	if f.GetRule() != "" {
		line += t.Style.Faint(" (" + f.GetRule() + ")")
	}
	return line
}

func (t *Teller) finish(job *redrivev1.Job) []string {
	if !Ended(job) {
		t.over = false // a human may have put it back to work
		return nil
	}
	if t.over {
		return nil
	}
	t.over = true
	n := len(job.GetAttempts())
	line := fmt.Sprintf("%s %s after %d %s", job.GetName(), t.Style.State(job.GetState()), n, map[bool]string{true: "attempt", false: "attempts"}[n == 1])
	if job.GetEndTime() != nil {
		line += " and " + screen.Span(job.GetEndTime().AsTime().Sub(job.GetCreateTime().AsTime()))
	}
	if job.GetState() != redrivev1.Job_STATE_SUCCEEDED && job.GetStateReason() != "" {
		line += ": " + screen.Clean(job.GetStateReason())
	}
	return []string{line}
}

// Ended reports whether nothing more happens to job by itself.
func Ended(job *redrivev1.Job) bool {
	switch job.GetState() {
	case redrivev1.Job_STATE_SUCCEEDED, redrivev1.Job_STATE_FAILED, redrivev1.Job_STATE_CANCELLED:
		return true
	default:
		return false
	}
}

// Status says on one line what job is at, such as how long until the next
// attempt; "" when it has ended.
func Status(job *redrivev1.Job, now time.Time) string {
	attempts := job.GetAttempts()
	switch job.GetState() {
	case redrivev1.Job_STATE_QUEUED, redrivev1.Job_STATE_WAITING:
		next := fmt.Sprintf("attempt %d", len(attempts)+1)
		if left := job.GetDueTime().AsTime().Sub(now); job.GetDueTime() != nil && left > 0 {
			return next + " starts in " + screen.Span(left.Round(time.Second))
		}
		return next + " is about to start"
	case redrivev1.Job_STATE_RUNNING:
		if len(attempts) == 0 {
			return "running"
		}
		last := attempts[len(attempts)-1]
		return fmt.Sprintf("attempt %d has been running for %s", last.GetNumber(), screen.Span(now.Sub(last.GetStartTime().AsTime()).Round(time.Second)))
	case redrivev1.Job_STATE_CLASSIFYING:
		return "finding out why it failed"
	default:
		return ""
	}
}
