package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/bench/internal/contest"
	"github.com/redrive-io/redrive/bench/internal/trace"
)

// echo answers the protocol of policies and does nothing else.
func echo(context.Context, []string) error { return trace.Echo(os.Stdin, os.Stdout) }

// calls compares how long a call takes with the reference, which is called
// within the process that plays the trace. Ours is in a process of its own; what
// the way there and back takes alone is measured, too.
func (c *recommendation) calls(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var rows []string
	for _, t := range []track{tracks[0], tracks[2]} {
		took := map[string][]float64{}
		for range c.rounds {
			for name, policy := range map[string]string{"reference": reference, "ours": "cmd:" + c.advise, "echo": "cmd:" + self + " echo"} {
				r, err := c.program.Tasks(ctx, policy, t.args...)
				if err != nil {
					return err
				}
				took[name] = append(took[name], 1e6*r[0].Total.Call())
			}
		}
		raw, net := make([]float64, c.rounds), make([]float64, c.rounds)
		for i := range c.rounds {
			raw[i] = took["reference"][i] / took["ours"][i]
			net[i] = took["reference"][i] / max(took["ours"][i]-took["echo"][i], 1)
		}
		c.ratio("recommend/"+t.name+"/call/vs-"+reference, raw...)
		c.ratio("recommend/"+t.name+"/call-less-pipe/vs-"+reference, net...)
		median := func(name string) string { return fmt.Sprintf("%.0f", contest.Median(took[name])) }
		rows = append(rows, strings.Join([]string{t.name, median("ours"), median("echo"), median("reference")}, "\t"))
	}
	fmt.Printf("\nmean time of a call, µs, median of %d rounds\n\n", c.rounds)
	return printRows([]string{"track", "redrive, by JSON lines", "JSON lines alone", reference + ", in process"}, rows)
}

// searching says what a search of 10,000 candidates takes, in parts of what a
// plain multilayer perceptron of 64-128-64-2 takes on as many.
func (c *recommendation) searching(ctx context.Context) error {
	const name = "BenchmarkSearchOf10000"
	found, err := benchmark(ctx, c.search, nil, "-test.bench", "^"+name+"$", "-test.cpu", "1",
		"-test.benchtime", c.benchtime, "-test.count", strconv.Itoa(c.rounds))
	if err != nil {
		return err
	}
	took, part := found[name]["ns/op"], found[name]["of-mlp"]
	if len(took) != c.rounds || len(part) != c.rounds {
		return fmt.Errorf("the search's benchmark does not say what it takes and what part that is, %d times: %v", c.rounds, found)
	}
	fmt.Printf("\nsearch of 10,000 candidates on one core: %.3f ms, %g allocations, %.5f of what a plain 64-128-64-2 perceptron takes (goal ≤ 0.05)\n",
		contest.Median(took)/1e6, contest.Median(found[name]["allocs/op"]), contest.Median(part))
	times := make([]float64, c.rounds)
	for i, p := range part {
		times[i] = 1 / p
	}
	c.ratio("recommend/search/10000/vs-mlp", times...)
	return nil
}

// learning measures what a training on many records takes.
func (c *recommendation) learning(ctx context.Context) error {
	found, err := benchmark(ctx, c.training, []string{fmt.Sprintf("REDRIVE_BENCH_RECORDS=%d", c.records)}, "-test.bench", "^BenchmarkTraining$", "-test.benchtime", "1x", "-test.timeout", "1h")
	if err != nil {
		return err
	}
	took := found["BenchmarkTraining"]
	for _, unit := range []string{"write-s", "train-s", "increment-s", "count-s", "audit-s", "audited", "peak-MiB", "disk-MiB"} {
		if len(took[unit]) != 1 {
			return fmt.Errorf("the training's benchmark does not say %s: %v", unit, took)
		}
	}
	fmt.Printf("\n%d records: written in %.1f s, %.0f MiB on disk; a full training takes %.1f s, one on 1 %% more %.2f s; "+
		"counting them %.1f s, the audit with %.0f failures played again %.1f s; %.0f MiB of memory at most\n\n", c.records,
		took["write-s"][0], took["disk-MiB"][0], took["train-s"][0], took["increment-s"][0],
		took["count-s"][0], took["audited"][0], took["audit-s"][0], took["peak-MiB"][0])
	for _, unit := range []string{"train-s", "peak-MiB"} {
		c.ratio("recommend/records/"+power(c.records)+"/"+unit, max(took[unit][0], 0.001)) // of few records it is nothing
	}
	return nil
}

// benchmark runs a compiled test and returns what its benchmarks report, by name
// and unit, one value a count.
func benchmark(ctx context.Context, program string, env []string, args ...string) (map[string]map[string][]float64, error) {
	if program == "" {
		return nil, errors.New("a benchmark is missing; make builds it")
	}
	c := exec.CommandContext(ctx, program, append([]string{"-test.run", "^$", "-test.benchmem"}, args...)...)
	c.Stderr, c.Env = os.Stderr, append(os.Environ(), env...)
	b, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", program, err, b)
	}
	found := map[string]map[string][]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i] // the number of processors
			}
		}
		if found[name] == nil {
			found[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s says %q", program, lines.Text())
			}
			found[name][fields[i+1]] = append(found[name][fields[i+1]], v)
		}
	}
	return found, nil
}
