package command_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (d *desks) RollbackRule(_ context.Context, r *redrivev1.RollbackRuleRequest) (*redrivev1.Rule, error) {
	d.last = r
	return &redrivev1.Rule{Name: r.GetName(), Revision: 5, BuiltIn: r.GetName() == "rules/heap"}, nil
}

func (d *desks) ListRuleRevisions(_ context.Context, r *redrivev1.ListRuleRevisionsRequest) (*redrivev1.ListRuleRevisionsResponse, error) {
	d.last = r
	rule := &redrivev1.Rule{Name: "rules/lic"}
	return &redrivev1.ListRuleRevisionsResponse{Revisions: []*redrivev1.RuleRevision{
		{Name: "rules/lic/revisions/2", Rule: rule, Action: redrivev1.RuleRevision_ACTION_UPDATE, Forced: true, Author: "ann", Reason: "too\nlate", CreateTime: ago(0), Changes: []string{"order: 1 → 2", `any: + "x"`}},
		{Name: "rules/lic/revisions/1", Rule: rule, Action: redrivev1.RuleRevision_ACTION_CREATE, CreateTime: ago(0)},
	}}, nil
}

// DiffRule answers as the name of the rule says.
func (d *desks) DiffRule(_ context.Context, r *redrivev1.DiffRuleRequest) (*redrivev1.DiffRuleResponse, error) {
	d.last = r
	first, second := &redrivev1.Rule{Revision: 1}, &redrivev1.Rule{Revision: 2}
	switch r.GetName() {
	case "rules/new":
		return &redrivev1.DiffRuleResponse{After: first}, nil
	case "rules/gone":
		return &redrivev1.DiffRuleResponse{Before: first}, nil
	case "rules/nothing":
		return &redrivev1.DiffRuleResponse{}, nil
	case "rules/same":
		return &redrivev1.DiffRuleResponse{Before: first, After: second}, nil
	}
	first.BuiltIn, second.BuiltIn, second.Overridden = true, true, true
	return &redrivev1.DiffRuleResponse{Before: first, After: second, Changes: []string{"order: 1 → 2", `any: + "x"`}}, nil
}

func (d *desks) ApplyRules(_ context.Context, r *redrivev1.ApplyRulesRequest) (*redrivev1.ApplyRulesResponse, error) {
	d.last = r
	resp := &redrivev1.ApplyRulesResponse{Unchanged: 7, Revisions: []*redrivev1.RuleRevision{
		{Rule: &redrivev1.Rule{Name: "rules/new", Summary: "it is new"}, Action: redrivev1.RuleRevision_ACTION_APPLY},
		{Rule: &redrivev1.Rule{Name: "rules/lic"}, Action: redrivev1.RuleRevision_ACTION_APPLY, Changes: []string{"order: 1 → 2"}},
		{Rule: &redrivev1.Rule{Name: "rules/old"}, Action: redrivev1.RuleRevision_ACTION_DELETE},
		{Rule: &redrivev1.Rule{Name: "rules/heap", Overridden: true}, Action: redrivev1.RuleRevision_ACTION_DELETE, Changes: []string{"order: 2 → 1"}},
	}}
	if r.GetValidateOnly() && !r.GetForce() {
		resp.Refusals = []string{"rules/new has not been tried"}
	}
	return resp, nil
}

func (d *desks) ExportRules(_ context.Context, r *redrivev1.ExportRulesRequest) (*redrivev1.ExportRulesResponse, error) {
	d.last = r
	if r.GetPack() == "none" {
		return &redrivev1.ExportRulesResponse{}, nil
	}
	return &redrivev1.ExportRulesResponse{Yaml: "pack: p\nrules: []\n", Count: 1}, nil
}

