package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/rules"
	"github.com/redrive-io/redrive/services/classifier/internal/lint"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// set has rules that are enforced unless they say otherwise.
func set(t *testing.T, all ...rule.Rule) *rule.Set {
	t.Helper()
	var compiled []*rule.Compiled
	for _, r := range all {
		if r.Mode == rule.ModeNone {
			r.Mode = rule.Enforce
		}
		if r.Class == "" {
			r.Class = failure.CodeBug
		}
		r.Summary = "s"
		c, err := rule.Compile("rule", r)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, c)
	}
	s, err := rule.NewSet(compiled...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kinds are the findings but those of missing words, as "rule check other
// severity".
func kinds(found []lint.Finding) []string {
	var all []string
	for _, f := range found {
		if !strings.HasPrefix(f.Check, "no-") || f.Check == "no-literal" {
			all = append(all, strings.Join(strings.Fields(fmt.Sprintln(f.Rule, f.Check, f.Field, f.Other, int(f.Severity))), " "))
		}
	}
	return all
}

func TestPairs(t *testing.T) {
	reset := rule.Rule{ID: "reset", Order: 5, Any: []string{"connection reset"}, Sample: "connection reset"}
	peer := rule.Rule{ID: "peer", Order: 9, Any: []string{"connection reset by (?P<who>peer|host)"}, Class: failure.DiskFull, Sample: "connection reset by peer"}
	with := func(r rule.Rule, change func(r *rule.Rule)) rule.Rule {
		change(&r)
		return r
	}
	const hidden, stolen, same = "peer unreachable reset 3", "peer overlap reset 2", "peer overlap reset 1"
	for _, tc := range []struct {
		name        string
		reset, peer rule.Rule
		want        string
	}{
		{"a broader rule before it", reset, peer, hidden},
		{"without a sample", reset, with(peer, func(r *rule.Rule) { r.Sample = "" }), hidden},
		{"a broader rule behind it", with(reset, func(r *rule.Rule) { r.Order = 10 }), peer, ""},
		{"in shadow", with(reset, func(r *rule.Rule) { r.Mode = rule.Shadow }), peer, ""},
		{"a rule in shadow is looked at as though enforced", reset, with(peer, func(r *rule.Rule) { r.Mode = rule.Shadow }), hidden},
		{"of two patterns one is not covered", reset, with(peer, func(r *rule.Rule) { r.Any = append(r.Any, "broken pipe") }), stolen},
		{"and says the same", reset, with(peer, func(r *rule.Rule) { r.Any, r.Class = append(r.Any, "broken pipe"), "" }), same},
		{"all needs one that is covered", reset, with(peer, func(r *rule.Rule) { r.All, r.Any = append(r.Any, "broken pipe"), nil; r.Sample += "\nbroken pipe" }), hidden},
		{"facts of the broader one", with(reset, func(r *rule.Rule) { r.Facts.ExitCodes = []int{1} }), peer, ""},
		{"the same facts", with(reset, func(r *rule.Rule) { r.Facts.ExitCodes = []int{1, 2} }), with(peer, func(r *rule.Rule) { r.Facts.ExitCodes = []int{2} }), hidden},
		{"a peak of memory", with(reset, func(r *rule.Rule) { r.Facts.PeakPercent = 90 }), peer, ""},
		{"another log", with(reset, func(r *rule.Rule) { r.Sources = []string{"driver"} }), with(peer, func(r *rule.Rule) { r.Sources = []string{"stderr"} }), ""},
		{"the same log", with(reset, func(r *rule.Rule) { r.Sources = []string{"driver", "stderr"} }), with(peer, func(r *rule.Rule) { r.Sources = []string{"stderr"} }), hidden},
		{"what keeps the broader one away", with(reset, func(r *rule.Rule) { r.None = []string{"all good"} }), peer, stolen},
		{"and keeps both away", with(reset, func(r *rule.Rule) { r.None = []string{"all good"} }), with(peer, func(r *rule.Rule) { r.None = []string{"all good"} }), hidden},
		{"the broader one yields", with(reset, func(r *rule.Rule) { r.YieldsTo = []string{"rules/peer"} }), peer, ""},
		{"its class yields", with(reset, func(r *rule.Rule) { r.Class = failure.NetworkTransient }), peer, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(kinds(lint.Rules(set(t, tc.reset, tc.peer), nil)), "\n")
			if got != tc.want {
				t.Errorf("findings = %q, want %q", got, tc.want)
			}
		})
	}
	third := rule.Rule{ID: "third", Order: 99, Any: []string{"something else"}, Class: failure.Timeout, Sample: "something else"} // timeouts yield to disk.full
	if got := fmt.Sprint(kinds(lint.Rules(set(t, reset, peer, third), nil))); got != "[peer unreachable reset 2]" {
		t.Errorf("where a third rule yields: %s", got)
	}
	only := func(want string) func(string) bool { return func(id string) bool { return id == want } }
	if got := fmt.Sprint(kinds(lint.Rules(set(t, reset, peer), only("reset")))); got != "["+hidden+"]" {
		t.Errorf("findings of the broader rule alone: %s", got)
	}
	if got := kinds(lint.Rules(set(t, reset, peer), only("other"))); got != nil {
		t.Errorf("findings of another rule: %s", got)
	}
}

