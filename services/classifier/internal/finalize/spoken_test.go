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
		cut, ok   bool
	}{
		"one line":          {"ERROR gone", "ERROR gone", false, true},
		"among others":      {"a\nb\nc\nd\ne\nf\n  ERROR gone \t\ng", "  ERROR gone", false, true},
		"a line of 300":     {"x\nERROR " + strings.Repeat("y", 300), "ERROR " + strings.Repeat("y", 300), false, true},
		"a very long line":  {"x\n" + long, long[:496], true, true},
		"no log":            {"", "", false, false},
		"no word of errors": {"one\ntwo", "two", false, true},
	} {
		in := rule.Input{}
		if tc.log != "" {
			in.Texts = []rule.Text{{Source: "stderr", Text: tc.log, FirstLine: 1}}
		}
		line, cut, ok := finalize.Finalize(nil, in).Spoken()
		if line != tc.want || cut != tc.cut || ok != tc.ok {
			t.Errorf("%s: Spoken = %q, %v, %v, want %q, %v, %v", name, line, cut, ok, tc.want, tc.cut, tc.ok)
		}
	}
	if _, _, ok := (finalize.Result{Class: failure.CodeBug, Summary: "No rule knows this failure. Its last error line: x"}).Spoken(); ok {
		t.Error("a failure that a rule knows speaks for itself")
	}
}
