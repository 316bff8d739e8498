package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

var at = time.Date(2026, 11, 21, 9, 0, 0, 5, time.UTC)

func full(t *testing.T) record.Failure {
	t.Helper()
	one, peak := 1, int64(1000)
	ops := []rule.Operation{{Op: "test", Path: "/a", Value: []byte(`"4g"`)}, {Op: "remove", Path: "/a"}}
	policy, err := proto.Marshal(&redrivev1.RetryPolicy{MaxBackoff: durationpb.New(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	answer := wire.Recommendation(&redrivev1.Recommendation{
		Outcome: redrivev1.Recommendation_OUTCOME_CHANGE, Reason: "more", Operations: wire.Operations(ops),
		Inputs: &redrivev1.RecommendationInputs{Observations: 3}, ModelVersion: "1",
	})
	return record.Failure{
		Report: record.Report{
			Attempt: failure.Attempt{Source: "acme", Job: "etl/x", Number: 2}, Type: failure.Type{Workflow: "w", Step: "s", Engine: "spark"},
			Config: map[string]any{"a": "4g", "n": map[string]any{"x": []any{1.5, nil, true}}}, AttemptConfig: map[string]any{},
			Evidence: failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: "h", Tail: "t", SizeBytes: 9, Truncated: true, URI: "file:///x"}}, ExitCode: &one, PeakBytes: &peak, LimitBytes: 2000, Reason: failure.Exited, Start: at, End: at, Duration: time.Second, Node: "n"},
			Labels:   map[string]string{"k": "v"}, Owner: "me", RetryPolicy: policy,
		},
		State: record.Patching,
		Result: finalize.Result{
			Class: failure.MemoryDriver, Category: failure.CategoryMemory, Verdict: failure.RetryWithConfig, Rule: "heap", Summary: "sum", Runbook: "do",
			RetryAfter: time.Minute, Remedy: ops, Excerpt: []string{"a", ""}, Fingerprint: "f", Setting: "spark.driver.maxResultSize",
			Dependency: finalize.Dependency{Kind: "bucket", Name: "lake"},
		},
		Matches: []rule.Match{
			{Rule: "shadow", Revision: 1, Order: 1, Mode: rule.Shadow, Class: failure.CodeBug, Verdict: failure.DoNotRetry, Source: "stderr", Line: 4, Offset: 7, Tail: true, Text: "x", YieldsTo: []string{"memory.*"}, Aftermath: rule.Recovered, AfterLine: 9},
			{Rule: "heap", Revision: 7, Order: 2, Mode: rule.Enforce, Class: failure.MemoryDriver, Verdict: failure.RetryWithConfig, Captures: map[string]string{"a": "b"}, Summary: "sum", Runbook: "do", RetryAfter: time.Minute, Remedy: ops},
		},
		Recommendation: &answer, Patch: "patches/1", Warnings: []string{"w"}, CreateTime: at, UpdateTime: at.Add(time.Second),
	}
}

func TestFailureSurvivesTheWire(t *testing.T) {
	want := full(t)
	p, err := wire.Failure(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.FailureFromProto(p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("FailureFromProto(Failure) =\n%+v\nwant\n%+v", got, want)
	}
	again, err := wire.Failure(got)
	if err != nil || !proto.Equal(again, p) {
		t.Errorf("Failure again = %v, %v", err, again)
	}
}

func TestRuleSurvivesTheWire(t *testing.T) {
	want := rule.Rule{
		ID: "r", Order: 7, Sources: []string{"stderr"}, Any: []string{"a"}, All: []string{"b"}, None: []string{"c"},
		Facts: rule.Facts{ExitCodes: []int{0, -1}, Signals: []int{9}, Reasons: []failure.Reason{failure.OutOfMemory}, Engines: []string{"jvm"}, PeakPercent: 90},
		Class: failure.CodeBug, Verdict: failure.Retry, Summary: "s", Runbook: "r", RetryAfter: time.Minute,
		Remedy: []rule.Operation{{Op: "add", Path: "/x", Value: []byte("null")}}, Owner: "o", Mode: rule.Off, Sample: "x", NearMisses: []string{"y"}, YieldsTo: []string{"memory.driver", "rules/x"}, Pack: "p", Author: "me",
		Revision: 3, BuiltIn: true, Overridden: true, CreateTime: at, UpdateTime: at,
	}
	if got := wire.RuleFromProto(wire.Rule(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("RuleFromProto(Rule) =\n%+v\nwant\n%+v", got, want)
	}
	if got := wire.RuleFromProto(&redrivev1.Rule{}); got.Mode != rule.Enforce {
		t.Errorf("mode = %v, want enforce", got.Mode)
	}
}

func TestAnnouncedHasNoTexts(t *testing.T) {
	p, err := wire.Failure(full(t))
	if err != nil {
		t.Fatal(err)
	}
	answer := p.GetRecommendation()
	got := wire.Announced(p)
	if l := got.GetEvidence().GetLogs()[0]; l.GetHead()+l.GetTail() != "" || l.GetUri() == "" {
		t.Errorf("log = %v, want it without text", l)
	}
	if m := got.GetMatches()[1]; m.GetSummary() != "" || m.GetRule() != "rules/heap" || m.GetRuleRevision() != 7 {
		t.Errorf("match = %v, want what names it alone", m)
	}
	if got.GetRecommendation().GetInputs() != nil || answer.GetInputs() == nil {
		t.Error("the recommendation is announced with its inputs, or was changed for it")
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"rules/a-b": "a-b", "rules/": "", "rules/A": "", "a": "", "failures/x": ""} {
		if got, err := wire.RuleID("name", name); got != want || (want == "") != errs.Is(err, errs.Invalid) {
			t.Errorf("RuleID(%q) = %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"failures/x": "x", "failures/": "", "failures/a/b": "", "x": ""} {
		if got, err := wire.FailureID("name", name); got != want || (want == "") != errs.Is(err, errs.Invalid) {
			t.Errorf("FailureID(%q) = %q, %v", name, got, err)
		}
	}
	canonical := failure.Attempt{Source: "acme", Job: "a/b", Number: 1}.JobName()
	for name, want := range map[string]string{"": "", "jobs/x": "jobs/x", "acme/a/b": canonical, "x": "!", "acme/": "!", "ACME/x": "!"} {
		got, err := wire.JobName("job", name)
		if bad := want == "!"; bad != errs.Is(err, errs.Invalid) || !bad && got != want {
			t.Errorf("JobName(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
}

func FuzzAttemptFailed(f *testing.F) {
	good, err := proto.Marshal(&redrivev1.AttemptFailed{Attempt: &redrivev1.AttemptRef{Source: "acme", Job: "x", Attempt: 1}, Evidence: &redrivev1.Evidence{Logs: []*redrivev1.Log{{Head: "x"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add([]byte(`{"attempt":{"source":"acme","job":"x","attempt":1},"evidence":{"exitCode":-5,"terminationReason":77}}`), true)
	f.Fuzz(func(t *testing.T, data []byte, json bool) {
		e := bus.Event{Data: data, ContentType: bus.ContentProto}
		if json {
			e.ContentType = bus.ContentJSON
		}
		var m redrivev1.AttemptFailed
		if e.Decode(&m) != nil {
			return
		}
		r, err := wire.Report(&m)
		if err != nil {
			t.Fatal(err)
		}
		if r.Validate() != nil {
			return
		}
		if _, err := wire.Failure(record.Failure{Report: r}); err != nil {
			t.Errorf("a valid report cannot be written: %v", err)
		}
	})
}
