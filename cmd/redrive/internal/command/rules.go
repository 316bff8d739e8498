package command

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func ruleResource() resource[*redrivev1.Rule] {
	return resource[*redrivev1.Rule]{
		one: "rule", many: "rules",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Rule, error) {
			return redrivev1.NewClassifierServiceClient(conn).GetRule(ctx, &redrivev1.GetRuleRequest{Name: name})
		},
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Rule] {
			class := cmd.Flags().String("class", "", "only rules of this class")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Rule, string, error) {
				r, err := redrivev1.NewClassifierServiceClient(conn).ListRules(ctx, &redrivev1.ListRulesRequest{PageSize: size, PageToken: token, Class: *class})
				return r.GetRules(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"ORDER", "NAME", "CLASS", "VERDICT", "MODE", "ORIGIN", "SUMMARY"},
		row: func(_ *app, r *redrivev1.Rule) []string {
			return []string{
				strconv.Itoa(int(r.GetOrder())), r.GetName(), clean(r.GetClass()), verdictOf(r), screen.Name(r.GetMode()),
				originOf(r), clean(r.GetSummary()),
			}
		},
		show: func(a *app, r *redrivev1.Rule) error { return format("yaml").write(a.stdout, r) },
	}
}

func (a *app) rules() *cobra.Command {
	r := ruleResource()
	return family("rules", "List, write and try the rules that classify failures",
		r.listCommand(a), r.getCommand(a), a.ruleCreate(), a.ruleUpdate(), a.ruleDelete(), a.ruleTest(),
		a.ruleHistory(), a.ruleDiff(), a.ruleRollback(), a.ruleApply(), a.ruleExport(),
		a.ruleLint(), a.ruleBacktest(), a.ruleBacktests(), a.ruleStats(),
		a.ruleSuggest(), a.ruleAccept())
}

// verdictOf is what the rule says, or else what its class means.
func verdictOf(r *redrivev1.Rule) string {
	if r.GetVerdict() != redrivev1.Verdict_VERDICT_UNSPECIFIED {
		return screen.Name(r.GetVerdict())
	}
	meaning, _ := failure.MeaningOf(failure.Class(r.GetClass()))
	return meaning.Verdict.String()
}

func originOf(r *redrivev1.Rule) string {
	switch {
	case r.GetOverridden():
		return "built-in, changed"
	case r.GetBuiltIn():
		return "built-in"
	default:
		return "own"
	}
}
