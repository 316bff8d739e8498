package finalize_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func TestSpokenIsTheLineThatTheSummaryQuotes(t *testing.T) {
	long := "ERROR " + strings.Repeat("é", 400)
	for name, tc := range map[string]struct {
		log, want string
		bare      bool
	}{
		"one line":          {"ERROR gone", "ERROR gone", false},
		"among others":      {"a\nb\nc\nd\ne\nf\n  ERROR gone \t\ng", "  ERROR gone", false},
		"a line of 300":     {"x\nERROR " + strings.Repeat("y", 300), "ERROR " + strings.Repeat("y", 300), false},
		"a very long line":  {"x\n" + long, long[:496] + "…", false},
		"no log":            {"", "exit code 3", true},
		"no word of errors": {"one\ntwo", "two", false},
	} {
		in := rule.Input{ExitCode: new(3)}
		if tc.log != "" {
			in.Texts = []rule.Text{{Source: "stderr", Text: tc.log, FirstLine: 1}}
		}
		line, bare, ok := finalize.Finalize(nil, in).Spoken()
		if line != tc.want || bare != tc.bare || !ok {
			t.Errorf("%s: Spoken = %q, %v, %v, want %q, %v", name, line, bare, ok, tc.want, tc.bare)
		}
	}
	if _, _, ok := (finalize.Result{Class: failure.CodeBug, Summary: "No rule knows this failure. Its last error line: x"}).Spoken(); ok {
		t.Error("a failure that a rule knows speaks for itself")
	}
}
