package command_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// prover answers about backtests; one that it begins runs until it is asked for
// the second time, or for ever.
type prover struct {
	redrivev1.UnimplementedClassifierServiceServer
	forever bool
	mu      sync.Mutex
	asked   []proto.Message
	watched chan struct{} // closed when a backtest is asked for
}

func (p *prover) note(m proto.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, m)
}

func (p *prover) BacktestRule(_ context.Context, r *redrivev1.BacktestRuleRequest) (*redrivev1.Backtest, error) {
	p.note(r)
	return &redrivev1.Backtest{Name: "backtests/b1", State: redrivev1.Backtest_STATE_RUNNING, Rule: r.GetRule(), Total: 40}, nil
}

func (p *prover) ReclassifyFailures(_ context.Context, r *redrivev1.ReclassifyFailuresRequest) (*redrivev1.Backtest, error) {
	p.note(r)
	return &redrivev1.Backtest{Name: "backtests/b2", State: redrivev1.Backtest_STATE_DONE, Class: "unknown", ValidateOnly: r.GetValidateOnly()}, nil
}

func (p *prover) GetBacktest(_ context.Context, r *redrivev1.GetBacktestRequest) (*redrivev1.Backtest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watched != nil {
		close(p.watched)
		p.watched = nil
	}
	if p.forever {
		return &redrivev1.Backtest{Name: r.GetName(), State: redrivev1.Backtest_STATE_RUNNING, Examined: 1, Total: 40}, nil
	}
	return tested(), nil
}

func (p *prover) CancelBacktest(_ context.Context, r *redrivev1.CancelBacktestRequest) (*redrivev1.Backtest, error) {
	p.note(r)
	return &redrivev1.Backtest{Name: r.GetName(), State: redrivev1.Backtest_STATE_CANCELLED, Examined: 1, Total: 40}, nil
}

func (p *prover) ListBacktests(context.Context, *redrivev1.ListBacktestsRequest) (*redrivev1.ListBacktestsResponse, error) {
	return &redrivev1.ListBacktestsResponse{Backtests: []*redrivev1.Backtest{tested(), {Name: "backtests/b0", State: redrivev1.Backtest_STATE_FAILED, Class: "unknown"}}}, nil
}

// ApplyRules says that one of two rules needs a backtest.
func (p *prover) ApplyRules(_ context.Context, r *redrivev1.ApplyRulesRequest) (*redrivev1.ApplyRulesResponse, error) {
	p.note(r)
	return &redrivev1.ApplyRulesResponse{Revisions: []*redrivev1.RuleRevision{
		{Rule: &redrivev1.Rule{Name: "rules/needs"}, Forced: true}, {Rule: &redrivev1.Rule{Name: "rules/shadow"}},
	}}, nil
}

func (p *prover) LintRules(_ context.Context, r *redrivev1.LintRulesRequest) (*redrivev1.LintRulesResponse, error) {
	p.note(r)
	resp := &redrivev1.LintRulesResponse{Rules: 3, Findings: []*redrivev1.LintFinding{
		{Rule: "rules/a", Severity: redrivev1.LintFinding_SEVERITY_WARNING, Check: "costly", Field: "any[0]", Message: "it costs\x1b[2J"},
		{Rule: "rules/a", Severity: redrivev1.LintFinding_SEVERITY_NOTE, Check: "no-owner", Message: "it has no owner to ask"},
	}}
	if r.GetName() == "rules/bad" {
		resp.Findings[0].Severity = redrivev1.LintFinding_SEVERITY_ERROR
	}
	return resp, nil
}

func (p *prover) ListRuleStats(_ context.Context, r *redrivev1.ListRuleStatsRequest) (*redrivev1.ListRuleStatsResponse, error) {
	p.note(r)
	return &redrivev1.ListRuleStatsResponse{CountedSince: ago(48 * time.Hour), CountedUntil: ago(time.Minute), Stats: []*redrivev1.RuleStats{
		{Rule: "rules/a", Mode: redrivev1.Rule_MODE_SHADOW, Matches: 7, ShadowWins: 5, ShadowDisagreements: 2, Precision: new(0.75), LastMatchTime: ago(time.Hour), Outcomes: &redrivev1.RetryOutcomes{Succeeded: 3, Failed: 1}},
		{Rule: "rules/never", Mode: redrivev1.Rule_MODE_ENFORCE},
	}}, nil
}

