package rule_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func TestCompileNamesWhatIsWrong(t *testing.T) {
	good := rule.Rule{ID: "r", Any: []string{"boom"}, Class: failure.CodeBug, Summary: "it failed", Mode: rule.Enforce}
	for _, tc := range []struct {
		name   string
		change func(*rule.Rule)
		field  string // of the violation; empty when there is none
	}{
		{"nothing", func(*rule.Rule) {}, ""},
		{"id", func(r *rule.Rule) { r.ID = "Bad_ID" }, "rule.id"},
		{"order", func(r *rule.Rule) { r.Order = 1_000_001 }, "rule.order"},
		{"class", func(r *rule.Rule) { r.Class = "memory.heap" }, "rule.class"},
		{"class unknown", func(r *rule.Rule) { r.Class = failure.Unknown }, "rule.class"},
		{"syntax", func(r *rule.Rule) { r.Any = []string{"ok", "(boom"} }, "rule.any[1]"},
		{"look-around", func(r *rule.Rule) { r.All = []string{"(?=boom)"} }, "rule.all[0]"},
		{"empty pattern", func(r *rule.Rule) { r.None = []string{""} }, "rule.none[0]"},
		{"long pattern", func(r *rule.Rule) { r.Any = []string{strings.Repeat("x", 1001)} }, "rule.any[0]"},
		{"1000 characters are not too many", func(r *rule.Rule) { r.Any = []string{strings.Repeat("\u00e9", 1000)} }, ""},
		{"exploding pattern", func(r *rule.Rule) { r.Any = []string{"((a{30}){30}){30}"} }, "rule.any[0]"},
		{"nested deeply", func(r *rule.Rule) { r.Any = []string{strings.Repeat("(", 300) + "a" + strings.Repeat(")*", 300)} }, ""},
		{"no pattern and no fact", func(r *rule.Rule) { r.Any = nil; r.None = []string{"x"} }, "rule.any"},
		{"facts suffice", func(r *rule.Rule) { r.Any = nil; r.Facts.Signals = []int{9} }, ""},
		{"too many patterns", func(r *rule.Rule) { r.Any = slices.Repeat([]string{"boom"}, 65) }, "rule.any"},
		{"placeholder", func(r *rule.Rule) { r.Summary = "lost {what}" }, "rule.summary"},
		{"placeholder of none", func(r *rule.Rule) { r.Summary = "lost {what}"; r.None = []string{"(?P<what>x)"} }, "rule.summary"},
		{"no summary", func(r *rule.Rule) { r.Summary = "" }, "rule.summary"},
		{"sample", func(r *rule.Rule) { r.Sample = "bang" }, "rule.sample"},
		{"sample forbidden by none", func(r *rule.Rule) { r.Sample = "boom bang"; r.None = []string{"bang"} }, "rule.sample"},
		{"sample with facts and a source", func(r *rule.Rule) {
			r.Sample, r.Sources, r.Facts = "boom", []string{"driver"}, rule.Facts{ExitCodes: []int{3}, Engines: []string{"spark"}}
		}, ""},
		{"near miss", func(r *rule.Rule) { r.NearMisses = []string{"bang", "boom"} }, "rule.near_misses[1]"},
		{"peak", func(r *rule.Rule) { r.Facts.PeakPercent = 101 }, "rule.facts.peak_percent"},
		{"a peak suffices", func(r *rule.Rule) { r.Any = nil; r.Facts.PeakPercent = 95 }, ""},
		{"yields to classes and rules", func(r *rule.Rule) { r.YieldsTo = []string{"memory.driver", "rules/x-1"} }, ""},
		{"yields to no class", func(r *rule.Rule) { r.YieldsTo = []string{"memory.driver", "x-1"} }, "rule.yields_to[1]"},
		{"yields to the unknown", func(r *rule.Rule) { r.YieldsTo = []string{"unknown"} }, "rule.yields_to[0]"},
		{"remedy path", func(r *rule.Rule) { r.Remedy = []rule.Operation{{Op: "add", Path: "x", Value: []byte("1")}} }, "rule.remedy[0].path"},
		{"remedy op", func(r *rule.Rule) { r.Remedy = []rule.Operation{{Op: "move", Path: "/x", Value: []byte("1")}} }, "rule.remedy[0].op"},
		{"remedy value", func(r *rule.Rule) { r.Remedy = []rule.Operation{{Op: "test", Path: "/x"}} }, "rule.remedy[0].value"},
		{"reason", func(r *rule.Rule) { r.Facts.Reasons = []failure.Reason{99} }, "rule.facts.termination_reasons[0]"},
		{"retry after", func(r *rule.Rule) { r.RetryAfter = -1 }, "rule.retry_after"},
		{"mode", func(r *rule.Rule) { r.Mode = rule.ModeNone }, "rule.mode"},
		{"verdict", func(r *rule.Rule) { r.Verdict = 9 }, "rule.verdict"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := good
			tc.change(&r)
			_, err := rule.Compile("rule", r)
			if tc.field == "" {
				if err != nil {
					t.Errorf("Compile = %v, want no error", err)
				}
				return
			}
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || len(e.Violations) == 0 || e.Violations[0].Field != tc.field {
				t.Errorf("Compile = %v, want a violation of %s", err, tc.field)
			}
		})
	}
}

