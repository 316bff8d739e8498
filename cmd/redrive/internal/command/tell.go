package command

import (
	"fmt"
	"strings"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// tellFailure says what failed, and how it is classified.
func (a *app) tellFailure(f *redrivev1.Failure) {
	at := failure.AttemptFromProto(f.GetAttempt())
	a.title(f.GetName(), f.GetClass(), screen.Name(f.GetVerdict()))
	a.lines(fmt.Sprintf("%s, attempt %d of %s (%s), %s", at.JobName(), at.Number, typeName(f.GetType()), clean(f.GetType().GetEngine()), a.when(f.GetCreateTime())))
	if f.GetState() != redrivev1.Failure_STATE_FINAL {
		a.lines(a.out.Warn("It is being classified; this is what is known so far."))
	}
	if today := todayOf(a, f); today != "" {
		a.lines("By the rules of today: " + today)
	}
	a.heading("What happened")
	if f.GetSummary() != "" {
		a.lines(clean(f.GetSummary()))
	}
	a.lines(factsOf(f.GetEvidence()))
	if d := f.GetDependency(); d != nil {
		a.lines(fmt.Sprintf("It is about the %s %s: other jobs that need it may fail as well.", clean(d.GetKind()), a.out.Strong(clean(d.GetName()))))
	}
	a.excerpt(f.GetExcerpt())
	a.tellLogs(f)
	for _, w := range f.GetWarnings() {
		a.lines(a.out.Warn("warning: ") + clean(w))
	}
	if f.GetRunbook() != "" {
		a.heading("What a human can do")
		a.lines(clean(f.GetRunbook()))
	}
}

func (a *app) title(name, class, verdict string) {
	_, _ = fmt.Fprintf(a.stdout, "%s  %s  %s\n", a.out.Strong(name), a.out.Strong(clean(class)), verdict) // the next line tells
}

// excerpt writes lines of a log.
func (a *app) excerpt(lines []string) {
	for _, l := range lines {
		a.lines(a.out.Faint("│ ") + clean(l))
	}
}

// factsOf says how an attempt ended, on one line.
func factsOf(e *redrivev1.Evidence) string {
	parts := []string{screen.End(e)}
	add := func(ok bool, format string, args ...any) {
		if ok {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(e.GetDuration() != nil, "after %s", screen.Span(e.GetDuration().AsDuration()))
	add(e.GetPeakMemoryBytes() > 0, "peak memory %s", screen.Bytes(e.GetPeakMemoryBytes()))
	add(len(e.GetPartPeakBytes()) > 0, "sampled %s", clean(screen.Parts(e.GetPartPeakBytes())))
	add(e.GetMemoryLimitBytes() > 0 && e.GetTerminationReason() != redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, "limit %s", screen.Bytes(e.GetMemoryLimitBytes()))
	add(e.GetMemoryDriver() != "" && e.GetMemoryLimitBytes() > 0, "enforced by %s", clean(e.GetMemoryDriver()))
	add(e.GetNode() != "", "on %s", clean(e.GetNode()))
	text := strings.Join(parts, ", ")
	if proof := e.GetTerminationProof(); proof != "" && proof != parts[0] {
		text += " (" + clean(proof) + ")"
	}
	return text
}

// tellMatches says which rules matched, where, and which of them decided.
func (a *app) tellMatches(f *redrivev1.Failure) {
	a.heading("What matched")
	if len(f.GetMatches()) == 0 {
		a.lines("no rule: the failure is unclassified")
		return
	}
	for _, m := range f.GetMatches() {
		mark := " "
		switch {
		case m.GetRule() == f.GetRule():
			mark = a.out.Good("→")
		case m.GetMode() == redrivev1.Rule_MODE_SHADOW:
			mark = a.out.Faint("s")
		}
		a.lines(fmt.Sprintf("%s %s  %s  %s", mark, m.GetRule(), clean(m.GetClass()), a.out.Faint(screen.Name(m.GetVerdict()))))
		if place := matchPlace(m); place != "" {
			a.lines("    " + place)
		}
		if len(m.GetCaptures()) > 0 {
			a.lines("    " + a.out.Faint("captured ") + pairsOf(m.GetCaptures()))
		}
		if after := aftermathOf(m); after != "" {
			a.lines("    " + a.out.Faint(after))
		}
	}
	if len(f.GetMatches()) > 1 {
		a.lines(a.out.Faint("→ decided; the others matched as well, and come later, give way to it (docs/rules.md), or are in shadow (s)"))
	}
}

// matchPlace says where a rule matched: the line, or the facts.
func matchPlace(m *redrivev1.RuleMatch) string {
	if m.GetLine() == 0 {
		return "matched on the facts"
	}
	return strings.TrimPrefix(fmt.Sprintf("%s line %d: %s", clean(m.GetSource()), m.GetLine(), clean(m.GetText())), " ")
}

// aftermathOf says what the log says later of what a rule matched.
func aftermathOf(m *redrivev1.RuleMatch) string {
	switch m.GetAftermath() {
	case redrivev1.RuleMatch_AFTERMATH_RECOVERED:
		return fmt.Sprintf("came right by line %d: it does not count", m.GetAftermathLine())
	case redrivev1.RuleMatch_AFTERMATH_RETRIED:
		return fmt.Sprintf("was tried again by line %d: what failed later counts more", m.GetAftermathLine())
	}
	return ""
}

// tellDecision says what was decided and why.
func (a *app) tellDecision(d *redrivev1.Decision) {
	a.heading("What was decided")
	if d == nil {
		a.lines("nothing yet")
		return
	}
	a.lines(a.out.Decision(d))
	if d.GetDegraded() {
		a.lines(a.out.Warn("No verdict came in time: the plain policy decided."))
	}
	switch d.GetAttention() {
	case redrivev1.Decision_ATTENTION_BEFORE_CAP:
		a.lines(a.out.Warn("A human was told: whoever acts now can still save it."))
	case redrivev1.Decision_ATTENTION_PERMANENT:
		a.lines(a.out.Bad("A human was told: no retry follows by itself."))
	}
	a.lines(a.out.Faint("decided " + a.when(d.GetCreateTime()) + ", " + d.GetName()))
}
