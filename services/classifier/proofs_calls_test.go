package classifier

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestARuleIsTriedOnAStoredFailure(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	w.run(s.outbox.Run)
	f := classify(t, c, "job", 1, "x\nflux capacitor 7 is empty\n")
	got, err := c.TestRule(t.Context(), &redrivev1.TestRuleRequest{Rule: candidate, Failure: f.GetName()})
	if err != nil || !got.GetMatched() || got.GetMatch().GetLine() != 2 || got.GetMatch().GetSource() != "stderr" {
		t.Errorf("TestRule = %v, %v", got, err)
	}
	elsewhere := proto.CloneOf(candidate)
	elsewhere.Sources = []string{"driver"}
	if got, err = c.TestRule(t.Context(), &redrivev1.TestRuleRequest{Rule: elsewhere, Failure: f.GetName()}); err != nil || got.GetMatched() || len(got.GetMissing()) != 1 {
		t.Errorf("TestRule of a rule for another log = %v, %v", got, err)
	}
}

func TestBadProofRequests(t *testing.T) {
	w := newWorld(t)
	_, c := w.service(Options{})
	ctx := t.Context()
	for name, tc := range map[string]struct {
		call func() error
		want errs.Kind
	}{
		"backtest of nothing": {func() error { _, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{}); return err }, errs.Invalid},
		"backtest of a rule without a name": {func() error {
			r := proto.CloneOf(candidate)
			r.Name = ""
			_, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Rule: r})
			return err
		}, errs.Invalid},
		"backtest of no rule": {func() error {
			_, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Rule: &redrivev1.Rule{Name: "rules/x"}})
			return err
		}, errs.Invalid},
		"backtest of a rule that is not there": {func() error {
			_, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Name: "rules/none"})
			return err
		}, errs.NotFound},
		"backtest of too many": {func() error {
			_, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Rule: candidate, MaxFailures: 1_000_000})
			return err
		}, errs.Invalid},
		"backtest of the future": {func() error {
			_, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Rule: candidate, Window: durationpb.New(-1)})
			return err
		}, errs.Invalid},
		"get of no name": {func() error { _, err := c.GetBacktest(ctx, &redrivev1.GetBacktestRequest{Name: "x"}); return err }, errs.Invalid},
		"cancel of none": {func() error {
			_, err := c.CancelBacktest(ctx, &redrivev1.CancelBacktestRequest{Name: "backtests/x"})
			return err
		}, errs.NotFound},
		"reclassify of no class": {func() error {
			_, err := c.ReclassifyFailures(ctx, &redrivev1.ReclassifyFailuresRequest{Class: "nonsense"})
			return err
		}, errs.Invalid},
		"stats of no rule": {func() error {
			_, err := c.ListRuleStats(ctx, &redrivev1.ListRuleStatsRequest{Rule: "rules/none"})
			return err
		}, errs.NotFound},
		"stats of less than nothing": {func() error {
			_, err := c.ListRuleStats(ctx, &redrivev1.ListRuleStatsRequest{StaleFor: durationpb.New(-1)})
			return err
		}, errs.Invalid},
		"a test on a failure and a text": {func() error {
			_, err := c.TestRule(ctx, &redrivev1.TestRuleRequest{Rule: candidate, Failure: "failures/x", Text: "x"})
			return err
		}, errs.Invalid},
		"a test on no failure": {func() error {
			_, err := c.TestRule(ctx, &redrivev1.TestRuleRequest{Rule: candidate, Failure: "failures/x"})
			return err
		}, errs.NotFound},
	} {
		if err := tc.call(); kind(err) != tc.want {
			t.Errorf("%s = %v, want %v", name, err, tc.want)
		}
	}
}

func TestLintByAPI(t *testing.T) {
	w := newWorld(t)
	_, c := w.running(Options{})
	ctx := t.Context()
	hidden := &redrivev1.Rule{Name: "rules/zz", Order: 1, Any: []string{"t-bug null pointer"}, Class: "disk.full", Summary: "s", Sample: "t-bug null pointer", NearMisses: []string{"x"}, Owner: "me"}
	got, err := c.LintRules(ctx, &redrivev1.LintRulesRequest{Rule: hidden})
	if err != nil || got.GetRules() != 1 || len(got.GetFindings()) != 1 {
		t.Fatalf("LintRules = %v, %v", got, err)
	}
	if f := got.GetFindings()[0]; f.GetCheck() != "unreachable" || f.GetRule() != "rules/zz" || f.GetOther() != "rules/t-bug" || f.GetMessage() == "" {
		t.Errorf("finding = %v", f)
	}
	pack := "pack: mine\nrules:\n  - {id: zz, order: 7, any: ['zz top gone'], class: disk.full, summary: s}\n  - {id: yy, order: 8, any: ['zz top gone away'], class: code.bug, summary: s}\n"
	if got, err = c.LintRules(ctx, &redrivev1.LintRulesRequest{Yaml: pack}); err != nil || got.GetRules() != 2 || !slices.ContainsFunc(got.GetFindings(), func(f *redrivev1.LintFinding) bool {
		return f.GetRule() == "rules/yy" && f.GetOther() == "rules/zz" && f.GetCheck() == "unreachable"
	}) {
		t.Errorf("LintRules of a pack = %v, %v", got, err)
	}
	if got, err = c.LintRules(ctx, &redrivev1.LintRulesRequest{Name: "rules/t-heap"}); err != nil || got.GetRules() != 1 || len(got.GetFindings()) != 3 {
		t.Errorf("LintRules of a stored rule = %v, %v, want that it has no sample, near miss and owner", got, err)
	}
	all, err := c.LintRules(ctx, &redrivev1.LintRulesRequest{})
	if err != nil || all.GetRules() < 60 {
		t.Fatalf("LintRules of all = %d, %v", all.GetRules(), err)
	}
	for _, f := range all.GetFindings() {
		if f.GetSeverity() == redrivev1.LintFinding_SEVERITY_ERROR {
			t.Errorf("finding = %v", f)
		}
	}
	for _, bad := range []*redrivev1.LintRulesRequest{{Name: "rules/t-bug", Rule: hidden}, {Rule: &redrivev1.Rule{}}, {Yaml: "x: 1"}, {Name: "x"}} {
		if _, err := c.LintRules(ctx, bad); kind(err) != errs.Invalid {
			t.Errorf("LintRules(%v) = %v, want Invalid", bad, err)
		}
	}
}
