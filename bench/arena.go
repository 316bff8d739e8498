package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/redrive-io/redrive/bench/internal/contest"
	"github.com/redrive-io/redrive/bench/internal/matcher"
)

// arena is where engines with the same rules meet, each in a process of its
// own, one at work at a time.
type arena struct {
	engines   []string
	rounds    int
	least     int64
	dir       string
	processes map[string]*matcher.Process
	first     map[string]matcher.Answer // of making the engine and its first scan
}

// start starts all engines, gives them their rules and a first log.
func (a *arena) start(ctx context.Context, contestant, patterns string, log []byte) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := a.keep(log)
	if err != nil {
		return err
	}
	a.processes, a.first = map[string]*matcher.Process{}, map[string]matcher.Answer{}
	for _, name := range a.engines {
		program, args := self, []string{"matcher", "-name", name}
		if name == ours {
			program, args = contestant, []string{"matcher"}
		}
		p, err := matcher.Start(ctx, program, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		a.processes[name] = p
		if a.first[name], err = p.Ask(matcher.Ask{Patterns: patterns, Log: file, Times: 1}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (a *arena) stop() error {
	var all []error
	for _, p := range a.processes {
		all = append(all, p.Stop())
	}
	return errors.Join(all...)
}

// built compares the time to make an engine and to scan a first megabyte, and
// the memory after that: theirs in ours.
func (a *arena) built(prefix, mix string) []contest.Ratio {
	rival, us := a.first["hyperscan"], a.first[ours]
	return []contest.Ratio{
		{Name: prefix + mix + "/first-scan/vs-hyperscan", Values: []float64{float64(rival.CPU) / float64(us.CPU)}},
		{Name: prefix + mix + "/memory/vs-hyperscan", Values: []float64{float64(rival.RSS) / float64(us.RSS)}},
	}
}

func (a *arena) keep(log []byte) (string, error) {
	f, err := os.CreateTemp(a.dir, "log-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(log)
	return f.Name(), errors.Join(err, f.Close())
}

// agree lets all engines that look at the whole log find its first rule: the
// same.
func (a *arena) agree(log []byte) error {
	file, err := a.keep(log)
	if err != nil {
		return err
	}
	found := map[int][]string{}
	for _, name := range a.engines {
		answer, err := a.processes[name].Ask(matcher.Ask{Log: file, Times: 1})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if answer.Part == 1 {
			found[answer.First] = append(found[answer.First], name)
		}
	}
	if len(found) != 1 || found[-1] != nil {
		return fmt.Errorf("the engines disagree on %s: %v", filepath.Base(file), found)
	}
	return os.Remove(file)
}

// race measures nanoseconds a scan, by engine and round, the engines in turn.
func (a *arena) race(log []byte) (map[string][]float64, error) {
	file, err := a.keep(log)
	if err != nil {
		return nil, err
	}
	times := map[string]int{}
	all := map[string][]float64{}
	for round := range a.rounds + 1 {
		order := slices.Clone(a.engines)
		if round%2 > 0 {
			slices.Reverse(order)
		}
		for _, name := range order {
			// The first round warms up and says how often to scan.
			n := max(1, times[name])
			answer, err := a.processes[name].Ask(matcher.Ask{Log: file, Times: n})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if round == 0 {
				times[name] = int(min(20_000, 1+float64(a.least)/float64(max(1, answer.CPU))))
				if _, err = a.processes[name].Ask(matcher.Ask{Log: file, Times: times[name]}); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				continue
			}
			all[name] = append(all[name], float64(max(1, answer.CPU))/float64(n)/answer.Part)
		}
	}
	return all, os.Remove(file)
}