func (p *prover) TestRule(_ context.Context, r *redrivev1.TestRuleRequest) (*redrivev1.TestRuleResponse, error) {
	p.note(r)
	return &redrivev1.TestRuleResponse{Matched: true, Match: &redrivev1.RuleMatch{Summary: "it broke"}}, nil
}

// tested is a backtest that has found something.
func tested() *redrivev1.Backtest {
	return &redrivev1.Backtest{
		Name: "backtests/b1", State: redrivev1.Backtest_STATE_DONE, Rule: &redrivev1.Rule{Name: "rules/lic", Class: "dependency.unavailable", Verdict: redrivev1.Verdict_VERDICT_DO_NOT_RETRY},
		Examined: 40, Total: 40, Matched: 12, Won: 11, SavedSeconds: 7200, LostSuccesses: 1,
		Outcomes: &redrivev1.RetryOutcomes{Succeeded: 1, Failed: 9, Unknown: 1}, OtherOutcomes: &redrivev1.RetryOutcomes{SucceededChanged: 20, Stopped: 8},
		Changes: []*redrivev1.BacktestChange{
			{FromRule: "rules/heap", FromClass: "memory.driver", FromVerdict: redrivev1.Verdict_VERDICT_RETRY_WITH_CONFIG, ToRule: "rules/lic", ToClass: "dependency.unavailable", ToVerdict: redrivev1.Verdict_VERDICT_DO_NOT_RETRY, Count: 2, Failures: []string{"failures/f2"}},
			{FromClass: "unknown", FromVerdict: redrivev1.Verdict_VERDICT_UNKNOWN, ToRule: "rules/lic", ToClass: "dependency.unavailable", ToVerdict: redrivev1.Verdict_VERDICT_DO_NOT_RETRY, Count: 9, Failures: []string{"failures/f1"}},
		},
	}
}

func TestProofsOfRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rule := write("lic.yaml", "name: rules/lic\nany: [x]\n")
	pack := write("pack.yaml", "pack: mine\nrules:\n  - {id: needs}\n")
	lic := &redrivev1.Rule{Name: "rules/lic", Any: []string{"x"}}
	for _, tc := range []struct {
		name   string
		args   []string
		status int
		asked  proto.Message // the last
		want   []string
	}{
		{
			"backtest of a file",
			[]string{"rules", "backtest", rule, "--window", "30d", "--max", "40"},
			0,
			&redrivev1.BacktestRuleRequest{Rule: lic, Window: durationpb.New(30 * 24 * time.Hour), MaxFailures: 40},
			[]string{
				"40 of 40 failures", "12 of 40 failures", "11 of 40 failures, dependency.unavailable DO_NOT_RETRY", "1 succeeded as it was, 9 failed again, 1 not known",
				"20 succeeded with another configuration, 8 not retried", "2 h of attempts that failed again", "1 retry that succeeded",
				"no rule: unknown UNKNOWN", "heap: memory.driver RETRY_WITH_CONFIG", "lic: dependency.unavailable DO_NOT_RETRY", "failures/f1",
			},
		},
		{"backtest of a stored rule, detached", []string{"rules", "backtest", "lic", "--detach"}, 0, &redrivev1.BacktestRuleRequest{Name: "rules/lic"}, []string{"backtests/b1\n"}},
		{"backtest of a pack", []string{"rules", "backtest", pack, "--detach"}, 0, &redrivev1.BacktestRuleRequest{Rule: &redrivev1.Rule{Name: "rules/needs"}}, []string{"backtests/b1\n"}},
		{"backtest as JSON", []string{"rules", "backtest", rule, "-o", "json"}, 0, &redrivev1.BacktestRuleRequest{Rule: lic}, []string{`"state": "STATE_DONE"`}},
		{"backtests", []string{"rules", "backtests"}, 0, nil, []string{"backtests/b1", "rules/lic", "40 of 40", "FAILED", "today's rules on unknown"}},
		{"one backtest", []string{"rules", "backtests", "b1"}, 0, nil, []string{"it would save"}},
		{"one backtest as YAML", []string{"rules", "backtests", "b1", "-o", "yaml"}, 0, nil, []string{"savedSeconds: 7200"}},
		{"cancel", []string{"rules", "backtests", "--cancel", "b1"}, 0, &redrivev1.CancelBacktestRequest{Name: "backtests/b1"}, []string{"backtests/b1 is CANCELLED"}},
		{"cancel nothing", []string{"rules", "backtests", "--cancel"}, command.ExitUsage, nil, nil},
		{"a bad window", []string{"rules", "backtest", rule, "--window", "30"}, command.ExitUsage, nil, nil},
		{"a test on a failure", []string{"rules", "test", rule, "failures/f1"}, 0, &redrivev1.TestRuleRequest{Rule: lic, Failure: "failures/f1"}, []string{"it broke"}},
		{"a test on a failure with facts", []string{"rules", "test", rule, "failures/f1", "--exit-code", "1"}, command.ExitUsage, nil, nil},
		{
			"reclassify",
			[]string{"failures", "reclassify", "--class", "timeout", "--dry-run", "--window", "12h"},
			0,
			&redrivev1.ReclassifyFailuresRequest{Class: "timeout", ValidateOnly: true, Window: durationpb.New(12 * time.Hour)},
			[]string{"nothing noted", "nothing would change"},
		},
		{"lint", []string{"rules", "lint"}, 0, &redrivev1.LintRulesRequest{}, []string{"WARNING", "rules/a", "costly", "any[0]", "it costs"}},
		{"lint of a file", []string{"rules", "lint", rule}, 0, &redrivev1.LintRulesRequest{Rule: lic}, []string{"no-owner"}},
		{"lint of a pack", []string{"rules", "lint", pack}, 0, &redrivev1.LintRulesRequest{Yaml: "pack: mine\nrules:\n  - {id: needs}\n"}, []string{"costly"}},
		{"lint with an error", []string{"rules", "lint", "bad"}, command.ExitNegative, &redrivev1.LintRulesRequest{Name: "rules/bad"}, []string{"ERROR"}},
		{"stats", []string{"rules", "stats"}, 0, &redrivev1.ListRuleStatsRequest{PageSize: 100}, []string{"rules/a", "SHADOW", "7", "5", "2", "75", "3 succeeded as it was, 1 failed again"}},
		{"stats of stale rules", []string{"rules", "stats", "--stale", "90d"}, 0, &redrivev1.ListRuleStatsRequest{PageSize: 100, StaleFor: durationpb.New(90 * 24 * time.Hour)}, []string{"rules/never"}},
		{"stats of one", []string{"rules", "stats", "never"}, 0, &redrivev1.ListRuleStatsRequest{PageSize: 100, Rule: "rules/never"}, []string{"rules/never"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &prover{}
			r := run(t, "", append([]string{"--data", start(t, services{classifier: p})}, tc.args...)...)
			r.check(t, tc.status, tc.want, nil)
			if strings.Contains(r.stdout, "\x1b[2J") || tc.name == "stats" && strings.Contains(r.stdout, "never") || tc.name == "lint" && strings.Contains(r.stdout, "no-owner") {
				t.Errorf("stdout has what it should not:\n%s", r.stdout)
			}
			if tc.asked != nil && (len(p.asked) == 0 || !proto.Equal(p.asked[len(p.asked)-1], tc.asked)) {
				t.Errorf("asked = %v, want %v at last", p.asked, tc.asked)
			}
		})
	}
}

func TestAnInterruptCancelsABacktest(t *testing.T) {
	watched := make(chan struct{})
	p := &prover{forever: true, watched: watched}
	dir := start(t, services{classifier: p})
	go func() {
		<-watched
		interrupt(t, syscall.SIGINT)
	}()
	run(t, "", "--data", dir, "rules", "backtest", "lic").check(t, command.ExitNegative, []string{"CANCELLED", "1 of 40"}, []string{"backtests/b1 is cancelled."})
	if want := (&redrivev1.CancelBacktestRequest{Name: "backtests/b1"}); !proto.Equal(p.asked[len(p.asked)-1], want) {
		t.Errorf("asked = %v", p.asked)
	}
}
