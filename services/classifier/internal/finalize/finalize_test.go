package finalize_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func input(source, text string) rule.Input {
	return rule.Input{Texts: []rule.Text{{Source: source, Text: text, FirstLine: 1}}}
}

func match(class failure.Class, line int, text string) rule.Match {
	m, _ := failure.MeaningOf(class)
	return rule.Match{
		Rule: "r-" + strings.ReplaceAll(string(class), ".", "-"), Mode: rule.Enforce, Class: class, Verdict: m.Verdict,
		Source: "stderr", Line: line, Text: text, Summary: "it is " + string(class), Runbook: "do it", Captures: map[string]string{},
	}
}

func TestTheFirstEnforcedMatchWins(t *testing.T) {
	shadow := match(failure.DiskFull, 1, "a")
	shadow.Mode = rule.Shadow
	got := finalize.Finalize([]rule.Match{shadow, match(failure.MemoryDriver, 2, "b"), match(failure.CodeBug, 1, "a")}, input("stderr", "a\nb\nc"))
	if got.Class != failure.MemoryDriver || got.Category != failure.CategoryMemory || got.Verdict != failure.RetryWithConfig ||
		got.Rule != "r-memory-driver" || got.Summary != "it is memory.driver" || got.Runbook != "do it" || !reflect.DeepEqual(got.Excerpt, []string{"a", "b", "c"}) {
		t.Errorf("Finalize = %+v", got)
	}
}

