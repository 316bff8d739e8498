package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/redrive-io/redrive/bench/internal/trace"
)

var (
	sizingHead = []string{"policy", "failed tasks", "failed attempts", "never", "waste GB·h", "of it failed", "total $", "µs a call"}
	remedyHead = []string{"policy", "failed tasks", "fixed on 1st retry", "never", "retry GB·h", "retry $", "above the oracle $", "hopeless retries (of tasks)", "µs a call"}
)

func sizingRow(s trace.Score) []string {
	return []string{
		fmt.Sprint(s.FailedTasks), fmt.Sprint(s.FailedAttempts), fmt.Sprint(s.Never), fmt.Sprintf("%.1f", s.Waste()),
		fmt.Sprintf("%.1f", s.FailGBh), fmt.Sprintf("%.2f", s.USD), fmt.Sprintf("%.0f", 1e6*s.Call()),
	}
}

// aboveOracle stands for a cell that takes the oracle to fill.
const aboveOracle = "ABOVE"

func remedyRow(s trace.Score) []string {
	return []string{
		fmt.Sprint(s.FailedTasks), fmt.Sprintf("%.1f %%", 100*s.Fixed()), fmt.Sprint(s.Never), fmt.Sprintf("%.1f", s.RetryGBh),
		fmt.Sprintf("%.2f", s.RetryUSD), aboveOracle, fmt.Sprintf("%d (%d)", s.HopelessRuns, s.Infeasible), fmt.Sprintf("%.0f", 1e6*s.Call()),
	}
}

// printTable prints a table of policies.
func printTable(title string, head []string, all []trace.Result, row func(trace.Score) []string, oracle trace.Score) error {
	var rows []string
	for _, r := range all {
		cells := append([]string{r.Policy}, row(r.Total)...)
		for i, cell := range cells {
			if cell == aboveOracle {
				cells[i] = fmt.Sprintf("%.2f", r.Total.RetryUSD-oracle.RetryUSD)
			}
		}
		rows = append(rows, strings.Join(cells, "\t"))
	}
	fmt.Printf("\n%s\n\n", title)
	return printRows(head, rows)
}

func printConfigs(all []trace.ConfigResult, us trace.ConfigResult) error {
	var rows []string
	for _, r := range all {
		s := r.Total
		rows = append(rows, fmt.Sprintf("%s\t%.1f %%\t%.1f %%\t%d\t%.2f\t%.2f\t%.1f", r.Policy, 100*s.Fixed(),
			100*float64(s.Done)/float64(max(s.Episodes, 1)), s.Never, s.USD, s.OverOracle(), s.Seconds/3600))
	}
	fmt.Printf("\nconfigs, %d failed jobs, each application unseen in turn\n\n", us.Total.Episodes)
	if err := printRows([]string{"policy", "fixed on 1st retry", "within 3", "never", "retry $", "× oracle", "retry hours"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, name := range slices.Sorted(maps.Keys(us.By)) {
		s := us.By[name]
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%.2f\t%.2f", name, s.Episodes, s.First, s.USD, s.OverOracle()))
	}
	fmt.Printf("\nconfigs, redrive by workload\n\n")
	return printRows([]string{"workload", "failed jobs", "fixed on 1st retry", "retry $", "× oracle"}, rows)
}

// printRows prints rows, whose cells are parted by tabs, as Markdown.
func printRows(head []string, rows []string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line := func(cells []string) {
		_, _ = fmt.Fprintln(w, "| "+strings.Join(cells, "\t| ")+"\t|") // Flush tells
	}
	line(head)
	rule := []string{"---"}
	for range head[1:] {
		rule = append(rule, "--:")
	}
	line(rule)
	for _, row := range rows {
		line(strings.Split(row, "\t"))
	}
	return w.Flush()
}

// byWorkflow says how each workflow fares by itself, beside the reference, and
// alone: played with no other before it. What differs from that is what others
// taught, right or wrong.
func (c *recommendation) byWorkflow(ctx context.Context, t track, others []trace.Result, ours trace.Result) error {
	find := func(name string) trace.Result {
		i := slices.IndexFunc(others, func(r trace.Result) bool { return r.Policy == name })
		return others[max(i, 0)]
	}
	ref, oracle := find(reference), find("oracle")
	cell := func(s, oracle trace.Score) string {
		if strings.HasPrefix(t.name, "sizing") {
			return fmt.Sprintf("%.1f GB·h, %d failed", s.Waste(), s.FailedTasks)
		}
		return fmt.Sprintf("%.1f %%, $%.2f", 100*s.Fixed(), s.RetryUSD-oracle.RetryUSD)
	}
	var rows []string
	for _, name := range slices.SortedFunc(maps.Keys(ours.By), cmp.Compare) {
		alone, err := c.program.Tasks(ctx, "cmd:"+c.advise, append(slices.Clone(t.args), "-only", name)...)
		if err != nil {
			return err
		}
		o := oracle.By[name]
		rows = append(rows, strings.Join([]string{name, cell(ours.By[name], o), cell(alone[0].Total, o), cell(ref.By[name], o)}, "\t"))
	}
	what := "fixed on the first retry, dollars above the oracle"
	if strings.HasPrefix(t.name, "sizing") {
		what = "waste, failed tasks"
	}
	fmt.Printf("\n%s by workflow: %s\n\n", t.name, what)
	return printRows([]string{"workflow", "redrive", "redrive, this workflow alone", reference}, rows)
}
