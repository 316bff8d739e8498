package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/bench/internal/contest"
	"github.com/redrive-io/redrive/bench/internal/trace"
)

// reference is the policy that the time of a call is compared with.
const reference = "ref-costmin-1"

// recommendation compares the recommender with other policies on traces.
type recommendation struct {
	program   trace.Program
	advise    string // the command line of our policy
	search    string // what go test -c made of the search
	training  string // what go test -c made of the training
	rounds    int
	records   int
	benchtime string // of a round of the search
	ratios    []contest.Ratio
}

func recommend(ctx context.Context, args []string) error {
	var c recommendation
	flags := flag.NewFlagSet("recommend", flag.ExitOnError)
	flags.StringVar(&c.program.Path, "replay", "", "the program that plays traces; without it made-up tasks are played")
	flags.StringVar(&c.program.Traces, "traces", "", "folder of the traces")
	flags.StringVar(&c.advise, "advise", "bin/redrive advise", "the command line of our policy")
	flags.StringVar(&c.search, "search", "", "the benchmark of the search, built by make")
	flags.StringVar(&c.training, "training", "", "the benchmark of the training, built by make")
	flags.IntVar(&c.rounds, "rounds", 3, "rounds of what is timed")
	flags.IntVar(&c.records, "records", 1_000_000, "records to train on")
	flags.StringVar(&c.benchtime, "benchtime", "1s", "time of a round of the search")
	tasks := flags.Int("tasks", 400, "made-up tasks of each of three types")
	_ = flags.Parse(args) // it exits
	play := c.traces
	if !exists(c.program.Path) || !exists(filepath.Join(c.program.Traces, "tasks_sizey.csv.gz")) {
		fmt.Printf("the traces of real tasks or their program are not here (REPLAY, TRACES): made-up tasks are played\n\n")
		play = func(ctx context.Context) error { return c.madeUp(ctx, *tasks) }
	}
	for _, step := range []func(context.Context) error{play, c.searching, c.learning} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return contest.PrintRatios(os.Stdout, c.ratios)
}

func exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}

// ours is the name that our policy has in the tables.
const oursInTables = "redrive advise"

// track is one trace and one question.
type track struct {
	name  string
	args  []string
	table func(trace.Score) []string
	head  []string
	goals []goal
}

// goal is a number that the recommender is to reach.
type goal struct {
	name  string
	want  float64
	least bool // at least; else at most
	of    func(ours, oracle trace.Score) float64
}

// met says how far ours is on the good side: 1 is just met. What may be 0 is
// compared one higher.
func (g goal) met(v float64) float64 {
	switch {
	case g.least:
		return v / g.want
	case g.want < 2:
		return (g.want + 1) / (v + 1)
	default:
		return g.want / max(v, g.want/1000)
	}
}

func (g goal) words() string {
	if g.least {
		return fmt.Sprintf("≥ %g", g.want)
	}
	return fmt.Sprintf("≤ %g", g.want)
}

var (
	waste  = func(ours, _ trace.Score) float64 { return ours.Waste() }
	failed = func(ours, _ trace.Score) float64 { return float64(ours.FailedTasks) }
	fixed  = func(ours, _ trace.Score) float64 { return 100 * ours.Fixed() }
	above  = func(ours, oracle trace.Score) float64 { return ours.RetryUSD - oracle.RetryUSD }
	never  = func(ours, _ trace.Score) float64 { return float64(ours.Never) }
	vain   = func(ours, _ trace.Score) float64 { return float64(ours.HopelessRuns) }
)

var tracks = []track{
	{"sizing/sizey", []string{"-mode", "sizing", "-only", "sizey/"}, sizingRow, sizingHead, []goal{{"waste-GBh", 1400, false, waste}, {"failed-tasks", 300, false, failed}}},
	{"sizing/cws", []string{"-mode", "sizing", "-only", "cws/"}, sizingRow, sizingHead, []goal{{"waste-GBh", 15.5, false, waste}}},
	{"remedy/sizey", []string{"-mode", "remedy", "-only", "sizey/"}, remedyRow, remedyHead, []goal{
		{"fixed-percent", 99, true, fixed}, {"dollars-above-oracle", 13, false, above}, {"never", 0, false, never},
	}},
	{"remedy/cws", []string{"-mode", "remedy", "-only", "cws/"}, remedyRow, remedyHead, []goal{{"fixed-percent", 99.5, true, fixed}}},
	{"remedy/sizey/cap-16GiB", []string{"-mode", "remedy", "-only", "sizey/", "-cap-gib", "16"}, remedyRow, remedyHead, []goal{
		{"hopeless-retries", 1, false, vain}, {"wrong-stops", 1, false, never},
	}},
	{"sizing/sizey/time-to-failure-measured", []string{"-mode", "sizing", "-only", "sizey/", "-ttf", "measured"}, sizingRow, sizingHead, nil},
	{"remedy/sizey/stale-at-90-percent", []string{"-mode", "remedy", "-only", "sizey/", "-stale-q", "0.9"}, remedyRow, remedyHead, nil},
}

