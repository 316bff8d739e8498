package backtest

import (
	"fmt"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func compiled(t *testing.T, r rule.Rule) *rule.Compiled {
	t.Helper()
	r.Summary = "s"
	c, err := rule.Compile("rule", r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func failed(text string) record.Failure {
	return record.Failure{Report: record.Report{Evidence: failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: text}}}}}
}

func TestTrial(t *testing.T) {
	heap := rule.Rule{ID: "heap", Order: 5, Any: []string{"heap is full"}, Class: failure.CodeBug, Mode: rule.Enforce, Summary: "s"}
	shadow := rule.Rule{ID: "shadow", Order: 1, Any: []string{"heap"}, Class: failure.DiskFull, Mode: rule.Shadow, Summary: "s"}
	today, err := rule.NewSet(compiled(t, heap), compiled(t, shadow))
	if err != nil {
		t.Fatal(err)
	}
	bug, disk, schema := Said{"heap", failure.CodeBug, failure.DoNotRetry}, Said{Rule: "shadow", Class: failure.DiskFull}, Said{Rule: "new", Class: failure.SchemaMismatch}
	unknown := Said{"", failure.Unknown, failure.VerdictUnknown}
	added := rule.Rule{ID: "new", Order: 3, Any: []string{"is full"}, Class: failure.SchemaMismatch, Mode: rule.Off, Summary: "s"}
	for i, said := range []*Said{&disk, &schema} {
		m, _ := failure.MeaningOf([]failure.Class{failure.DiskFull, failure.SchemaMismatch}[i])
		said.Verdict = m.Verdict
	}
	narrow, off := heap, heap
	narrow.Any = []string{"the heap is full"}
	off.Mode = rule.Off
	for _, tc := range []struct {
		name, text   string
		tried        rule.Rule
		now, then    Said
		matched, won bool
	}{
		{"a new rule takes it", "heap is full", added, bug, schema, true, true},
		{"a new rule does not match", "heap", added, unknown, unknown, false, false},
		{"a rule in shadow is put to work", "heap is full", shadow, bug, disk, true, true},
		{"a rule becomes narrower", "heap is full", narrow, bug, unknown, false, false},
		{"a rule stays as it is", "heap is full", heap, bug, bug, true, true},
		{"a rule that is off is tried all the same", "heap is full", off, bug, bug, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			trial, err := newTrial(today, tc.tried)
			if err != nil {
				t.Fatal(err)
			}
			f := failed(tc.text)
			want := Finding{Failure: f.ID(), Now: tc.now, Then: tc.then, Matched: tc.matched, Won: tc.won}
			if got := trial.of(f); got != want {
				t.Errorf("found %+v, want %+v", got, want)
			}
		})
	}
	f := failed("heap is full")
	if got := again(today, f, unknown); got != (Finding{Failure: f.ID(), Now: unknown, Then: bug}) {
		t.Errorf("today's rules: %+v", got)
	}
}

func TestATallyIsBounded(t *testing.T) {
	var tally Tally
	for i := range maxChanges + 10 {
		for range 7 {
			tally.Add(Finding{Failure: "f", Now: Said{Rule: fmt.Sprint(i)}, Then: Said{Rule: "new"}, Matched: true})
		}
	}
	if len(tally.Changes) != maxChanges || tally.OtherChanges != 70 || tally.Examined != 7*(maxChanges+10) {
		t.Errorf("%d changes, %d others, %d failures", len(tally.Changes), tally.OtherChanges, tally.Examined)
	}
	if c := tally.Changes[0]; c.Count != 7 || len(c.Failures) != maxExamples {
		t.Errorf("the first change is %+v", c)
	}
}

func TestWhatAVerdictSavesAndLoses(t *testing.T) {
	result := func(o outcome.Outcome, seconds float64) outcome.Result {
		return outcome.Result{Note: outcome.Note{Outcome: o, Seconds: seconds}}
	}
	for _, tc := range []struct {
		verdict failure.Verdict
		won     bool
		result  outcome.Result
		saved   float64
		lost    int
	}{
		{failure.DoNotRetry, true, result(outcome.Failed, 60), 60, 0},
		{failure.DoNotRetry, true, result(outcome.Succeeded, 0), 0, 1},
		{failure.DoNotRetry, true, result(outcome.Stopped, 0), 0, 0},
		{failure.DoNotRetry, false, result(outcome.Failed, 60), 0, 0},
		{failure.Retry, true, result(outcome.Failed, 60), 0, 0},
		{failure.Retry, true, result(outcome.Succeeded, 0), 0, 0},
	} {
		var tally Tally
		tally.Add(Finding{Then: Said{Verdict: tc.verdict}, Matched: tc.won, Won: tc.won, Result: tc.result})
		if tally.SavedSeconds != tc.saved || tally.LostSuccesses != tc.lost {
			t.Errorf("%v after %v: saved %v, lost %d", tc.verdict, tc.result, tally.SavedSeconds, tally.LostSuccesses)
		}
	}
}