func TestAlone(t *testing.T) {
	facts := rule.Facts{ExitCodes: []int{1}}
	for _, tc := range []struct {
		rule rule.Rule
		want string
	}{
		{rule.Rule{Any: []string{"could not reach the license server"}}, ""},
		{rule.Rule{Facts: facts}, ""},
		{rule.Rule{Any: []string{"a*"}}, "r matches-empty any[0] 3\nr matches-ordinary 2"},
		{rule.Rule{Any: []string{"x{3}y*|^$"}, Facts: facts}, "r matches-empty any[0] 2"},
		{rule.Rule{Any: []string{"license server"}, None: []string{"^"}}, "r matches-empty none[0] 3"},
		{rule.Rule{Any: []string{"OutOfMemoryError"}}, "r matches-ordinary 2"},
		{rule.Rule{Any: []string{"OutOfMemoryError"}, Facts: facts}, "r matches-ordinary 1"},
		{rule.Rule{Any: []string{"OutOfMemoryError"}, Mode: rule.Off}, "r matches-ordinary 2"},
		{rule.Rule{Any: []string{`^\d+q\d+$`}}, "r costly any[0] 2"},
		{rule.Rule{Any: []string{`^\d+q\d+$`}, Facts: facts}, "r no-literal any[0] 2"},
		{rule.Rule{Any: []string{`zqx\d+`}}, "r short-literal any[0] 1"},
		{rule.Rule{Any: []string{`license (no [a-z]{2,900}){1}`}}, "r costly any[0] 2"},
		{rule.Rule{Any: []string{`.*license server gone`}}, "r unanchored-wildcard any[0] 1"},
		{rule.Rule{Any: []string{`license server gone.*`}}, "r unanchored-wildcard any[0] 1"},
		{rule.Rule{Any: []string{`license server gone (?P<why>.*)`}}, ""},
	} {
		tc.rule.ID = "r"
		if got := strings.Join(kinds(lint.Rules(set(t, tc.rule), nil)), "\n"); got != tc.want {
			t.Errorf("%v: findings = %q, want %q", tc.rule.Any, got, tc.want)
		}
	}
	var checks []string
	for _, f := range lint.Rules(set(t, rule.Rule{ID: "r", Any: []string{"license server"}}), nil) {
		checks = append(checks, f.Check)
		if f.Message == "" {
			t.Errorf("%s says nothing", f.Check)
		}
	}
	if got := fmt.Sprint(checks); got != "[no-sample no-near-miss no-owner]" {
		t.Errorf("findings = %s", got)
	}
}

func TestBuiltInRulesHaveNoErrors(t *testing.T) {
	packs, err := rule.LoadPacks(rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	var all []*rule.Compiled
	for _, p := range packs {
		for _, c := range p.Rules {
			c.Rule.BuiltIn = true
			all = append(all, c)
		}
	}
	set, err := rule.NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lint.Rules(set, nil) {
		switch f.Severity {
		case lint.Error:
			t.Errorf("%s: %s: %s %s", f.Rule, f.Check, f.Message, f.Field)
		case lint.Warning:
			t.Logf("%s: %s: %s %s", f.Rule, f.Check, f.Message, f.Field)
		}
	}
}
