package rule_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func TestAftermath(t *testing.T) {
	for _, tc := range []struct {
		name, log string
		class     failure.Class
		want      rule.Aftermath
		line      int
	}{
		{"nothing is known", "refused by db-1\nbye", failure.NetworkTransient, rule.AftermathNone, 0},
		{"the application succeeded", "refused by db-1\nx\nINFO ApplicationMaster: Final app status: SUCCEEDED, exitCode: 0\n", failure.CodeBug, rule.Recovered, 3},
		{"it failed", "refused by db-1\nINFO ApplicationMaster: Final app status: FAILED, exitCode: 15\n", failure.CodeBug, rule.AftermathNone, 0},
		{"it failed after a success", "final status: SUCCEEDED\nrefused by db-1\n", failure.CodeBug, rule.AftermathNone, 0},
		{"it failed before and after", "refused by db-1\nfinal status: SUCCEEDED\nrefused by db-1\n", failure.CodeBug, rule.AftermathNone, 0},
		{"the third try succeeded", "refused by db-1\nupload succeeded after 3 attempts\n", failure.NetworkTransient, rule.Recovered, 2},
		{"attempt 2 succeeded", "refused by db-1\nAttempt 2/5 succeeded\n", failure.Throttling, rule.Recovered, 2},
		{"a step that succeeded mends no bug", "refused by db-1\nAttempt 2/5 succeeded\n", failure.CodeBug, rule.AftermathNone, 0},
		{"another attempt of Airflow", "refused by db-1\nINFO - Starting attempt 2 of 3\nx", failure.CodeBug, rule.Retried, 2},
		{"the first attempt of Airflow", "refused by db-1\nINFO - Starting attempt 1 of 3\nx", failure.CodeBug, rule.AftermathNone, 0},
		{"success outranks another attempt", "refused by db-1\nStarting attempt 2 of 3\nMarking task as SUCCESS.\n", failure.CodeBug, rule.Recovered, 3},
		{"the line says that it is tried again", "WARN refused by db-1, retrying in 3 s\nx", failure.Throttling, rule.Retried, 1},
		{"and then no more", "WARN refused by db-1, retrying in 3 s\nERROR refused by db-1\n", failure.Throttling, rule.AftermathNone, 0},
		{"it is not tried again", "ERROR refused by db-1, not retrying\n", failure.Throttling, rule.AftermathNone, 0},
		{"given up", "ERROR refused by db-1, giving up after retrying 3 times\n", failure.Throttling, rule.AftermathNone, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSet(t, rule.Rule{Any: []string{"refused by (?P<host>.*)"}, Class: tc.class})
			in := rule.Input{Texts: []rule.Text{text("stderr", tc.log), text("stdout", "Marking task as SUCCESS")}}
			m := s.Match(in)
			if len(m) != 1 || m[0].Aftermath != tc.want || m[0].AfterLine != tc.line {
				t.Errorf("match = %+v, want aftermath %d in line %d", m, tc.want, tc.line)
			}
			agree(t, s, in)
		})
	}
}

func TestAftermathIsFoundInTheTail(t *testing.T) {
	in := rule.NewInput(failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: "refused by x\n", Tail: strings.Repeat("-\n", 99_000) + "final status: SUCCEEDED\n", Truncated: true}}}, "spark")
	m := newSet(t, rule.Rule{Any: []string{"refused by"}}).Match(in)
	if len(m) != 1 || m[0].Aftermath != rule.Recovered || m[0].AfterLine != 99_002 {
		t.Errorf("match = %+v, want recovered by line 99002", m)
	}
}

func TestPeakPercent(t *testing.T) {
	for _, tc := range []struct {
		peak, limit int64
		want        bool
	}{{95, 100, true}, {94, 100, false}, {200, 100, true}, {0, 100, false}, {95, 0, false}} {
		in := rule.Input{Peak: tc.peak, Limit: tc.limit}
		s := newSet(t, rule.Rule{Facts: rule.Facts{PeakPercent: 95}})
		if got := len(s.Match(in)) == 1; got != tc.want {
			t.Errorf("a peak of %d of %d: matched %v, want %v", tc.peak, tc.limit, got, tc.want)
		}
		if _, missing := s.Rules()[0].Explain(in); (len(missing) == 0) != tc.want || !tc.want && !strings.Contains(missing[0], "facts.peak_percent") {
			t.Errorf("a peak of %d of %d: missing %q", tc.peak, tc.limit, missing)
		}
	}
	peak := int64(97)
	if in := rule.NewInput(failure.Evidence{PeakBytes: &peak, LimitBytes: 100}, ""); in.Peak != 97 || in.Limit != 100 {
		t.Errorf("NewInput = %+v", in)
	}
}
