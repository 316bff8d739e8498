package command

import (
	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) ruleLint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint [RULE|FILE]",
		Short: "Look for what is likely wrong with rules",
		Long: `Look for what is likely wrong with rules: one that another leaves nothing, patterns
that match ordinary logs or an empty line, patterns that cost much, missing
samples. RULE is a rule of the server, FILE has one rule or a pack, which is
looked at among the server's rules; without either all rules are. The status is 1 when there is an error.

  redrive rules lint license.yaml`,
		Args: takes(0, 1),
	}
	notes := cmd.Flags().Bool("notes", false, "show notes too; those of a single rule or file are always shown")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req := &redrivev1.LintRulesRequest{}
		if len(args) == 1 {
			if err := a.ruleToLint(args[0], req); err != nil {
				return err
			}
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		resp, err := redrivev1.NewClassifierServiceClient(conn).LintRules(cmd.Context(), req)
		if err != nil {
			return err
		}
		if *f != "table" {
			err = f.write(a.stdout, resp)
		} else {
			err = a.showLint(resp, *notes || len(args) == 1)
		}
		for _, l := range resp.GetFindings() {
			if err == nil && l.GetSeverity() == redrivev1.LintFinding_SEVERITY_ERROR {
				err = errNegative
			}
		}
		return err
	}
	return cmd
}

func (a *app) ruleToLint(arg string, req *redrivev1.LintRulesRequest) error {
	var err error
	if a.isPack(arg) {
		req.Yaml, err = a.readPacks([]string{arg})
		return err
	}
	var test redrivev1.TestRuleRequest
	err = a.ruleToTest(arg, &test)
	req.Name, req.Rule = test.GetName(), test.GetRule()
	return err
}

func (a *app) showLint(r *redrivev1.LintRulesResponse, notes bool) error {
	count := map[redrivev1.LintFinding_Severity]int64{}
	var rows [][]string
	for _, l := range r.GetFindings() {
		count[l.GetSeverity()]++
		name := screen.Name(l.GetSeverity())
		switch l.GetSeverity() {
		case redrivev1.LintFinding_SEVERITY_ERROR:
			name = a.out.Bad(name)
		case redrivev1.LintFinding_SEVERITY_WARNING:
			name = a.out.Warn(name)
		default:
			if !notes {
				continue
			}
		}
		rows = append(rows, []string{name, l.GetRule(), l.GetCheck(), l.GetField(), clean(l.GetMessage())})
	}
	if len(rows) > 0 {
		if err := a.out.Table(a.stdout, []string{"SEVERITY", "RULE", "CHECK", "AT", "WHAT"}, rows); err != nil {
			return err
		}
	}
	more := ""
	if n := count[redrivev1.LintFinding_SEVERITY_NOTE]; n > 0 && !notes {
		more = " (--notes shows them)"
	}
	a.say("%s: %s, %s and %s%s.", screen.Count(int64(r.GetRules()), "rule"),
		screen.Count(count[redrivev1.LintFinding_SEVERITY_ERROR], "error"), screen.Count(count[redrivev1.LintFinding_SEVERITY_WARNING], "warning"),
		screen.Count(count[redrivev1.LintFinding_SEVERITY_NOTE], "note"), more)
	return nil
}
