package outcome_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
)

func TestNotesAreTheSameInAnyOrder(t *testing.T) {
	all := []outcome.Note{{}, {Outcome: outcome.Stopped}, {Outcome: outcome.Failed, Seconds: 3}, {Outcome: outcome.Succeeded, Config: "c"}}
	for i, a := range all {
		for j, b := range all {
			want := all[max(i, j)]
			if got := a.After(b); got != want || b.After(a) != want || got.After(b).After(a) != want {
				t.Errorf("%v and %v: %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestChanged(t *testing.T) {
	before := map[string]any{"memory_mb": 512.0, "password": "hunter2-hunter2"}
	masked := map[string]any{"memory_mb": 512.0, "password": "[REDACTED]"}
	more := map[string]any{"memory_mb": 1024.0, "password": "hunter2-hunter2"}
	for _, tc := range []struct {
		retry map[string]any
		want  bool
	}{{before, false}, {masked, false}, {more, true}, {nil, false}} {
		n := outcome.Note{Outcome: outcome.Succeeded, Config: outcome.ConfigName(tc.retry)}
		if got := n.Changed(masked); got != tc.want {
			t.Errorf("Changed after a retry with %v = %v, want %v", tc.retry, got, tc.want)
		}
	}
}

func TestJudge(t *testing.T) {
	as, changed := outcome.Result{Note: outcome.Note{Outcome: outcome.Succeeded}}, outcome.Result{Note: outcome.Note{Outcome: outcome.Succeeded}, Changed: true}
	failed, stopped := outcome.Result{Note: outcome.Note{Outcome: outcome.Failed}}, outcome.Result{Note: outcome.Note{Outcome: outcome.Stopped}}
	for _, tc := range []struct {
		verdict failure.Verdict
		result  outcome.Result
		want    outcome.Judgement
	}{
		{failure.Retry, as, outcome.Right},
		{failure.RetrySlowly, changed, outcome.Right},
		{failure.Retry, failed, outcome.Wrong},
		{failure.RetryWithConfig, as, outcome.Wrong},
		{failure.RetryWithConfig, changed, outcome.Right},
		{failure.DoNotRetry, as, outcome.Wrong},
		{failure.DoNotRetry, changed, outcome.Wrong},
		{failure.DoNotRetry, failed, outcome.Right},
		{failure.DoNotRetry, stopped, outcome.Open},
		{failure.Retry, outcome.Result{}, outcome.Open},
		{failure.VerdictUnknown, as, outcome.Open},
	} {
		if got := outcome.Judge(tc.verdict, tc.result); got != tc.want {
			t.Errorf("Judge(%v, %+v) = %v, want %v", tc.verdict, tc.result, got, tc.want)
		}
	}
}

func TestCountsAreTakenBack(t *testing.T) {
	var c outcome.Counts
	for o := outcome.Unknown; o <= outcome.Succeeded; o++ {
		for _, changed := range []bool{false, true} {
			c.Add(outcome.Result{Note: outcome.Note{Outcome: o}, Changed: changed}, 1)
		}
	}
	if want := (outcome.Counts{Succeeded: 1, SucceededChanged: 1, Failed: 2, Stopped: 2, Unknown: 2}); c != want {
		t.Errorf("counts = %+v, want %+v", c, want)
	}
	c.Add(outcome.Result{Note: outcome.Note{Outcome: outcome.Stopped}}, -2)
	if c.Stopped != 0 {
		t.Errorf("%d stopped, want none", c.Stopped)
	}
}