// traces plays all tracks.
func (c *recommendation) traces(ctx context.Context) error {
	var goals []string
	for _, t := range tracks {
		others, err := c.program.Tasks(ctx, "all", t.args...)
		if err != nil {
			return err
		}
		ours, err := c.program.Tasks(ctx, "cmd:"+c.advise, t.args...)
		if err != nil {
			return err
		}
		ours[0].Policy = oursInTables
		oracle := others[len(others)-1]
		if err := printTable(t.name, t.head, withOurs(others, ours[0]), t.table, oracle.Total); err != nil {
			return err
		}
		for _, g := range t.goals {
			v := g.of(ours[0].Total, oracle.Total)
			goals = append(goals, strings.Join([]string{t.name, g.name, g.words(), number(v), yes(g.met(v) >= 1)}, "\t"))
			c.ratio("recommend/"+t.name+"/"+g.name+"/goal", g.met(v))
		}
		if err := c.against(t, others, ours[0], oracle); err != nil {
			return err
		}
		if len(t.goals) > 0 {
			if err := c.byWorkflow(ctx, t, others, ours[0]); err != nil {
				return err
			}
		}
	}
	more, err := c.clusters(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nGoals\n\n")
	if err := printRows([]string{"track", "what", "goal", "redrive", "met"}, append(goals, more...)); err != nil {
		return err
	}
	return c.calls(ctx)
}

// withOurs puts ours before the last, which is the oracle.
func withOurs[T any](others []T, ours T) []T {
	last := len(others) - 1
	return append(slices.Clone(others[:last]), ours, others[last])
}

// number writes a measured number to the hundredth.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}

func (c *recommendation) ratio(name string, values ...float64) {
	c.ratios = append(c.ratios, contest.Ratio{Name: name, Values: values})
}

// against compares with the reference: how much more it wastes, or how many more
// of its retries fail and what more they cost than the oracle's.
func (c *recommendation) against(t track, others []trace.Result, ours, oracle trace.Result) error {
	for _, r := range others {
		if r.Policy != reference {
			continue
		}
		name := "recommend/" + t.name
		if strings.HasPrefix(t.name, "sizing") {
			c.ratio(name+"/waste/vs-"+reference, r.Total.Waste()/ours.Total.Waste())
			return nil
		}
		missed := func(s trace.Score) float64 { return float64(s.FailedTasks-s.FirstRetry) + 1 }
		c.ratio(name+"/not-fixed/vs-"+reference, missed(r.Total)/missed(ours.Total))
		more := func(s trace.Score) float64 { return max(s.RetryUSD-oracle.Total.RetryUSD, 0.001) }
		c.ratio(name+"/above-oracle/vs-"+reference, more(r.Total)/more(ours.Total))
		return nil
	}
	return errors.New("the program that plays traces has no " + reference)
}

// clusters plays the trace of clusters.
func (c *recommendation) clusters(ctx context.Context) ([]string, error) {
	all, err := c.program.Configs(ctx, "all")
	if err != nil {
		return nil, err
	}
	ours, err := c.program.Configs(ctx, "cmd:"+c.advise)
	if err != nil {
		return nil, err
	}
	us := ours[0]
	us.Policy = oursInTables
	if err := printConfigs(withOurs(all, us), us); err != nil {
		return nil, err
	}
	share, cost := 100*us.Total.Fixed(), us.Total.OverOracle()
	c.ratio("recommend/configs/fixed-percent/goal", share/96)
	c.ratio("recommend/configs/cost-over-oracle/goal", 1.4/cost)
	return []string{
		fmt.Sprintf("configs\tfixed-percent\t≥ 96\t%s\t%s", number(share), yes(share >= 96)),
		fmt.Sprintf("configs\tcost-over-oracle\t≤ 1.4\t%s\t%s", number(cost), yes(cost <= 1.4)),
	}, nil
}

// madeUp plays made-up tasks: that all works, without the traces.
func (c *recommendation) madeUp(ctx context.Context, n int) error {
	for _, t := range []struct {
		name   string
		remedy bool
		head   []string
		row    func(trace.Score) []string
	}{{"sizing/made-up", false, sizingHead, sizingRow}, {"remedy/made-up", true, remedyHead, remedyRow}} {
		all, err := trace.Made(ctx, c.advise, n, t.remedy)
		if err != nil {
			return err
		}
		doubling, ours, oracle := all[0].Total, all[1].Total, all[2].Total
		all[1].Policy = oursInTables
		if err := printTable(t.name, t.head, all, t.row, oracle); err != nil {
			return err
		}
		c.ratio("recommend/"+t.name+"/dollars/vs-doubling", doubling.USD/ours.USD)
		c.ratio("recommend/"+t.name+"/dollars/vs-oracle", oracle.USD/ours.USD)
	}
	return nil
}
