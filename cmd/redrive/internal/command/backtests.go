package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func backtestResource() resource[*redrivev1.Backtest] {
	return resource[*redrivev1.Backtest]{
		one: "backtest", many: "backtests",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Backtest, error) {
			return redrivev1.NewClassifierServiceClient(conn).GetBacktest(ctx, &redrivev1.GetBacktestRequest{Name: name})
		},
		filters: func(*cobra.Command) pageOf[*redrivev1.Backtest] {
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Backtest, string, error) {
				r, err := redrivev1.NewClassifierServiceClient(conn).ListBacktests(ctx, &redrivev1.ListBacktestsRequest{PageSize: size, PageToken: token})
				return r.GetBacktests(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "STATE", "OF", "LOOKED AT", "MATCHED", "DECIDED", "CREATED"},
		row: func(a *app, b *redrivev1.Backtest) []string {
			matched, won := "", ""
			if b.GetRule() != nil {
				matched, won = strconv.Itoa(int(b.GetMatched())), strconv.Itoa(int(b.GetWon()))
			}
			return []string{
				b.GetName(), screen.Name(b.GetState()), triedBy(b), fmt.Sprintf("%d of %d", b.GetExamined(), b.GetTotal()), matched, won, a.when(b.GetCreateTime()),
			}
		},
		show: (*app).showBacktest,
	}
}

// triedBy says what a backtest tries.
func triedBy(b *redrivev1.Backtest) string {
	if b.GetRule() != nil {
		return b.GetRule().GetName()
	}
	what := "today's rules on " + clean(b.GetClass())
	if b.GetValidateOnly() {
		what += ", nothing noted"
	}
	return what
}

func (a *app) ruleBacktests() *cobra.Command {
	r := backtestResource()
	list := r.listCommand(a)
	list.Use, list.Short, list.Args = "backtests [BACKTEST…]", "List backtests, show or cancel some", takes(0, -1)
	list.Long = `List the backtests that are kept: 200 at most, for 30 days. With names it shows
them, and with --cancel it ends those that run.

  redrive rules backtests
  redrive rules backtests --cancel backtests/4x7d2kq5m3abc`
	list.Aliases = nil
	cancel := list.Flags().Bool("cancel", false, "end the backtests that are named")
	get, all := r.getCommand(a), list.RunE
	list.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *cancel && len(args) == 0:
			return usagef("--cancel needs the name of a backtest")
		case *cancel:
			return a.cancelBacktests(cmd.Context(), args)
		case len(args) == 0:
			return all(cmd, args)
		}
		if err := get.Flags().Set("output", cmd.Flag("output").Value.String()); err != nil {
			return err
		}
		get.SetContext(cmd.Context())
		return get.RunE(get, args)
	}
	return list
}

func (a *app) cancelBacktests(ctx context.Context, names []string) error {
	conn, err := a.dial()
	if err != nil {
		return err
	}
	for _, name := range names {
		b, err := redrivev1.NewClassifierServiceClient(conn).CancelBacktest(ctx, &redrivev1.CancelBacktestRequest{Name: nameOf("backtests", name)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.stdout, "%s is %s\n", b.GetName(), screen.Name(b.GetState())); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showBacktest(b *redrivev1.Backtest) error {
	of := func(n int32, what string) string { return fmt.Sprintf("%d of %d failures%s", n, b.GetExamined(), what) }
	pairs := []string{
		"backtest", a.out.Strong(b.GetName()), "of", triedBy(b), "state", screen.Name(b.GetState()), "error", clean(b.GetError()),
		"looked at", fmt.Sprintf("%d of %s", b.GetExamined(), screen.Count(int64(b.GetTotal()), "failure")) + since(a, b),
	}
	if b.GetUnreadable() > 0 {
		pairs = append(pairs, "not readable", strconv.Itoa(int(b.GetUnreadable())))
	}
	if b.GetRule() != nil {
		pairs = append(pairs,
			"it matches", of(b.GetMatched(), ""), "it decides", of(b.GetWon(), ", "+saysOf(b.GetRule())),
			"their retries", outcomes(b.GetOutcomes()), "other retries", outcomes(b.GetOtherOutcomes()),
		)
		if b.GetSavedSeconds() > 0 {
			pairs = append(pairs, "it would save", screen.Span(time.Duration(b.GetSavedSeconds()*float64(time.Second)))+" of attempts that failed again")
		}
		if n := b.GetLostSuccesses(); n > 0 {
			pairs = append(pairs, "it would lose", a.out.Bad(screen.Count(int64(n), "retry")+" that succeeded"))
		}
	}
	if err := a.fields(pairs...); err != nil {
		return err
	}
	return a.showBacktestChanges(b)
}

func (a *app) showBacktestChanges(b *redrivev1.Backtest) error {
	if len(b.GetChanges()) == 0 {
		a.gap()
		a.lines("nothing would change")
		return nil
	}
	changes := slices.Clone(b.GetChanges())
	slices.SortStableFunc(changes, func(x, y *redrivev1.BacktestChange) int { return cmp.Compare(y.GetCount(), x.GetCount()) })
	rows := make([][]string, len(changes))
	for i, c := range changes {
		rows[i] = []string{
			strconv.Itoa(int(c.GetCount())), decision(c.GetFromRule(), c.GetFromClass(), c.GetFromVerdict()),
			decision(c.GetToRule(), c.GetToClass(), c.GetToVerdict()), strings.Join(c.GetFailures(), " "),
		}
	}
	a.heading("What would change")
	if n := b.GetOtherChanges(); n > 0 {
		rows = append(rows, []string{strconv.Itoa(int(n)), "others", "others", ""})
	}
	return a.out.Table(a.stdout, []string{"FAILURES", "FROM", "TO", "SUCH AS"}, rows)
}

func since(a *app, b *redrivev1.Backtest) string {
	if b.GetSince() == nil {
		return ""
	}
	return ", those since " + a.when(b.GetSince())
}

// saysOf is what a rule says of a failure.
func saysOf(r *redrivev1.Rule) string { return clean(r.GetClass()) + " " + verdictOf(r) }

func decision(rule, class string, v redrivev1.Verdict) string {
	by := "no rule"
	if rule != "" {
		by = strings.TrimPrefix(clean(rule), "rules/")
	}
	return fmt.Sprintf("%s: %s %s", by, clean(class), screen.Name(v))
}

// outcomes says how retries ended.
func outcomes(o *redrivev1.RetryOutcomes) string {
	var parts []string
	for _, p := range []struct {
		n    int32
		what string
	}{
		{o.GetSucceeded(), "succeeded as it was"},
		{o.GetSucceededChanged(), "succeeded with another configuration"},
		{o.GetFailed(), "failed again"},
		{o.GetStopped(), "not retried"},
		{o.GetUnknown(), "not known"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}
