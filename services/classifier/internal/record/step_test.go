package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// rules returns a few rules: one of memory, one of memory that is not to be
// retried, one with a remedy, one with nothing to ask.
func rules(t testing.TB) *rule.Set {
	t.Helper()
	var all []*rule.Compiled
	for _, r := range []rule.Rule{
		{ID: "heap", Any: []string{"OutOfMemoryError"}, Class: failure.MemoryDriver},
		{ID: "leak", Any: []string{"leak found"}, Class: failure.MemoryDriver, Verdict: failure.DoNotRetry},
		{ID: "spot", Any: []string{"spot machine gone"}, Class: failure.Preemption, Remedy: []rule.Operation{{Op: "add", Path: "/spot", Value: []byte("false")}}},
		{ID: "bug", Any: []string{"ZeroDivisionError"}, Class: failure.CodeBug},
	} {
		r.Summary, r.Mode, r.Revision = "it is "+r.ID, rule.Enforce, 3
		c, err := rule.Compile("rule", r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	set, err := rule.NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func report(number int, log string) record.Report {
	return record.Report{
		Attempt: failure.Attempt{Source: "acme", Job: "etl", Number: number}, Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"},
		Config:   map[string]any{"memory_mb": 512.0, "db_password": "hunter2"},
		Evidence: failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: log}}, Reason: failure.Exited},
		Labels:   map[string]string{"team": "x"}, Owner: "me",
	}
}

func TestBegin(t *testing.T) {
	for log, want := range map[string]record.State{
		"java.lang.OutOfMemoryError": record.Recommending, "leak found": record.Final, "spot machine gone": record.Patching,
		"ZeroDivisionError": record.Final, "what is this": record.Recommending, "": record.Recommending,
	} {
		f := record.Begin(report(1, log), rules(t), []string{"a log was not read"}, now)
		if f.State != want || !f.CreateTime.Equal(now) || len(f.Warnings) != 1 {
			t.Errorf("Begin of %q: state %d, warnings %q, want state %d with a warning", log, f.State, f.Warnings, want)
		}
	}
}

func TestManyMatchesAreBounded(t *testing.T) {
	var all []*rule.Compiled
	for i := range 200 {
		r := rule.Rule{ID: "r" + strings.Repeat("x", i%50) + strings.Repeat("y", i/50), Order: i, Any: []string{"boom"}, Class: failure.CodeBug, Summary: "s", Mode: rule.Shadow}
		if i == 150 {
			r.Mode = rule.Enforce
		}
		c, err := rule.Compile("rule", r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	set, err := rule.NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	f := record.Begin(report(1, "boom"), set, nil, now)
	if len(f.Matches) != record.MaxMatches || f.Matches[record.MaxMatches-1].Rule != f.Result.Rule || f.Result.Class != failure.CodeBug || len(f.Warnings) != 1 {
		t.Errorf("%d matches, the last %q, the winner %q, warnings %q", len(f.Matches), f.Matches[len(f.Matches)-1].Rule, f.Result.Rule, f.Warnings)
	}
}

func TestRecommended(t *testing.T) {
	change := record.Recommendation{Outcome: record.Change, Operations: []rule.Operation{{Op: "add", Path: "/memory_mb", Value: []byte("1024")}}}
	peak := func(n int64) func(*record.Report) {
		return func(r *record.Report) { r.Evidence.PeakBytes, r.Evidence.LimitBytes = &n, 1000 }
	}
	for _, tc := range []struct {
		name   string
		log    string
		change func(*record.Report)
		answer record.Recommendation
		want   record.State
		warned bool
	}{
		{"memory, change", "OutOfMemoryError", nil, change, record.Patching, false},
		{"memory, keep", "OutOfMemoryError", nil, record.Recommendation{Outcome: record.Keep}, record.Final, false},
		{"memory, not feasible", "OutOfMemoryError", nil, record.Recommendation{Outcome: record.NotFeasible}, record.Final, false},
		{"memory, a change of nothing", "OutOfMemoryError", nil, record.Recommendation{Outcome: record.Change}, record.Final, true},
		{"unknown, keep", "hm", nil, record.Recommendation{Outcome: record.Keep}, record.Final, false},
		{"unknown, change without a sign of memory", "hm", nil, change, record.Final, true},
		{"unknown, killed for memory with proof", "hm", func(r *record.Report) { r.Evidence.Reason, r.Evidence.Proof = failure.OutOfMemory, "oom_kill 1" }, change, record.Patching, false},
		{"unknown, killed for memory without proof", "hm", func(r *record.Report) { r.Evidence.Reason = failure.OutOfMemory }, change, record.Final, true},
		{"unknown, peak at the limit", "hm", peak(950), change, record.Patching, false},
		{"unknown, peak below it", "hm", peak(949), change, record.Final, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := report(1, tc.log)
			if tc.change != nil {
				tc.change(&r)
			}
			f := record.Begin(r, rules(t), nil, now).Recommended(tc.answer, now.Add(time.Second))
			if f.State != tc.want || len(f.Warnings) > 0 != tc.warned || f.Recommendation == nil || !f.UpdateTime.Equal(now.Add(time.Second)) {
				t.Errorf("state %d, warnings %q, want state %d, warned %v", f.State, f.Warnings, tc.want, tc.warned)
			}
			if f.State == record.Patching && len(f.Operations()) != 1 {
				t.Errorf("operations = %v", f.Operations())
			}
		})
	}
}

func TestRemedyIsThePatch(t *testing.T) {
	f := record.Begin(report(1, "spot machine gone"), rules(t), nil, now)
	if ops := f.Operations(); len(ops) != 1 || ops[0].Path != "/spot" {
		t.Errorf("operations = %v, want the remedy", ops)
	}
	if f = f.NotPatched(errors.New("ceiling"), now); f.State != record.Final || f.Patch != "" || !strings.Contains(f.Warnings[0], "ceiling") {
		t.Errorf("a refused patch leaves %+v", f)
	}
}

func TestValidate(t *testing.T) {
	negative, huge := int64(-1), map[string]any{"x": strings.Repeat("x", record.MaxConfigBytes)}
	for field, change := range map[string]func(*record.Report){
		"attempt.source": func(r *record.Report) { r.Attempt.Source = "" }, "attempt.attempt": func(r *record.Report) { r.Attempt.Number = 0 },
		"type.workflow": func(r *record.Report) { r.Type.Workflow = "" }, "config": func(r *record.Report) { r.Config = huge },
		"attempt_config": func(r *record.Report) { r.AttemptConfig = huge }, "labels": func(r *record.Report) { r.Labels = map[string]string{"": "x"} },
		"owner": func(r *record.Report) { r.Owner = strings.Repeat("x", 129) }, "retry_policy": func(r *record.Report) { r.RetryPolicy = make([]byte, 5000) },
		"evidence.termination_reason": func(r *record.Report) { r.Evidence.Reason = 99 }, "evidence.memory_limit_bytes": func(r *record.Report) { r.Evidence.LimitBytes = -1 },
		"evidence.peak_memory_bytes": func(r *record.Report) { r.Evidence.PeakBytes = &negative }, "evidence.duration": func(r *record.Report) { r.Evidence.Duration = -1 },
	} {
		r := report(1, "x")
		change(&r)
		e, ok := errors.AsType[*errs.Error](r.Validate())
		if !ok || len(e.Violations) != 1 || e.Violations[0].Field != field {
			t.Errorf("Validate with a wrong %s = %v", field, r.Validate())
		}
	}
	if r := report(1, "x"); r.Validate() != nil {
		t.Errorf("Validate = %v", r.Validate())
	}
}
