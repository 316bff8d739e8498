package command

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const ruleFileHelp = `FILE is YAML or JSON with the fields of a rule, or - for stdin:

  name: rules/license-server
  order: 4200
  any: ['could not reach license server (?P<host>\S+)']
  class: dependency.unavailable
  summary: "the license server {host} is down"
  runbook: "ask licensing for a restart"
  sample: "ERROR could not reach license server lic-3"`

func (a *app) ruleCreate() *cobra.Command {
	return a.ruleFromFile("create FILE", "Add a rule", func(ctx context.Context, c redrivev1.ClassifierServiceClient, rule *redrivev1.Rule, dryRun bool, w *why) (*redrivev1.Rule, error) {
		id := idOf("rules", rule.GetName())
		rule.Name = ""
		stored, err := c.CreateRule(ctx, &redrivev1.CreateRuleRequest{
			Rule: rule, RuleId: id, RequestId: uuid.NewString(), ValidateOnly: dryRun,
			Force: w.force, Author: w.author, Reason: w.reason,
		})
		if errs.Is(err, errs.AlreadyExists) {
			err = fmt.Errorf("%w; `redrive rules update` changes it", err)
		}
		return stored, err
	})
}

func (a *app) ruleUpdate() *cobra.Command {
	return a.ruleFromFile("update FILE", "Replace a rule by what the file says, or override a built-in one",
		func(ctx context.Context, c redrivev1.ClassifierServiceClient, rule *redrivev1.Rule, dryRun bool, w *why) (*redrivev1.Rule, error) {
			rule.Name = nameOf("rules", rule.GetName())
			return c.UpdateRule(ctx, &redrivev1.UpdateRuleRequest{
				Rule: rule, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"*"}}, ValidateOnly: dryRun,
				Force: w.force, Author: w.author, Reason: w.reason,
			})
		})
}

func (a *app) ruleFromFile(use, short string,
	do func(ctx context.Context, c redrivev1.ClassifierServiceClient, rule *redrivev1.Rule, dryRun bool, w *why) (*redrivev1.Rule, error),
) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: short + ".\n\n" + ruleFileHelp, Args: takes(1, 1)}
	dryRun := cmd.Flags().Bool("dry-run", false, "check it only")
	w := addWhy(cmd)
	w.addForce(cmd)
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		rule := &redrivev1.Rule{}
		if err := a.readMessage(args[0], rule); err != nil {
			return err
		}
		if rule.GetName() == "" {
			return usagef("%s: the rule has no name, such as rules/license-server", args[0])
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		stored, err := do(cmd.Context(), redrivev1.NewClassifierServiceClient(conn), rule, *dryRun, w)
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, stored)
		}
		if *dryRun {
			a.say("It is in order; nothing was stored.")
			return nil
		}
		_, err = fmt.Fprintf(a.stdout, "%s is at work (revision %d)\n", stored.GetName(), stored.GetRevision())
		return err
	}
	return cmd
}

func (a *app) ruleDelete() *cobra.Command {
	r := ruleResource()
	var etag string
	var w *why
	return r.change(a, "delete", "Remove a rule, or the override of a built-in one",
		"Remove a rule, or the override of a built-in one, which brings that one back.\nA built-in rule itself is switched off by `redrive rules update` with mode: MODE_OFF.",
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&etag, "etag", "", "only if the rule still has this etag")
			w = addWhy(cmd)
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Rule, error) {
			_, err := redrivev1.NewClassifierServiceClient(conn).DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: name, Etag: etag, Author: w.author, Reason: w.reason})
			return &redrivev1.Rule{Name: name}, err
		}, func(r *redrivev1.Rule) string { return r.GetName() + " is deleted" })
}

func (a *app) ruleTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test RULE|RULE-FILE LOG-FILE|FAILURE",
		Short: "Try a rule on a log or a stored failure, and say what matched or which part did not",
		Long: `Try a rule on a log or a stored failure, and say what matched, or which part did
not match. Nothing is stored. The rule is one of the server's (rules/ID) or a
file; the log is a file, or - for stdin; a failure is failures/ID. The status is
1 when the rule does not match.

  redrive rules test license.yaml failures/d0b1f6a1c7a94f6e2b8c1a55

` + ruleFileHelp,
		Args: takes(2, 2),
	}
	engine := cmd.Flags().String("engine", "", "the engine that wrote the log, for rules that ask for it")
	exitCode := cmd.Flags().Int32("exit-code", 0, "the exit code, for rules that ask for it")
	signal := cmd.Flags().Int32("signal", 0, "the signal, for rules that ask for it")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req := &redrivev1.TestRuleRequest{Engine: *engine, Evidence: &redrivev1.Evidence{Signal: *signal}}
		if cmd.Flags().Changed("exit-code") {
			req.Evidence.ExitCode = exitCode
		}
		if err := a.ruleToTest(args[0], req); err != nil {
			return err
		}
		if err := a.logToTest(args[1], req); err != nil {
			return err
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		resp, err := redrivev1.NewClassifierServiceClient(conn).TestRule(cmd.Context(), req)
		if err != nil {
			return err
		}
		if *f != "table" {
			err = f.write(a.stdout, resp)
		} else {
			a.tellTest(resp)
		}
		if err == nil && !resp.GetMatched() {
			err = errNegative
		}
		return err
	}
	return cmd
}

// logToTest puts what a rule is tried on into req: a file where there is one,
// else a stored failure.
func (a *app) logToTest(arg string, req *redrivev1.TestRuleRequest) error {
	if _, err := os.Stat(arg); err != nil && strings.HasPrefix(arg, "failures/") {
		if req.GetEngine() != "" || req.GetEvidence().ExitCode != nil || req.GetEvidence().GetSignal() != 0 {
			return usagef("%s has its own engine, exit code and signal: leave the flags out", arg)
		}
		req.Failure, req.Evidence = arg, nil
		return nil
	}
	text, err := a.readText(arg)
	req.Text = text
	return err
}

func (a *app) tellTest(r *redrivev1.TestRuleResponse) {
	if r.GetMatched() {
		a.lines(a.out.Good("it matches: ") + clean(r.GetMatch().GetSummary()))
		a.lines(matchPlace(r.GetMatch()), pairsOf(r.GetMatch().GetCaptures()))
		if after := aftermathOf(r.GetMatch()); after != "" {
			a.lines(a.out.Warn(after))
		}
		return
	}
	a.lines(a.out.Bad("it does not match:"))
	for _, m := range r.GetMissing() {
		a.lines("  " + clean(m))
	}
}
