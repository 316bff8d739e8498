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
		ok        bool
	}{
		"one line":          {"ERROR gone", "ERROR gone", true},
		"among others":      {"a\nb\nc\nd\ne\nf\n  ERROR gone \t\ng", "  ERROR gone", true},
		"a line of 300":     {"x\nERROR " + strings.Repeat("y", 300), "ERROR " + strings.Repeat("y", 300), true},
		"a very long line":  {"x\n" + long, long[:496] + "…", true},
		"no log":            {"", "", false},
		"no word of errors": {"one\ntwo", "two", true},
	} {
		in := rule.Input{}
		if tc.log != "" {
			in.Texts = []rule.Text{{Source: "stderr", Text: tc.log, FirstLine: 1}}
		}
		line, ok := finalize.Finalize(nil, in).Spoken()
		if line != tc.want || ok != tc.ok {
			t.Errorf("%s: Spoken = %q, %v, want %q, %v", name, line, ok, tc.want, tc.ok)
		}
	}
	if _, ok := (finalize.Result{Class: failure.CodeBug, Summary: "No rule knows this failure. Its last error line: x"}).Spoken(); ok {
		t.Error("a failure that a rule knows speaks for itself")
	}
}
