package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func revisionResource(parent *string) resource[*redrivev1.RuleRevision] {
	return resource[*redrivev1.RuleRevision]{
		one: "revision", many: "revisions",
		filters: func(*cobra.Command) pageOf[*redrivev1.RuleRevision] {
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.RuleRevision, string, error) {
				r, err := redrivev1.NewClassifierServiceClient(conn).ListRuleRevisions(ctx, &redrivev1.ListRuleRevisionsRequest{Parent: *parent, PageSize: size, PageToken: token})
				return r.GetRevisions(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"RULE", "REVISION", "WHEN", "WHAT", "BY", "REASON", "CHANGES"},
		row: func(a *app, r *redrivev1.RuleRevision) []string {
			return []string{
				r.GetRule().GetName(), revisionOf(r), a.when(r.GetCreateTime()), actionOf(r), clean(r.GetAuthor()), clean(r.GetReason()),
				clean(strings.Join(r.GetChanges(), "; ")),
			}
		},
	}
}

// revisionOf is the number in the name of a revision.
func revisionOf(r *redrivev1.RuleRevision) string {
	return r.GetName()[strings.LastIndex(r.GetName(), "/")+1:]
}

// actionOf says what was done: "update", "apply, forced".
func actionOf(r *redrivev1.RuleRevision) string {
	s := strings.ToLower(screen.Name(r.GetAction()))
	if r.GetForced() {
		s += ", forced"
	}
	return s
}

func (a *app) ruleHistory() *cobra.Command {
	parent := "rules/-"
	cmd := revisionResource(&parent).listCommand(a)
	cmd.Use, cmd.Short, cmd.Aliases = "history [RULE]", "List what was done to a rule, or to all of them", nil
	cmd.Long = `List what was done to a rule, newest first: when, by whom, why, and which fields
changed. Without a rule it is the audit trail of all rules, deleted ones among
them. A rule has its newest 100 revisions, all rules their newest 20,000, for 400
days. -o yaml shows each revision with the rule as it was.

  redrive rules history license-server`
	cmd.Args = takes(0, 1)
	list := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			parent = nameOf("rules", args[0])
		}
		return list(cmd, args)
	}
	return cmd
}

func (a *app) ruleDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff RULE [REVISION [REVISION]]",
		Short: "Say what differs between two revisions of a rule",
		Long: `Say what differs between two revisions of a rule, or between one and the rule as
it is now. Without a revision: what stands over a built-in rule is compared with
what the built-in one says in this version of Redrive, any other rule with its
revision before.

  redrive rules diff license-server 3`,
		Args: takes(1, 3),
	}
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req := &redrivev1.DiffRuleRequest{Name: nameOf("rules", args[0])}
		for i, into := range []*int64{&req.From, &req.To}[:len(args)-1] {
			n, err := strconv.ParseInt(args[i+1], 10, 64)
			if err != nil || n < 1 {
				return usagef("%q is not the number of a revision; `redrive rules history %s` lists them", args[i+1], args[0])
			}
			*into = n
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		d, err := redrivev1.NewClassifierServiceClient(conn).DiffRule(cmd.Context(), req)
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, d)
		}
		return a.showDiff(req, d)
	}
	return cmd
}

func (a *app) showDiff(req *redrivev1.DiffRuleRequest, d *redrivev1.DiffRuleResponse) error {
	name := a.out.Strong(req.GetName())
	switch {
	case d.GetAfter() == nil && d.GetBefore() == nil:
		_, err := fmt.Fprintf(a.stdout, "%s was not there at either revision\n", name)
		return err
	case d.GetAfter() == nil:
		_, err := fmt.Fprintf(a.stdout, "%s is deleted after %s\n", name, stateOf(d.GetBefore()))
		return err
	case d.GetBefore() == nil:
		_, err := fmt.Fprintf(a.stdout, "%s is new with %s; `redrive rules get` shows it\n", name, stateOf(d.GetAfter()))
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "%s: %s → %s\n", name, stateOf(d.GetBefore()), stateOf(d.GetAfter())); err != nil {
		return err
	}
	if len(d.GetChanges()) == 0 {
		a.lines("nothing differs")
	}
	a.showChanges(d.GetChanges())
	return nil
}

// stateOf names a rule of a diff.
func stateOf(r *redrivev1.Rule) string {
	if r.GetBuiltIn() && !r.GetOverridden() {
		return "the built-in rule"
	}
	return fmt.Sprintf("revision %d", r.GetRevision())
}

// showChanges writes what differs, what was added and taken away in colours.
func (a *app) showChanges(changes []string) {
	for _, c := range changes {
		line := clean(c)
		switch {
		case strings.Contains(line, ": + "):
			line = a.out.Good(line)
		case strings.Contains(line, ": - "):
			line = a.out.Bad(line)
		}
		a.lines("  " + line)
	}
}

func (a *app) ruleRollback() *cobra.Command {
	r := ruleResource()
	var revision int64
	var etag string
	var dryRun bool
	var w *why
	return r.change(a, "rollback", "Make an earlier revision of a rule the current one again",
		`Make an earlier revision of a rule the current one again, as a new revision: the
one before the current one, or --revision. A rule that was deleted comes back.
Where the built-in rule was at work, the override goes. No backtest is needed.

  redrive rules rollback license-server --reason "too broad"`,
		func(cmd *cobra.Command) {
			cmd.Flags().Int64Var(&revision, "revision", 0, "the revision to go back to")
			cmd.Flags().StringVar(&etag, "etag", "", "only if the rule still has this etag")
			cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check it only")
			w = addWhy(cmd)
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Rule, error) {
			return redrivev1.NewClassifierServiceClient(conn).RollbackRule(ctx, &redrivev1.RollbackRuleRequest{
				Name: name, Revision: revision, Etag: etag, ValidateOnly: dryRun, Author: w.author, Reason: w.reason,
			})
		},
		func(r *redrivev1.Rule) string {
			verb := "is"
			if dryRun {
				verb = "would be"
			}
			if r.GetBuiltIn() && !r.GetOverridden() {
				return fmt.Sprintf("%s %s the built-in rule again (revision %d)", r.GetName(), verb, r.GetRevision())
			}
			return fmt.Sprintf("%s %s as it was (revision %d)", r.GetName(), verb, r.GetRevision())
		})
}
