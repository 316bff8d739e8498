package rule_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func TestChanges(t *testing.T) {
	before := rule.Rule{
		ID: "a", Order: 4200, Any: []string{"x", "y"}, Facts: rule.Facts{ExitCodes: []int{1}}, Class: failure.CodeBug, Summary: "it is so", Mode: rule.Shadow,
		Remedy: []rule.Operation{{Op: "add", Path: "/a", Value: []byte(`{"b":1, "a":2}`)}}, Sample: strings.Repeat("x", 300),
	}
	for name, tc := range map[string]struct {
		change func(*rule.Rule)
		want   []string
	}{
		"nothing":           {func(*rule.Rule) {}, nil},
		"JSON in other ink": {func(r *rule.Rule) { r.Remedy[0].Value = []byte(`{"a":2,"b":1.0}`) }, nil},
		"what Redrive notes": {func(r *rule.Rule) {
			r.Revision, r.BuiltIn, r.Overridden, r.Author, r.CreateTime = 7, true, true, "ann", time.Now()
		}, nil},
		"order":                     {func(r *rule.Rule) { r.Order = 4300 }, []string{"order: 4200 → 4300"}},
		"mode":                      {func(r *rule.Rule) { r.Mode = rule.Enforce }, []string{"mode: shadow → enforce"}},
		"verdict":                   {func(r *rule.Rule) { r.Verdict = failure.Retry }, []string{"verdict: none → RETRY"}},
		"summary":                   {func(r *rule.Rule) { r.Summary = "" }, []string{`summary: "it is so" → none`}},
		"patterns":                  {func(r *rule.Rule) { r.Any = []string{"y", "z", "z"} }, []string{`any: - "x"`, `any: + "z"`, `any: + "z"`}},
		"another order of patterns": {func(r *rule.Rule) { r.Any = []string{"y", "x"} }, []string{"any: in another order"}},
		"the end of a long sample":  {func(r *rule.Rule) { r.Sample += "y" }, []string{"sample: differs after its first 200 characters"}},
		"facts": {func(r *rule.Rule) {
			r.Facts = rule.Facts{Reasons: []failure.Reason{failure.OutOfMemory}, PeakPercent: 90}
		}, []string{
			"facts.exit_codes: - 1", "facts.termination_reasons: + OUT_OF_MEMORY", "facts.peak_percent: none → 90",
		}},
		"remedy": {func(r *rule.Rule) { r.Remedy[0] = rule.Operation{Op: "remove", Path: "/a"} }, []string{
			`remedy: - add /a {"a":2,"b":1}`, "remedy: + remove /a",
		}},
		"retry after": {func(r *rule.Rule) { r.RetryAfter = time.Minute }, []string{"retry_after: none → 1m0s"}},
	} {
		after := before
		after.Remedy = slices.Clone(before.Remedy)
		tc.change(&after)
		if got := rule.Changes(&before, &after); !slices.Equal(got, tc.want) {
			t.Errorf("Changes of %s = %q, want %q", name, got, tc.want)
		}
	}
}

// noted are the fields that Redrive sets by itself. A new field is either one of
// them or has to be in Changes.
var noted = []string{"ID", "Revision", "BuiltIn", "Overridden", "CreateTime", "UpdateTime", "Author"}

func TestNoFieldIsForgottenInChanges(t *testing.T) {
	of := reflect.TypeFor[rule.Rule]()
	for i := range of.NumField() {
		var changed rule.Rule
		if !set(reflect.ValueOf(&changed).Elem().Field(i)) {
			t.Fatalf("the test cannot change %s", of.Field(i).Name)
		}
		if got, want := len(rule.Changes(&rule.Rule{}, &changed)), 1; slices.Contains(noted, of.Field(i).Name) == (got == want) {
			t.Errorf("another %s makes %d changes", of.Field(i).Name, got)
		}
	}
	facts := reflect.TypeFor[rule.Facts]()
	for i := range facts.NumField() {
		var changed rule.Rule
		if set(reflect.ValueOf(&changed.Facts).Elem().Field(i)); len(rule.Changes(&rule.Rule{}, &changed)) != 1 {
			t.Errorf("another facts.%s is no change", facts.Field(i).Name)
		}
	}
}
