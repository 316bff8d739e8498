package classifier

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func kind(err error) errs.Kind { return errs.KindOf(errs.FromStatus(err)) }

func TestRulesByAPI(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	ctx := t.Context()
	create := &redrivev1.CreateRuleRequest{RuleId: "mine", RequestId: "q", Force: true, Rule: &redrivev1.Rule{
		Name: "rules/ignored", Order: 5, Any: []string{"boom (?P<what>.+)"}, Class: "disk.full", Summary: "no room for {what}", Revision: 99, BuiltIn: true, Sample: "boom x",
	}}
	check := proto.CloneOf(create)
	check.ValidateOnly = true
	if r, err := c.CreateRule(ctx, check); err != nil || r.GetRevision() != 1 || r.GetMode() != redrivev1.Rule_MODE_ENFORCE {
		t.Errorf("CreateRule with validate_only = %v, %v", r, err)
	}
	if _, err := c.GetRule(ctx, &redrivev1.GetRuleRequest{Name: "rules/mine"}); kind(err) != errs.NotFound {
		t.Errorf("GetRule after a check = %v, want NotFound", err)
	}
	made, err := c.CreateRule(ctx, create)
	if err != nil || made.GetName() != "rules/mine" || made.GetBuiltIn() || made.GetRevision() != 1 || made.GetEtag() == "" {
		t.Fatalf("CreateRule = %v, %v", made, err)
	}
	if again, err := c.CreateRule(ctx, create); err != nil || !proto.Equal(again, made) {
		t.Errorf("CreateRule again = %v, %v, want the first one", again, err)
	}
	if got := s.book.Set().Rules()[0].Rule; got.ID != "mine" {
		t.Errorf("the first rule at work is %s", got.ID)
	}
	update := func(r *redrivev1.Rule, paths ...string) (*redrivev1.Rule, error) {
		r.Name = "rules/mine"
		return c.UpdateRule(ctx, &redrivev1.UpdateRuleRequest{Rule: r, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}, Force: true})
	}
	r, err := update(&redrivev1.Rule{Owner: "me", Revision: 50, Facts: &redrivev1.RuleFacts{ExitCodes: []int32{1}}})
	if err != nil || r.GetOwner() != "me" || r.GetSummary() != "no room for {what}" || r.GetRevision() != 2 || len(r.GetFacts().GetExitCodes()) != 1 {
		t.Errorf("UpdateRule of what is set = %v, %v", r, err)
	}
	if r, err = update(&redrivev1.Rule{Owner: "you", Sample: "boom y"}, "sample", "facts.exit_codes"); err != nil || r.GetOwner() != "me" || r.GetSample() != "boom y" || r.GetFacts() != nil {
		t.Errorf("UpdateRule of sample and a fact = %v, %v", r, err)
	}
	if r, err = update(&redrivev1.Rule{Any: []string{"bang"}, Class: "code.bug", Summary: "s"}, "*"); err != nil || r.GetOrder() != 0 || r.GetOwner() != "" || r.GetRevision() != 4 {
		t.Errorf("UpdateRule of all = %v, %v", r, err)
	}
	for name, tc := range map[string]struct {
		rule  *redrivev1.Rule
		paths []string
		want  errs.Kind
	}{
		"no such field":      {&redrivev1.Rule{}, []string{"colour"}, errs.Invalid},
		"an output field":    {&redrivev1.Rule{Revision: 3}, []string{"revision"}, errs.Invalid},
		"no such fact":       {&redrivev1.Rule{}, []string{"facts.moon"}, errs.Invalid},
		"a bad pattern":      {&redrivev1.Rule{Any: []string{"("}}, nil, errs.Invalid},
		"an old etag":        {&redrivev1.Rule{Owner: "x", Etag: made.GetEtag()}, nil, errs.Conflict},
		"the etag of now":    {&redrivev1.Rule{Owner: "x", Etag: r.GetEtag()}, nil, errs.None},
		"nothing of it left": {&redrivev1.Rule{}, []string{"any"}, errs.Invalid},
	} {
		if _, err := update(tc.rule, tc.paths...); kind(err) != tc.want {
			t.Errorf("UpdateRule with %s = %v, want %v", name, err, tc.want)
		}
	}
	if _, err := c.DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: "rules/mine", Etag: made.GetEtag()}); kind(err) != errs.Conflict {
		t.Errorf("DeleteRule with an old etag = %v, want Conflict", err)
	}
	if _, err := c.DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: "rules/mine"}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: "rules/mine"}); kind(err) != errs.NotFound {
		t.Errorf("DeleteRule again = %v, want NotFound", err)
	}
}