const goodPack = `
pack: demo
rules:
  - id: demo-heap
    order: 2100
    any: ['OutOfMemoryError: (?P<what>.+)']
    facts: {termination_reasons: [EXITED]}
    class: memory.driver
    verdict: RETRY_WITH_CONFIG
    summary: "out of heap: {what}"
    runbook: "raise the heap"
    retry_after: 60s
    remedy: [{op: add, path: /spot, value: false}]
    sample: "java.lang.OutOfMemoryError: Java heap space"
    near_miss: ["OutOfMemoryError"]
`

func TestParsePack(t *testing.T) {
	p, err := rule.ParsePack("demo.yaml", []byte(goodPack))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Rules[0].Rule
	if r.RetryAfter.String() != "1m0s" || r.Facts.Reasons[0] != failure.Exited || string(r.Remedy[0].Value) != "false" || r.Mode != rule.Enforce || !r.BuiltIn {
		t.Errorf("rule = %+v", r)
	}
	for name, tc := range map[string]struct{ old, change, want string }{
		"unknown key":       {"order: 2100", "order: 2100\n    regex: x", "demo-heap.regex: is no field of a rule"},
		"unknown fact":      {"facts: {", "facts: {exit: [1], ", "demo-heap.facts.exit: is no field of a rule's facts"},
		"unknown op key":    {"{op: add,", "{op: add, from: /x,", "demo-heap.remedy[0].from: is no field of an operation"},
		"unknown in pack":   {"pack: demo", "pack: demo\nversion: 2", "demo.yaml: version: is no field of a pack"},
		"a text for a list": {"any: [", "all: x\n    any: [", "demo-heap.all: is x, must be a list of texts"},
		"a list for a text": {"order: 2100", "order: 2100\n    owner: [x]", "demo-heap.owner: is a list, must be a text"},
		"no mapping":        {"- id: demo-heap", "- x\n  - id: demo-heap", "demo.yaml: rules[0]: is x, must be a mapping"},
		"two on one line":   {"facts: {", "facts: {signals: {}, exit_codes: x, ", "demo-heap.facts: is a mapping, must be a list of whole numbers, in line 7\ndemo.yaml: demo-heap.facts: is x"},
		"contains itself":   {"facts: {", "none: &a [*a]\n    facts: {", "demo-heap.none: is a list, must be a text"},
		"merges itself":     {"facts: {", "facts: &f {<<: *f, ", "contains itself"},
		"wrong type":        {"order: 2100", "order: many", "demo-heap.order: is many, must be a whole number, in line 5"},
		"bad pattern":       {"(?P<what>.+)", "(?P<what>.+", "demo.yaml: demo-heap.any[0]"},
		"no order":          {"order: 2100", "", "demo-heap.order"},
		"verdict":           {"RETRY_WITH_CONFIG", "PERHAPS", "demo-heap.verdict"},
		"duration":          {"60s", "a while", "demo-heap.retry_after"},
		"reason":            {"[EXITED]", "[BURNT]", "demo-heap.facts.termination_reasons[0]"},
		"no sample":         {`sample: "java.lang.OutOfMemoryError: Java heap space"`, "", "demo-heap.sample"},
		"no runbook":        {`runbook: "raise the heap"`, "", "demo-heap.runbook"},
		"other pack name":   {"pack: demo", "pack: other", "pack"},
		"two documents":     {"pack: demo", "pack: demo\n---\npack: demo", "one YAML document"},
		"duplicate key":     {"order: 2100", "order: 2100\n    order: 2101", "already defined"},
		"sample unmatched":  {`sample: "java.lang.`, `sample: "java.lang.X`, ""},
	} {
		_, err := rule.ParsePack("demo.yaml", []byte(strings.Replace(goodPack, tc.old, tc.change, 1)))
		if tc.want == "" && err == nil {
			continue
		}
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: ParsePack = %v, want Invalid with %q", name, err, tc.want)
		}
	}
}

func FuzzParsePack(f *testing.F) {
	f.Add([]byte(goodPack))
	f.Add([]byte("pack: demo\nrules: [&a {id: x}, *a]"))
	f.Add([]byte("a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := rule.ParsePack("demo.yaml", data)
		if err != nil {
			if errs.KindOf(err) != errs.Invalid {
				t.Errorf("ParsePack = %v, want Invalid", err)
			}
			return
		}
		if _, err := rule.NewSet(p.Rules...); err != nil {
			t.Errorf("NewSet of a good pack = %v", err)
		}
	})
}
