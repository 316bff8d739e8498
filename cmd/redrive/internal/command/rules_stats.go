package command

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) ruleStats() *cobra.Command {
	var stale age
	var one string
	var all bool
	var counted *redrivev1.ListRuleStatsResponse
	r := resource[*redrivev1.RuleStats]{
		one: "rule", many: "rules", names: "stats",
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.RuleStats] {
			cmd.Flags().Var(&stale, "stale", "only rules that have not matched for so long, such as 90d, and are as old")
			cmd.Flags().BoolVar(&all, "all", false, "rules that have matched nothing, too")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.RuleStats, string, error) {
				resp, err := redrivev1.NewClassifierServiceClient(conn).ListRuleStats(ctx, &redrivev1.ListRuleStatsRequest{
					PageSize: size, PageToken: token, Rule: one, StaleFor: stale.proto(),
				})
				counted = resp
				return slices.DeleteFunc(resp.GetStats(), func(s *redrivev1.RuleStats) bool {
					return !all && one == "" && stale == 0 && s.GetMatches() == 0
				}), resp.GetNextPageToken(), err
			}
		},
		heading: []string{"RULE", "MODE", "MATCHED", "DECIDED", "IN SHADOW", "DISAGREES", "RIGHT", "LAST", "RETRIES"},
		row:     statsRow,
	}
	cmd := r.listCommand(a)
	cmd.Use, cmd.Short, cmd.Args, cmd.Aliases = "stats [RULE]", "Say how often rules matched, when last, and how right they were", takes(0, 1), nil
	cmd.Long = `Say how often rules matched and decided, when last, and how the retries of the
failures that they decided ended: of those that matched something, or --all. IN SHADOW are failures that a rule in shadow
would have decided, and DISAGREES those of them for which it says another verdict
than what decided. RIGHT is the part of the failures with a known end for which
the verdict was right: a retry that it asks for succeeded, one that it forbids
failed. Failures are counted some seconds after they are stored.

  redrive rules stats --stale 90d`
	list := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			one = nameOf("rules", args[0])
		}
		err := list(cmd, args)
		if err == nil && cmd.Flag("output").Value.String() == "table" && counted.GetCountedUntil() != nil {
			a.say("Counted are failures from %s to %s.", a.when(counted.GetCountedSince()), a.when(counted.GetCountedUntil()))
		}
		return err
	}
	return cmd
}

func statsRow(a *app, s *redrivev1.RuleStats) []string {
	right := ""
	if s.Precision != nil {
		right = screen.Percent(s.GetPrecision())
	}
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	return []string{
		s.GetRule(), screen.Name(s.GetMode()), number(s.GetMatches()), number(s.GetWins()), number(s.GetShadowWins()), number(s.GetShadowDisagreements()),
		right, a.when(s.GetLastMatchTime()), outcomes(s.GetOutcomes()),
	}
}