func TestBadRuleRequests(t *testing.T) {
	w := newWorld(t)
	_, c := w.service(Options{})
	ctx := t.Context()
	good := &redrivev1.Rule{Any: []string{"x"}, Class: "code.bug", Summary: "s"}
	for name, call := range map[string]func() error{
		"create without a rule": func() error {
			_, err := c.CreateRule(ctx, &redrivev1.CreateRuleRequest{RuleId: "x"})
			return err
		},
		"create without an id": func() error {
			_, err := c.CreateRule(ctx, &redrivev1.CreateRuleRequest{Rule: good})
			return err
		},
		"create with a long request id": func() error {
			_, err := c.CreateRule(ctx, &redrivev1.CreateRuleRequest{RuleId: "x", Rule: good, RequestId: strings.Repeat("x", 200)})
			return err
		},
		"create of an unknown mode": func() error {
			_, err := c.CreateRule(ctx, &redrivev1.CreateRuleRequest{RuleId: "x", Rule: &redrivev1.Rule{Any: []string{"x"}, Class: "code.bug", Summary: "s", Mode: 9}})
			return err
		},
		"get of no name":      func() error { _, err := c.GetRule(ctx, &redrivev1.GetRuleRequest{}); return err },
		"update without rule": func() error { _, err := c.UpdateRule(ctx, &redrivev1.UpdateRuleRequest{}); return err },
		"list of no class": func() error {
			_, err := c.ListRules(ctx, &redrivev1.ListRulesRequest{Class: "nonsense"})
			return err
		},
		"list of less than nothing": func() error {
			_, err := c.ListRules(ctx, &redrivev1.ListRulesRequest{PageSize: -1})
			return err
		},
		"list of a forged token": func() error {
			_, err := c.ListRules(ctx, &redrivev1.ListRulesRequest{PageToken: "AAAA"})
			return err
		},
		"test of nothing": func() error { _, err := c.TestRule(ctx, &redrivev1.TestRuleRequest{}); return err },
		"test of both": func() error {
			_, err := c.TestRule(ctx, &redrivev1.TestRuleRequest{Name: "rules/x", Rule: good})
			return err
		},
		"failures of no class": func() error {
			_, err := c.ListFailures(ctx, &redrivev1.ListFailuresRequest{Class: "nonsense"})
			return err
		},
		"failures of no job": func() error {
			_, err := c.ListFailures(ctx, &redrivev1.ListFailuresRequest{Job: "nonsense"})
			return err
		},
		"failure of no name":  func() error { _, err := c.GetFailure(ctx, &redrivev1.GetFailureRequest{}); return err },
		"replay of no name":   func() error { _, err := c.ReplayFailure(ctx, &redrivev1.ReplayFailureRequest{}); return err },
		"classify of nothing": func() error { _, err := c.Classify(ctx, &redrivev1.ClassifyRequest{}); return err },
		"classify of our own": func() error {
			_, err := c.Classify(ctx, &redrivev1.ClassifyRequest{Attempt: &redrivev1.AttemptRef{Source: "redrive", Job: "x", Attempt: 1}, Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "e"}})
			return err
		},
	} {
		if err := call(); kind(err) != errs.Invalid {
			t.Errorf("%s = %v, want Invalid", name, err)
		}
	}
}

