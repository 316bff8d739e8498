package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) ruleSuggest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "suggest [CLUSTER]",
		Short: "Make a rule of failures that no rule knows, and try it",
		Long: `Make a rule of a cluster ("redrive clusters list"), and try it on the cluster's
stored failures, on classified failures and on logs of attempts that succeeded.
Nothing is stored. Without a CLUSTER, the rules of the most expensive clusters are
shown. The status is 1 when the rule of a CLUSTER is not proven.

  redrive rules suggest
  redrive rules suggest clusters/1f0a33c27b5d
  redrive rules accept clusters/1f0a33c27b5d`,
		Args: takes(0, 1),
	}
	limit := cmd.Flags().Int32("limit", 5, "how many clusters to look at without a CLUSTER, at most 50")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *limit < 1 || *limit > 50 {
			return usagef("--limit is 1 to 50")
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		c := redrivev1.NewClassifierServiceClient(conn)
		if len(args) == 0 {
			return a.suggestBest(cmd.Context(), c, *limit, *f)
		}
		name := nameOf("clusters", args[0])
		s, err := c.SuggestRule(cmd.Context(), &redrivev1.SuggestRuleRequest{Name: name})
		if err != nil {
			return err
		}
		if *f != "table" {
			err = f.write(a.stdout, s)
		} else {
			err = a.tellSuggestion(name, s)
		}
		if err == nil && !s.GetProven() {
			err = errNegative
		}
		return err
	}
	return cmd
}

// suggestBest shows the rules of the most expensive clusters.
func (a *app) suggestBest(ctx context.Context, c redrivev1.ClassifierServiceClient, limit int32, f format) error {
	found, err := c.ListClusters(ctx, &redrivev1.ListClustersRequest{PageSize: limit})
	if err != nil {
		return err
	}
	var all []*redrivev1.RuleSuggestion
	var rows [][]string
	for _, k := range found.GetClusters() {
		row := []string{k.GetName(), strconv.FormatInt(k.GetCount(), 10), wasted(k)}
		s, err := c.SuggestRule(ctx, &redrivev1.SuggestRuleRequest{Name: k.GetName()})
		switch {
		case errs.Is(err, errs.FailedPrecondition):
			rows = append(rows, append(row, "", "", "no", clean(strings.TrimPrefix(err.Error(), k.GetName()+": "))))
			continue
		case err != nil:
			return err
		}
		all = append(all, s)
		r := s.GetRule()
		rows = append(rows, append(row, idOf("rules", r.GetName()), clean(r.GetClass()), proven(s), clean(r.GetSummary())))
	}
	if f != "table" {
		return writeList(f, a.stdout, "suggestions", all)
	}
	if len(rows) == 0 {
		a.say("Every failure that is counted is known to a rule, or was dismissed.")
		return nil
	}
	if err := a.out.Table(a.stdout, []string{"CLUSTER", "FAILURES", "WASTED", "RULE", "CLASS", "PROVEN", "SUMMARY"}, rows); err != nil {
		return err
	}
	a.say("`redrive rules suggest CLUSTER` shows one in full, `redrive rules accept CLUSTER` stores it in shadow.")
	return nil
}

func proven(s *redrivev1.RuleSuggestion) string {
	if s.GetProven() {
		return "yes"
	}
	return "no"
}

func (a *app) tellSuggestion(cluster string, s *redrivev1.RuleSuggestion) error {
	if err := format("yaml").write(a.stdout, s.GetRule()); err != nil {
		return err
	}
	a.heading("Proof")
	tally := func(matched, of int32, what string) string { return fmt.Sprintf("%d of %d %s", matched, of, what) }
	if err := a.fields(
		"matches", tally(s.GetSupport(), s.GetExamined(), "of the cluster's stored failures"),
		"and of others", tally(s.GetClassifiedMatched(), s.GetClassifiedExamined(), "classified failures"),
		"and", tally(s.GetSuccessfulMatched(), s.GetSuccessfulExamined(), "logs of attempts that succeeded"),
		"retries", retriesOf(s),
	); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		all   []*redrivev1.ClusterExample
	}{{"Matches", s.GetExamples()}, {"Matches, and must not", s.GetWrong()}} {
		if len(part.all) == 0 {
			continue
		}
		a.heading(part.title)
		if err := a.examples(part.all); err != nil {
			return err
		}
	}
	if len(s.GetDoubts()) > 0 {
		a.heading("Doubts")
		for _, d := range s.GetDoubts() {
			a.lines(clean(d))
		}
	}
	a.gap()
	accept := "redrive rules accept " + cluster
	if s.GetRule().GetClass() == "" {
		accept += " --class CLASS"
	}
	if s.GetProven() {
		a.say("%s `%s` stores it in shadow.", a.talk.Good("The rule is proven."), accept)
	} else {
		a.say("%s `%s --force` stores it in shadow all the same.", a.talk.Bad("The rule is not proven."), accept)
	}
	return nil
}

func retriesOf(s *redrivev1.RuleSuggestion) string {
	if s.GetRetriesSucceeded()+s.GetRetriesFailed() == 0 {
		return "none has ended yet"
	}
	return fmt.Sprintf("%d succeeded, %d failed", s.GetRetriesSucceeded(), s.GetRetriesFailed())
}

func (a *app) ruleAccept() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept CLUSTER",
		Short: "Store the rule that is suggested for a cluster, in shadow",
		Long: `Store the rule that "redrive rules suggest CLUSTER" shows, in shadow: it is recorded
beside what decides, and decides nothing itself before it is enforced. What the
suggestion cannot know is given here.

  redrive rules accept clusters/1f0a33c27b5d --class dependency.unavailable \
    --runbook "Ask the licensing team to restart it."`,
		Args: takes(1, 1),
	}
	req := &redrivev1.AcceptSuggestionRequest{}
	flags := cmd.Flags()
	flags.StringVar(&req.RuleId, "id", "", "the id of the rule (default: the suggested one)")
	flags.StringVar(&req.Class, "class", "", "its class, such as dependency.unavailable (default: the suggested one)")
	verdict := addEnum(cmd, "verdict", "what it means for a retry (default: the suggested one)", redrivev1.Verdict(0))
	flags.StringVar(&req.Summary, "summary", "", "its sentence (default: the suggested one)")
	flags.StringVar(&req.Runbook, "runbook", "", "what a human should do")
	flags.StringVar(&req.Etag, "etag", "", "only if the cluster still has this etag")
	flags.BoolVar(&req.Force, "force", false, "accept it although it is not proven")
	because := addWhy(cmd)
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		req.Author, req.Reason = because.author, because.reason
		req.Name, req.Verdict = nameOf("clusters", args[0]), redrivev1.Verdict(verdict.number)
		r, err := redrivev1.NewClassifierServiceClient(conn).AcceptSuggestion(cmd.Context(), req)
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, r)
		}
		_, err = fmt.Fprintf(a.stdout, "%s is in %s: class %s, verdict %s\n", r.GetName(), screen.Name(r.GetMode()), clean(r.GetClass()), verdictOf(r))
		return err
	}
	return cmd
}
