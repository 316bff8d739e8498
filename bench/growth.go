package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-io/redrive/bench/internal/contest"
)

// templateRun is how long the cycles are run whose store is copied.
const templateRun = 5 * time.Second

// database is the store's folder in a data folder.
const database = "store"

// growth compares cycles on stores with many failures to cycles on an empty
// one.
func growth(ctx context.Context, args []string) (err error) {
	var s settings
	flags := flag.NewFlagSet("growth", flag.ExitOnError)
	s.register(flags)
	list := flags.String("failures", "10000,100000,1000000", "sizes of the stores, in failures")
	_ = flags.Parse(args) // it exits
	sizes, err := numbers(*list)
	if err := errors.Join(err, s.check()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "growth-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	template := filepath.Join(dir, "template")
	if err := s.template(ctx, template); err != nil {
		return err
	}
	all := []contest.Contestant{s.embedded("empty", "memory")}
	for _, n := range sizes {
		c, err := s.grown(ctx, template, dir, n)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	results, err := contest.Hold(ctx, os.Stderr, all, s.rounds)
	if err != nil {
		return err
	}
	if err := results.Table(os.Stdout, all); err != nil {
		return err
	}
	var ratios []contest.Ratio
	for _, c := range all[1:] {
		ratios = append(ratios, results.Rates("growth/"+c.Name, c.Name, "empty"),
			results.CPU("growth/"+c.Name+"/cpu/empty-over-grown", c.Name, "empty"))
	}
	return contest.PrintRatios(os.Stdout, ratios)
}

// template leaves the store that is copied, with short logs: the number of the
// failures is what counts here.
func (s *settings) template(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	short := *s
	short.Warm, short.Run = 0, min(s.Run*2, templateRun)
	_, err := short.measure(ctx, s.redrive, "cycles", "-ailment", "transient", "-brief", "-data", dir)
	return err
}

// grown is Redrive on a store with this many failures, which stays from round
// to round.
func (s *settings) grown(ctx context.Context, template, dir string, n int) (contest.Contestant, error) {
	data := filepath.Join(dir, strconv.Itoa(n))
	if err := os.Mkdir(data, 0o700); err != nil {
		return contest.Contestant{}, err
	}
	begin := time.Now()
	if _, err := output(ctx, s.redrive, "copies", "-from", filepath.Join(template, database), "-to", filepath.Join(data, database), "-n", strconv.Itoa(n)); err != nil {
		return contest.Contestant{}, err
	}
	size, err := folderBytes(filepath.Join(data, database))
	if err != nil {
		return contest.Contestant{}, err
	}
	fmt.Fprintf(os.Stderr, "a store with %d failures, %d MiB, made in %.1f s\n", n, size>>20, time.Since(begin).Seconds())
	return contest.Contestant{Name: power(n), Run: func(ctx context.Context) (contest.Result, error) {
		return s.measure(ctx, s.redrive, "cycles", "-ailment", "memory", "-data", data)
	}}, nil
}

// folderBytes is the size of the files of a folder.
func folderBytes(dir string) (size int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, statErr := e.Info()
		if err = errors.Join(err, statErr); statErr == nil {
			size += info.Size()
		}
	}
	return size, err
}

// power writes 10000 as "1e4"; what is no power of ten as it is.
func power(n int) string {
	if digits := strconv.Itoa(n); strings.Trim(digits[1:], "0") == "" && digits[0] == '1' {
		return fmt.Sprintf("1e%d", len(digits)-1)
	}
	return strconv.Itoa(n)
}

func numbers(list string) (all []int, err error) {
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of failures or jobs", field)
		}
		all = append(all, n)
	}
	return all, nil
}

// started is what a start took, as the contestant prints it.
type started struct {
	Seconds float64 `json:"seconds"`
	Anon    int64   `json:"anon"`
	RSS     int64   `json:"rss"`
	Waiting int     `json:"waiting"`
}

// openJobs measures the memory that a process has with many jobs open, and how
// long it takes to start, against one that has none.
func openJobs(ctx context.Context, args []string) (err error) {
	var s settings
	flags := flag.NewFlagSet("memory", flag.ExitOnError)
	s.register(flags)
	list := flags.String("jobs", "100000", "open jobs")
	_ = flags.Parse(args) // it exits
	sizes, err := numbers(*list)
	if err := errors.Join(err, s.check()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	template := filepath.Join(dir, "template")
	if err := os.Mkdir(template, 0o700); err != nil {
		return err
	}
	if _, err := output(ctx, s.redrive, "open", "-data", template); err != nil {
		return err
	}
	var ratios []contest.Ratio
	for _, n := range sizes {
		data := filepath.Join(dir, strconv.Itoa(n))
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		if _, err := output(ctx, s.redrive, "copies", "-kind", "scheduler.job",
			"-from", filepath.Join(template, database), "-to", filepath.Join(data, database), "-n", strconv.Itoa(n)); err != nil {
			return err
		}
		more, err := s.weigh(ctx, data, n)
		if err != nil {
			return err
		}
		ratios = append(ratios, more...)
	}
	return contest.PrintRatios(os.Stdout, ratios)
}

// weigh starts a process on nothing and one on n open jobs, in turns.
func (s *settings) weigh(ctx context.Context, data string, n int) ([]contest.Ratio, error) {
	name := "memory/" + power(n)
	anon, start, each := contest.Ratio{Name: name + "/rss-over-empty"}, contest.Ratio{Name: name + "/start-over-empty"}, contest.Ratio{Name: name + "/bytes-per-open-job"}
	for round := range s.rounds {
		empty := filepath.Join(data, fmt.Sprintf("empty-%d", round))
		if err := os.Mkdir(empty, 0o700); err != nil {
			return nil, err
		}
		none, err := s.start(ctx, empty)
		if err != nil {
			return nil, err
		}
		full, err := s.start(ctx, data)
		if err != nil {
			return nil, err
		}
		if full.Waiting == 0 {
			return nil, errors.New("no job waits in a store that was made of waiting jobs")
		}
		fmt.Printf("round %d of %d: empty: started in %.2f s, %.1f MiB; with %d open jobs: %.2f s, %.1f MiB, with the pages of its files %.0f MiB\n",
			round+1, s.rounds, none.Seconds, mib(none.Anon), n, full.Seconds, mib(full.Anon), mib(full.RSS))
		anon.Values = append(anon.Values, float64(full.Anon)/float64(none.Anon))
		start.Values = append(start.Values, full.Seconds/none.Seconds)
		each.Values = append(each.Values, max(float64(full.Anon-none.Anon)/float64(n), 1)) // less than one is noise
	}
	return []contest.Ratio{anon, each, start}, nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func (s *settings) start(ctx context.Context, data string) (r started, err error) {
	out, err := output(ctx, s.redrive, "start", "-data", data)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Seconds <= 0 || r.Anon <= 0 {
		return r, fmt.Errorf("%.200q is no result: %w", out, err)
	}
	return r, nil
}