func TestAVerdictOfTheRuleWins(t *testing.T) {
	m := match(failure.Permission, 1, "a")
	m.Verdict = failure.DoNotRetry
	if got := finalize.Finalize([]rule.Match{m}, input("stderr", "a")); got.Verdict != failure.DoNotRetry || got.Category != failure.CategoryUser {
		t.Errorf("Finalize = %+v, want DO_NOT_RETRY of the user", got)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		class      failure.Class
		rule       time.Duration
		capture    string
		want       time.Duration
	}{
		{"header", "429\nRetry-After: 30\n", failure.Throttling, 0, "", 30 * time.Second},
		{"header in JSON, last one", `"retry-after": "5"` + "\n" + `"Retry-After":"7.5"`, failure.DependencyUnavailable, 0, "", 7500 * time.Millisecond},
		{"header of another class", "Retry-After: 30", failure.CodeBug, 0, "", 0},
		{"header wins over the rule", "Retry-After: 30", failure.Throttling, time.Minute, "", 30 * time.Second},
		{"capture wins over the header", "Retry-After: 30", failure.Throttling, 9 * time.Second, "9", 9 * time.Second},
		{"rule alone", "slow down", failure.Throttling, time.Minute, "", time.Minute},
		{"a date is not read", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", failure.Throttling, time.Minute, "", time.Minute},
		{"at most a day", "Retry-After: 999999999", failure.Throttling, 0, "", 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := match(tc.class, 1, "")
			m.RetryAfter, m.Captures["retry_after"] = tc.rule, tc.capture
			if got := finalize.Finalize([]rule.Match{m}, input("stderr", tc.text)).RetryAfter; got != tc.want {
				t.Errorf("RetryAfter = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestUnknownSpeaksThroughItsLastError(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"error before the last line", "start\nERROR cannot frobnicate\nINFO bye", "ERROR cannot frobnicate"},
		{"last of several", "ERROR one\nERROR two\n", "ERROR two"},
		{"exception of Python", "Traceback (most recent call last):\n  File \"x.py\", line 2, in f\n    raise FrobError(1)\nFrobError: no frob\n", "FrobError: no frob"},
		{"stack of Java", "Exception in thread \"main\" x.FrobException: no frob\n\tat x.Error.y(E.java:3)\n\t... 3 more\n", "Exception in thread \"main\" x.FrobException: no frob"},
		{"a named error beats a later word", "FATAL: no frob\nsaving failed\n", "FATAL: no frob"},
		{"a word", "it failed here\nbye\n", "it failed here"},
		{"none of zero", "3 tests, 0 errors\nthe end\n\n", "the end"},
		{"nothing but a line", "hm\n", "hm"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := finalize.Finalize(nil, input("stderr", tc.text))
			if got.Class != failure.Unknown || got.Verdict != failure.VerdictUnknown || got.Rule != "" || !strings.HasSuffix(got.Summary, ": "+tc.want) || got.Fingerprint == "" {
				t.Errorf("Finalize = %+v, want the line %q", got, tc.want)
			}
		})
	}
}

func TestLogsAreAskedInOrder(t *testing.T) {
	in := rule.Input{Texts: []rule.Text{
		{Source: "stdout", Text: "ERROR out", FirstLine: 1}, {Source: "stderr", Text: "ERROR head", FirstLine: 1}, {Source: "stderr", Text: "ERROR tail", FirstLine: 2, Tail: true},
	}}
	if got := finalize.Finalize(nil, in); !strings.HasSuffix(got.Summary, "ERROR tail") {
		t.Errorf("summary = %q, want the tail of stderr", got.Summary)
	}
	in.Texts = in.Texts[:1]
	if got := finalize.Finalize(nil, in); !strings.HasSuffix(got.Summary, "ERROR out") {
		t.Errorf("summary = %q, want stdout", got.Summary)
	}
}

func TestNoLogsAtAll(t *testing.T) {
	three := 3
	got := finalize.Finalize(nil, rule.Input{ExitCode: &three, Reason: failure.Exited})
	if !strings.Contains(got.Summary, "exit code 3") || len(got.Excerpt) != 0 {
		t.Errorf("Finalize = %+v, want the exit code in the summary", got)
	}
	other := finalize.Finalize(nil, rule.Input{Signal: 9, Reason: failure.Signaled})
	if other.Fingerprint == got.Fingerprint {
		t.Error("exit code 3 and signal 9 have one fingerprint")
	}
}

func TestExcerptIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "line %d %s\r\n", i+1, strings.Repeat("é", 400))
	}
	got := finalize.Finalize([]rule.Match{match(failure.CodeBug, 20, "line 20")}, input("stderr", b.String())).Excerpt
	if len(got) != 12 || got[5] != "line 20" || !strings.HasPrefix(got[0], "line 15 ") || !strings.HasPrefix(got[11], "line 26 ") {
		t.Errorf("excerpt has %d lines from %.10q, want 12 from line 15", len(got), got[0])
	}
	for _, line := range got {
		if len(line) > 500 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
}

func TestTheMatchedLineIsFoundInItsOwnText(t *testing.T) {
	in := rule.Input{Texts: []rule.Text{{Source: "stderr", Text: "a\nb", FirstLine: 1}, {Source: "stderr", Text: "c\nd", FirstLine: 3, Tail: true}}}
	m := match(failure.CodeBug, 4, "d")
	m.Tail = true
	if got := finalize.Finalize([]rule.Match{m}, in).Excerpt; !reflect.DeepEqual(got, []string{"c", "d"}) {
		t.Errorf("excerpt = %q, want the lines of the tail", got)
	}
	m.Line = 99
	if got := finalize.Finalize([]rule.Match{m}, in).Excerpt; !reflect.DeepEqual(got, []string{"d"}) {
		t.Errorf("excerpt = %q, want the recorded text alone", got)
	}
}

func TestACaptureNamesTheSetting(t *testing.T) {
	m := match(failure.MemoryDriver, 1, "a")
	for given, want := range map[string]string{"spark.driver.maxResultSize": "spark.driver.maxResultSize", strings.Repeat("x", 129): "", "": ""} {
		m.Captures = map[string]string{"setting": given}
		if got := finalize.Finalize([]rule.Match{m}, input("stderr", "a")).Setting; got != want {
			t.Errorf("setting = %q, want %q", got, want)
		}
	}
}

func TestTheSameFailureOfAnotherRunHasTheSameFingerprint(t *testing.T) {
	a := finalize.Finalize(nil, input("stderr", "2026-01-01 10:00:00 start 1\n2026-01-01 10:00:09 ERROR task 17 of \"a\" died\nbye\n"))
	b := finalize.Finalize(nil, input("stderr", "2026-02-02 11:00:00 start 2\n2026-02-02 11:00:07 ERROR task 18 of \"b\" died\nbye\n"))
	if a.Fingerprint != b.Fingerprint {
		t.Errorf("fingerprints %s and %s differ", a.Fingerprint, b.Fingerprint)
	}
}

func FuzzFinalize(f *testing.F) {
	f.Add("ERROR x\n\ny", 2, "x")
	f.Add("\xff\r\n\r", -1, "")
	f.Fuzz(func(t *testing.T, text string, line int, part string) {
		in := input("stderr", text)
		for _, matches := range [][]rule.Match{nil, {match(failure.Throttling, line, part)}} {
			a, b := finalize.Finalize(matches, in), finalize.Finalize(matches, in)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("not the same twice: %+v and %+v", a, b)
			}
			if len(a.Excerpt) > 12 || len(a.Summary) > 500 || len(a.Fingerprint) != 24 {
				t.Errorf("Finalize = %+v is out of bounds", a)
			}
		}
	})
}
