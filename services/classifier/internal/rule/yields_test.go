package rule_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func TestWhatARuleMayYieldTo(t *testing.T) {
	for target, ok := range map[string]bool{
		"disk.full": true, "memory.*": true, "rules/other": true, "none": true,
		"": false, "disk": false, "disk.empty": false, "*": false, "unknown": false, "rules/": false, "rules/me": false, "code.bug": false, "code.*": false, "mem.*": false,
	} {
		_, err := rule.Compile("rule", rule.Rule{ID: "me", Any: []string{"x"}, Class: failure.CodeBug, Summary: "s", Mode: rule.Enforce, YieldsTo: []string{target}})
		if (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", target, err, ok)
		}
		if err != nil && !strings.Contains(err.Error(), "rule.yields_to[0]") {
			t.Errorf("%q: %v does not name the field", target, err)
		}
	}
	if _, err := rule.Compile("rule", rule.Rule{ID: "me", Any: []string{"x"}, Class: failure.CodeBug, Summary: "s", Mode: rule.Enforce, YieldsTo: []string{"none", "disk.full"}}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("none beside a class: %v, want Invalid", err)
	}
}

func TestCheckYields(t *testing.T) {
	ruleOf := func(id string, class failure.Class, to ...string) rule.Rule {
		return rule.Rule{ID: id, Class: class, Any: []string{"x"}, YieldsTo: to}
	}
	for _, tc := range []struct {
		name   string
		others []rule.Rule
		mine   rule.Rule
		want   string
	}{
		{"nothing", nil, ruleOf("me", failure.CodeBug), ""},
		{"a known rule", []rule.Rule{ruleOf("a", failure.DiskFull)}, ruleOf("me", failure.CodeBug, "rules/a"), ""},
		{"an unknown rule", nil, ruleOf("me", failure.CodeBug, "rules/a"), "rules/a does not exist"},
		{"two to each other", []rule.Rule{ruleOf("a", failure.DiskFull, "rules/me")}, ruleOf("me", failure.CodeBug, "rules/a"), "rules/a yields to this rule"},
		{"by way of classes", []rule.Rule{ruleOf("a", failure.DiskFull, "timeout"), ruleOf("b", failure.Timeout, "code.*")}, ruleOf("me", failure.CodeBug, "disk.full"), "rules/b yields to this rule"},
		{"a circle of others", []rule.Rule{ruleOf("a", failure.DiskFull, "timeout"), ruleOf("b", failure.Timeout, "disk.full")}, ruleOf("me", failure.CodeBug, "disk.full"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := newSet(t, append(tc.others, tc.mine)...).CheckYields("rule", &tc.mine)
			if tc.want == "" && err != nil || tc.want != "" && (errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("CheckYields = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestBuiltInRulesYieldWithoutCircles(t *testing.T) {
	s := builtIn(t)
	for _, c := range s.Rules() {
		if err := s.CheckYields("rules/"+c.Rule.ID, &c.Rule); err != nil {
			t.Error(err)
		}
	}
}
