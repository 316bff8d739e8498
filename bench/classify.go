package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/redrive-io/redrive/bench/internal/contest"
	"github.com/redrive-io/redrive/bench/internal/workload"
)

// ours is Redrive's own engine among the others.
const ours = "redrive"

// rivals are the engines that Redrive's is compared with.
var rivals = []string{"hyperscan", "re2set", "loop"}

// blindRules is how many of a hundred rules have no literal, in the cases
// "mixed-…".
const blindRules = 5

// classification compares rule engines.
type classification struct {
	contestant string // what go test -c made of services/classifier/internal/rule
	dir        string
	rounds     int
	rules      []int
	sizes      []int
	least      int64 // nanoseconds of CPU that one measurement should take
	engines    []string
}

func classify(ctx context.Context, args []string) error {
	c := classification{engines: append([]string{ours}, rivals...)}
	flags := flag.NewFlagSet("classify", flag.ExitOnError)
	flags.StringVar(&c.contestant, "redrive", "", "Redrive's contestant, built by make")
	flags.StringVar(&c.dir, "dir", "", "folder for rules and logs")
	flags.IntVar(&c.rounds, "rounds", 5, "rounds")
	rules := flags.String("rules", "30,300,1000,5000", "numbers of rules")
	sizes := flags.String("sizes", "4KB,64KB,1MB,16MB", "sizes of logs")
	least := flags.Duration("least", 20e6, "CPU time that one measurement should take")
	_ = flags.Parse(args) // it exits
	var err, also error
	c.rules, err = parse(*rules, map[string]int{"": 1})
	c.sizes, also = parse(*sizes, map[string]int{"KB": 1 << 10, "MB": 1 << 20})
	if err := errors.Join(err, also); err != nil {
		return err
	}
	c.least = least.Nanoseconds()
	ratios, err := c.hold(ctx)
	if err != nil {
		return err
	}
	return contest.PrintRatios(os.Stdout, ratios)
}

func parse(list string, units map[string]int) (all []int, err error) {
	for _, text := range strings.Split(list, ",") {
		digits := strings.TrimRight(text, "KMB")
		n, err := strconv.Atoi(digits)
		unit := units[text[len(digits):]]
		if err != nil || n < 1 || unit == 0 {
			return nil, fmt.Errorf("%q is not a number as they are in the default", text)
		}
		all = append(all, n*unit)
	}
	return all, nil
}

func sizeName(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%dMB", n>>20)
	}
	return fmt.Sprintf("%dKB", n>>10)
}

// hold compares all engines on all rules and logs.
func (c *classification) hold(ctx context.Context) ([]contest.Ratio, error) {
	var all []contest.Ratio
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := fmt.Fprintln(table, "rules\tcase\tsize\t"+strings.Join(c.engines, "\t")+"\tMB/s of CPU time\t"); err != nil {
		return nil, err
	}
	for _, n := range c.rules {
		for _, mix := range []struct {
			name  string
			blind int
		}{{"literals", 0}, {"mixed", blindRules}} {
			ratios, err := c.compare(ctx, table, mix.name, n, workload.Rules(n, mix.blind))
			if err != nil {
				return nil, fmt.Errorf("%d rules, %s: %w", n, mix.name, err)
			}
			all = append(all, ratios...)
		}
	}
	return all, table.Flush()
}

// logs are the cases of one size. The name of a case that is not compared is
// empty: there all engines must find the same.
func logs(rules []workload.Rule, size int) map[string][]byte {
	plain := workload.Log(size)
	target := len(rules) * 6 / 10
	for !rules[target].Literal {
		target++
	}
	return map[string][]byte{"absent": plain, "near": workload.Near(plain, rules), "": workload.End(plain, rules[target])}
}

func (c *classification) compare(ctx context.Context, table *tabwriter.Writer, mix string, n int, rules []workload.Rule) (all []contest.Ratio, err error) {
	dir, err := os.MkdirTemp(c.dir, "rules-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var patterns strings.Builder
	for _, r := range rules {
		patterns.WriteString(r.Pattern + "\n")
	}
	file := filepath.Join(dir, "patterns")
	if err := os.WriteFile(file, []byte(patterns.String()), 0o600); err != nil {
		return nil, err
	}
	arena := &arena{rounds: c.rounds, least: c.least, dir: dir, engines: c.engines}
	defer func() { err = errors.Join(err, arena.stop()) }()
	if err := arena.start(ctx, c.contestant, file, workload.Log(1<<20)); err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("classify/%d/", n)
	all = append(all, arena.built(prefix, mix)...)
	for _, size := range c.sizes {
		cases := logs(rules, size)
		if err := arena.agree(cases[""]); err != nil {
			return nil, err
		}
		for _, name := range []string{"absent", "near"} {
			times, err := arena.race(cases[name])
			if err != nil {
				return nil, err
			}
			row := fmt.Sprintf("%d\t%s-%s\t%s", n, mix, name, sizeName(size))
			for _, engine := range c.engines {
				row += fmt.Sprintf("\t%.4g", float64(size)/contest.Median(times[engine])*1e3)
			}
			if _, err := fmt.Fprintln(table, row+"\t\t"); err != nil {
				return nil, err
			}
			for _, rival := range rivals {
				all = append(all, ratioOf(prefix+sizeName(size)+"/"+mix+"-"+name+"/vs-"+rival, times[rival], times[ours]))
			}
		}
	}
	return all, nil
}

// ratioOf divides round by round.
func ratioOf(name string, a, b []float64) contest.Ratio {
	r := contest.Ratio{Name: name}
	for i := range a {
		r.Values = append(r.Values, a[i]/b[i])
	}
	return r
}
