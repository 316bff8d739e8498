// Package finalize turns the rules that matched into what is said about a
// failure. It is pure: the recorded matches and evidence give the same again.
package finalize

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/fingerprint"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Result is what is said about a failure before anything is recommended.
type Result struct {
	Class    failure.Class
	Category failure.Category
	Verdict  failure.Verdict
	Rule     string // the id of the winning rule, or empty
	Summary  string
	Runbook  string
	// RetryAfter is the delay that the rule or the failed service asked for;
	// 0 is none.
	RetryAfter time.Duration
	Remedy     []rule.Operation
	// Setting is the configuration key that the log names as too small: the
	// capture "setting" of the winning rule, or empty.
	Setting string
	// Dependency is what the failure is about outside of the job, as far as the
	// winning rule captured it.
	Dependency Dependency
	// Excerpt has the lines around the decisive one, at most 12 of at most 500
	// bytes.
	Excerpt     []string
	Fingerprint string
}

// unknownRunbook is what a human should do where no rule knows.
const unknownRunbook = "Read the excerpt and the logs. When the cause is clear, write a rule for it: docs/rules.md."

// Finalize decides: the first enforced match wins, or what it yields to, as
// decide says. Without one the failure is unknown, and speaks through the last
// line of its logs that looks like an error; lastError says which that is.
func Finalize(matches []rule.Match, in rule.Input) Result {
	if m := decide(matches); m != nil {
		return won(*m, in)
	}
	r := Result{Class: failure.Unknown, Category: failure.CategoryUnknown, Verdict: failure.VerdictUnknown, Runbook: unknownRunbook}
	p, ok := lastError(in)
	if !ok {
		r.Summary = emptyLogs + facts(in) + "."
		r.Fingerprint = fingerprint.Of(string(r.Class), nil, facts(in))
		return r
	}
	r.Summary = lastErrorLine + clip(strings.TrimSpace(p.line()), maxQuoted)
	r.Excerpt = p.excerpt("")
	r.Fingerprint = fingerprint.Of(string(r.Class), p.errorsBefore())
	return r
}

func won(m rule.Match, in rule.Input) Result {
	meaning, _ := failure.MeaningOf(m.Class)
	r := Result{
		Class: m.Class, Category: meaning.Category, Verdict: m.Verdict, Rule: m.Rule, Summary: m.Summary, Runbook: m.Runbook,
		RetryAfter: m.RetryAfter, Remedy: m.Remedy, Setting: setting(m),
		Dependency: dependencyOf(m),
	}
	if after, ok := retryAfter(m, in); ok {
		r.RetryAfter = after
	}
	if m.Line == 0 { // facts alone won
		if p, ok := lastError(in); ok {
			r.Excerpt = p.excerpt("")
		}
		r.Fingerprint = fingerprint.Of(string(m.Class), nil, facts(in))
		return r
	}
	if p, ok := find(m, in); ok {
		r.Excerpt = p.excerpt(m.Text)
	} else {
		r.Excerpt = []string{m.Text}
	}
	r.Fingerprint = fingerprint.Of(string(m.Class), []string{m.Text})
	return r
}

// maxSetting bounds the name of a configuration key, in bytes.
const maxSetting = 128

// setting returns what a rule captured as the name of a configuration key.
func setting(m rule.Match) string {
	if s := m.Captures["setting"]; len(s) <= maxSetting {
		return s
	}
	return ""
}

var retryAfterHeader = regexp.MustCompile(`(?i)\bretry-after["']?\s*[:=]\s*["']?(\d{1,9}(?:\.\d+)?)\b`)

// retryAfter looks for the last Retry-After header with seconds in it, where
// the class is one whose services send it and the rule captured no delay.
func retryAfter(m rule.Match, in rule.Input) (time.Duration, bool) {
	if _, captured := rule.Seconds(m.Captures["retry_after"]); captured || m.Class != failure.Throttling && m.Class != failure.DependencyUnavailable {
		return 0, false
	}
	last, found := "", false
	for _, t := range in.Texts {
		for _, header := range retryAfterHeader.FindAllStringSubmatch(t.Text, -1) {
			last, found = header[1], true
		}
	}
	if !found {
		return 0, false
	}
	return rule.Seconds(last)
}

// facts says how the attempt ended, without anything that differs from run to
// run.
func facts(in rule.Input) string {
	var all []string
	if in.Reason != failure.ReasonNone && in.Reason != failure.Exited && in.Reason != failure.Signaled {
		all = append(all, strings.ToLower(strings.ReplaceAll(in.Reason.String(), "_", " ")))
	}
	if in.ExitCode != nil {
		all = append(all, fmt.Sprintf("exit code %d", *in.ExitCode))
	}
	if in.Signal != 0 {
		all = append(all, fmt.Sprintf("signal %d", in.Signal))
	}
	if len(all) == 0 {
		return "nothing is known of its end"
	}
	return strings.Join(all, ", ")
}

// clip returns at most n bytes of s, whole characters only.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