func TestHistoryOfRules(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want proto.Message
		says []string
	}{
		{[]string{"history"}, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/-", PageSize: 100}, []string{
			"RULE       REVISION  WHEN", "update, forced  ann  too late  order: 1 → 2; any: + \"x\"\n", "rules/lic  1 ",
		}},
		{[]string{"history", "lic", "--limit", "1"}, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/lic", PageSize: 1}, nil},
		{[]string{"history", "lic", "-o", "yaml"}, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/lic", PageSize: 100}, []string{"revisions:\n  - name: rules/lic/revisions/2\n"}},
		{[]string{"diff", "lic"}, &redrivev1.DiffRuleRequest{Name: "rules/lic"}, []string{"rules/lic: the built-in rule → revision 2\n    order: 1 → 2\n    any: + \"x\"\n"}},
		{[]string{"diff", "same", "1", "2"}, &redrivev1.DiffRuleRequest{Name: "rules/same", From: 1, To: 2}, []string{"rules/same: revision 1 → revision 2\n  nothing differs\n"}},
		{[]string{"diff", "new", "3"}, &redrivev1.DiffRuleRequest{Name: "rules/new", From: 3}, []string{"rules/new is new with revision 1;"}},
		{[]string{"diff", "gone"}, &redrivev1.DiffRuleRequest{Name: "rules/gone"}, []string{"rules/gone is deleted after revision 1\n"}},
		{[]string{"diff", "nothing"}, &redrivev1.DiffRuleRequest{Name: "rules/nothing"}, []string{"rules/nothing was not there"}},
		{[]string{"diff", "lic", "-o", "json"}, &redrivev1.DiffRuleRequest{Name: "rules/lic"}, []string{`"changes": [`}},
		{[]string{"export", "--pack", "p", "--built-in"}, &redrivev1.ExportRulesRequest{Pack: "p", BuiltIn: true}, []string{"pack: p\nrules: []\n"}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			d := &desks{}
			dir := start(t, services{classifier: d})
			run(t, "", append([]string{"--data", dir, "rules"}, tc.args...)...).check(t, command.ExitOK, tc.says, nil)
			if !proto.Equal(d.last, tc.want) {
				t.Errorf("request %v\nwant    %v", d.last, tc.want)
			}
		})
	}
	dir := start(t, services{classifier: &desks{}})
	run(t, "", "--data", dir, "rules", "export", "--pack", "none").check(t, command.ExitOK, nil, []string{"There are no such rules; --built-in"})
}

func TestApplyRules(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"b.yaml": "pack: b", "a.yaml": "pack: a\n", "c.txt": "no pack", "bad.yml": "pack: [\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &desks{}
	dir := start(t, services{classifier: d})
	r := run(t, "pack: x", "--data", dir, "rules", "apply", folder, "-", "--prune", "--author", "ann", "--reason", "why")
	r.check(t, command.ExitOK, nil, nil)
	if want := "+ rules/new: it is new\n~ rules/lic\n    order: 1 → 2\n- rules/old\n- rules/heap: the built-in rule is back\n    order: 2 → 1\n4 rules changed, 7 stay as they are\n"; r.stdout != want {
		t.Errorf("stdout = %q, want %q", r.stdout, want)
	}
	if want := (&redrivev1.ApplyRulesRequest{Yaml: "pack: a\n\n---\npack: b\n---\npack: x", Prune: true, Author: "ann", Reason: "why"}); !proto.Equal(d.last, want) {
		t.Errorf("request %v\nwant    %v", d.last, want)
	}
	run(t, "pack: x", "--data", dir, "rules", "apply", "-", "--dry-run").check(t, command.ExitNegative, []string{"4 rules would change, 7 stay"}, []string{"rules/new has not been tried"})
	run(t, "pack: x", "--data", dir, "rules", "apply", "-", "--dry-run", "--force", "-o", "json").check(t, command.ExitOK, []string{`"unchanged": 7`}, nil)
	run(t, "", "--data", dir, "rules", "apply", filepath.Join(folder, "bad.yml")).check(t, command.ExitUsage, nil, []string{"bad.yml: yaml: line 1"})
}
