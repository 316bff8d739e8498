package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// askEvery is how often a backtest is asked how far it is.
const askEvery = 300 * time.Millisecond

// trial has the flags of what runs rules over stored failures.
type trial struct {
	window age
	most   int32
	detach bool
}

func addTrial(cmd *cobra.Command) *trial {
	t := &trial{}
	cmd.Flags().Var(&t.window, "window", "only failures this young, such as 30d; all that are kept when not given")
	cmd.Flags().Int32Var(&t.most, "max", 0, "at most so many failures, the newest; 10,000 when not given")
	cmd.Flags().BoolVar(&t.detach, "detach", false, "do not wait: `redrive rules backtests` shows how it goes")
	return t
}

func (a *app) ruleBacktest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backtest RULE|FILE…",
		Short: "Try rules on stored failures, and say what would change",
		Long: `Try rules on stored failures as though they decided, and say what would change:
for which failures each would speak, which rules it takes them from, and how the
retries of those failures ended. A rule that is to decide needs this, of the rule
as it is then. An interrupt cancels it.

RULE is a rule of the server (rules/ID), FILE has one rule or packs of rules: of
packs those are tried that "redrive rules apply" would refuse without.

  redrive rules backtest license.yaml --window 30d
  redrive rules create license.yaml`,
		Args: takes(1, -1),
	}
	t := addTrial(cmd)
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all, err := a.rulesToTry(cmd.Context(), args)
		if err != nil {
			return err
		}
		for i, req := range all {
			req.Window, req.MaxFailures = t.window.proto(), t.most
			if i > 0 && *f == "table" {
				a.gap()
			}
			if err := a.runTrial(cmd.Context(), *f, t, func(ctx context.Context) (*redrivev1.Backtest, error) {
				return redrivev1.NewClassifierServiceClient(a.conn).BacktestRule(ctx, req)
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// rulesToTry reads what the arguments name, and connects.
func (a *app) rulesToTry(ctx context.Context, args []string) ([]*redrivev1.BacktestRuleRequest, error) {
	var all []*redrivev1.BacktestRuleRequest
	var packs []string
	for _, arg := range args {
		if a.isPack(arg) {
			packs = append(packs, arg)
			continue
		}
		var req redrivev1.TestRuleRequest
		if err := a.ruleToTest(arg, &req); err != nil {
			return nil, err
		}
		if req.GetRule() != nil {
			if req.GetRule().GetName() == "" {
				return nil, usagef("%s: the rule has no name, such as rules/license-server", arg)
			}
			req.Rule.Name = nameOf("rules", req.GetRule().GetName())
		}
		all = append(all, &redrivev1.BacktestRuleRequest{Name: req.GetName(), Rule: req.GetRule()})
	}
	if _, err := a.dial(); err != nil || len(packs) == 0 {
		return all, err
	}
	text, err := a.readPacks(packs)
	if err != nil {
		return nil, err
	}
	resp, err := redrivev1.NewClassifierServiceClient(a.conn).ApplyRules(ctx, &redrivev1.ApplyRulesRequest{Yaml: text, ValidateOnly: true, Force: true})
	if err != nil {
		return nil, err
	}
	for _, r := range resp.GetRevisions() {
		if r.GetForced() {
			all = append(all, &redrivev1.BacktestRuleRequest{Rule: r.GetRule()})
		}
	}
	if len(all) == 0 {
		a.say("No rule of these packs needs a backtest.")
	}
	return all, nil
}

// isPack reports whether arg is a folder, or a file with packs of rules.
func (a *app) isPack(arg string) bool {
	info, err := os.Stat(arg)
	if err != nil || info.IsDir() {
		return err == nil
	}
	text, err := a.readFile(arg)
	var doc map[string]any
	return err == nil && yaml.Unmarshal(text, &doc) == nil && doc["rules"] != nil
}

// runTrial begins a backtest, waits for it and shows what it found.
func (a *app) runTrial(ctx context.Context, f format, t *trial, begin func(context.Context) (*redrivev1.Backtest, error)) error {
	b, err := begin(ctx)
	if err != nil {
		return err
	}
	if t.detach {
		if f != "table" {
			return f.write(a.stdout, b)
		}
		_, err = fmt.Fprintln(a.stdout, b.GetName())
		return err
	}
	if b, err = a.awaitTrial(ctx, b); err != nil {
		return err
	}
	if f != "table" {
		err = f.write(a.stdout, b)
	} else {
		err = a.showBacktest(b)
	}
	if err == nil && b.GetState() != redrivev1.Backtest_STATE_DONE {
		err = errNegative
	}
	return err
}

// awaitTrial shows how far a backtest is until it has ended. An interrupt
// cancels it.
func (a *app) awaitTrial(ctx context.Context, b *redrivev1.Backtest) (*redrivev1.Backtest, error) {
	waiting, stop := serve.Signals(ctx)
	defer stop()
	live := screen.NewLive(a.stderr, a.talk)
	defer live.Status("")
	classifier := redrivev1.NewClassifierServiceClient(a.conn)
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for b.GetState() == redrivev1.Backtest_STATE_RUNNING {
		live.Status(fmt.Sprintf("%d of %s looked at", b.GetExamined(), screen.Count(int64(b.GetTotal()), "failure")))
		var err error
		select {
		case <-waiting.Done():
			b, err = classifier.CancelBacktest(context.WithoutCancel(ctx), &redrivev1.CancelBacktestRequest{Name: b.GetName()})
			if err == nil {
				a.say("%s is cancelled.", b.GetName())
			}
			return b, err
		case <-tick.C:
			next, err := classifier.GetBacktest(waiting, &redrivev1.GetBacktestRequest{Name: b.GetName()})
			if err == nil {
				b = next
			} else if waiting.Err() == nil && !errors.Is(err, context.Canceled) {
				return b, err
			}
		}
	}
	return b, nil
}