func TestBuiltInRulesAreListedInOrder(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	want := s.book.Set().Rules()
	if len(want) < 60 {
		t.Errorf("%d built-in rules, want at least 60", len(want))
	}
	at := 0
	for token := ""; ; {
		page, err := c.ListRules(t.Context(), &redrivev1.ListRulesRequest{PageSize: 7, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.GetRules() {
			if r.GetName() != "rules/"+want[at].Rule.ID || !r.GetBuiltIn() || r.GetEtag() == "" {
				t.Errorf("rule %d is %s, want %s", at, r.GetName(), want[at].Rule.ID)
			}
			at++
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if at != len(want) {
		t.Errorf("%d rules were listed, want %d", at, len(want))
	}
	name := "rules/" + want[0].Rule.ID
	if _, err := c.DeleteRule(t.Context(), &redrivev1.DeleteRuleRequest{Name: name}); kind(err) != errs.FailedPrecondition {
		t.Errorf("DeleteRule of a built-in rule = %v, want FailedPrecondition", err)
	}
	off := &redrivev1.UpdateRuleRequest{Rule: &redrivev1.Rule{Name: name, Mode: redrivev1.Rule_MODE_OFF}}
	if r, err := c.UpdateRule(t.Context(), off); err != nil || !r.GetOverridden() || !r.GetBuiltIn() {
		t.Errorf("UpdateRule of a built-in rule = %v, %v", r, err)
	}
	if m := s.book.Set().Match(want[0].Rule.SampleInput()); len(m) > 0 && m[0].Rule == want[0].Rule.ID {
		t.Errorf("a rule that is off matched")
	}
}

func TestTestRule(t *testing.T) {
	w := newWorld(t)
	_, c := w.service(Options{})
	one := int32(1)
	r := &redrivev1.Rule{Any: []string{"boom (?P<what>.+)"}, All: []string{"bang"}, Sources: []string{"driver"}, Class: "disk.full", Summary: "no room for {what}", Facts: &redrivev1.RuleFacts{ExitCodes: []int32{1}}, Sample: "does not matter here"}
	got, err := c.TestRule(t.Context(), &redrivev1.TestRuleRequest{Rule: r, Text: "x\nboom token=abc\nbang", Evidence: &redrivev1.Evidence{ExitCode: &one}})
	if err != nil || !got.GetMatched() || got.GetMatch().GetLine() != 2 || got.GetMatch().GetSummary() != "no room for token=[REDACTED]" {
		t.Errorf("TestRule = %v, %v", got, err)
	}
	got, err = c.TestRule(t.Context(), &redrivev1.TestRuleRequest{Rule: r, Text: "boom x"})
	if err != nil || got.GetMatched() || len(got.GetMissing()) != 2 || !strings.HasPrefix(got.GetMissing()[0], "facts.exit_codes") || !strings.HasPrefix(got.GetMissing()[1], "all[0]") {
		t.Errorf("TestRule = %v, %v, want what is missing", got, err)
	}
	if _, err = c.TestRule(t.Context(), &redrivev1.TestRuleRequest{Name: "rules/none", Text: "x"}); kind(err) != errs.NotFound {
		t.Errorf("TestRule of none = %v, want NotFound", err)
	}
}

func TestOfflineSaysWhatTheServiceSays(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	w.run(s.outbox.Run)
	o, err := NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, r := range s.book.Set().Rules() {
		if r.Rule.Sample == "" || !r.Rule.Facts.Empty() || len(r.Rule.Sources) > 0 {
			continue
		}
		if at++; at%10 != 0 {
			continue // each takes its time
		}
		off := o.Classify("x", r.Rule.Sample)
		m := told("offline", at, r.Rule.Sample)
		on, err := c.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Evidence: &redrivev1.Evidence{Logs: m.GetEvidence().GetLogs()}})
		if err != nil {
			t.Fatal(err)
		}
		if off.ID != "x" || off.Class != on.GetClass() || "rules/"+off.Rule != on.GetRule() || "VERDICT_"+off.Verdict != on.GetVerdict().String() || off.Summary != on.GetSummary() {
			t.Errorf("offline %+v, service %s %s %s %q", off, on.GetClass(), on.GetRule(), on.GetVerdict(), on.GetSummary())
		}
	}
	if got := o.Classify("y", "all is quiet"); got.Class != "unknown" || got.Rule != "" || got.Verdict != "UNKNOWN" {
		t.Errorf("Classify of nothing known = %+v", got)
	}
}

func TestOfflineLoadsPacks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pack := "pack: NAME\nrules:\n  - {id: own, order: 1, any: ['it is WORD'], class: disk.full, summary: 'WORD', runbook: r, sample: 'it is WORD'}\n"
	a := write("a.yaml", strings.NewReplacer("NAME", "a", "WORD", "first").Replace(pack))
	write("b.yaml", strings.NewReplacer("NAME", "b", "WORD", "second").Replace(pack))
	o, err := NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.LoadPacks(a); err != nil {
		t.Fatal(err)
	}
	if got := o.Classify("", "it is first"); got.Rule != "own" || got.Summary != "first" {
		t.Errorf("Classify = %+v", got)
	}
	if err := o.LoadPacks(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	if got := o.Classify("", "it is second"); got.Summary != "second" {
		t.Errorf("Classify = %+v, want the later pack", got)
	}
	for name, path := range map[string]string{"two rules of one id": dir, "no pack": write("c.yaml", "x: 1"), "an empty folder": t.TempDir(), "nothing": filepath.Join(dir, "none")} {
		if err := o.LoadPacks(path); err == nil {
			t.Errorf("LoadPacks of %s succeeded", name)
		}
	}
}
