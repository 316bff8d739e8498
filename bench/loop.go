package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redrive-io/redrive/bench/internal/contest"
	"github.com/redrive-io/redrive/bench/internal/stage"
)

// settings are the flags of all comparisons.
type settings struct {
	redrive string // the contestant that go test -c made of cmd/redrive/internal/loop
	dir     string // on the disk that is measured
	open    int
	rounds  int
	contest.Span
}

func (s *settings) register(flags *flag.FlagSet) {
	flags.StringVar(&s.redrive, "redrive", "", "Redrive's contestant, built by make")
	flags.StringVar(&s.dir, "dir", "", "folder on the disk that is measured")
	flags.IntVar(&s.open, "open", 64, "jobs at once")
	flags.IntVar(&s.rounds, "rounds", 4, "rounds")
	flags.DurationVar(&s.Warm, "warm", time.Second, "time of a round that does not count")
	flags.DurationVar(&s.Run, "run", 3*time.Second, "time of a round that counts")
}

// tmpfs is the magic number of file systems in memory.
const tmpfs = 0x01021994

// check refuses a folder that is not on a disk: syncing it costs nothing.
func (s *settings) check() (err error) {
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	var at syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &at); err != nil {
		return fmt.Errorf("-dir %q: %w", s.dir, err)
	}
	if at.Type == tmpfs {
		return fmt.Errorf("-dir %s is in memory: name a folder on a disk", s.dir)
	}
	if s.open < 1 || s.rounds < 1 || s.Run <= 0 {
		return errors.New("-open, -rounds and -run must be more than 0")
	}
	return nil
}

// peers are those that Redrive is compared with.
var peers = []string{"asynq", "jetstream", "jetstream-interval", "pebble", "fsync"}

// loop compares cycles.
func loop(ctx context.Context, args []string) error {
	var s settings
	flags := flag.NewFlagSet("loop", flag.ExitOnError)
	s.register(flags)
	var p stage.Programs
	flags.StringVar(&p.Redrive, "serve", "", "the redrive program; without it nothing is deployed")
	flags.StringVar(&p.NATS, "nats", "", "the nats-server program")
	_ = flags.Parse(args) // it exits
	if err := s.check(); err != nil {
		return err
	}
	ours := []contest.Contestant{s.embedded("embedded", "memory"), s.embedded("embedded-transient", "transient")}
	if p.Redrive != "" {
		ours = append(ours, s.deployed("distributed", "memory", p, 1), s.deployed("distributed-transient", "transient", p, 1),
			s.deployed("distributed-3nats", "memory", p, 3))
	}
	all := slices.Clone(ours)
	for _, name := range peers {
		all = append(all, s.peer(name))
	}
	results, err := contest.Hold(ctx, os.Stderr, all, s.rounds)
	if err != nil {
		return err
	}
	if err := results.Table(os.Stdout, all); err != nil {
		return err
	}
	return contest.PrintRatios(os.Stdout, loopRatios(results, ours))
}

func loopRatios(rs contest.Rounds, ours []contest.Contestant) []contest.Ratio {
	var all []contest.Ratio
	for _, c := range ours {
		for _, theirs := range peers {
			all = append(all, rs.Rates("loop/"+c.Name+"/vs-"+theirs, c.Name, theirs))
		}
	}
	for _, c := range ours {
		all = append(all,
			rs.Waits("latency/"+c.Name+"/p50/asynq-over-redrive", c.Name, "asynq", 0.50),
			rs.Waits("latency/"+c.Name+"/p99/asynq-over-redrive", c.Name, "asynq", 0.99),
			rs.CPU("cpu/"+c.Name+"/asynq-over-redrive", c.Name, "asynq"))
	}
	return all
}

// embedded is Redrive in one process.
func (s *settings) embedded(name, ailment string) contest.Contestant {
	return contest.Contestant{Name: name, Run: func(ctx context.Context) (contest.Result, error) {
		return s.inFolder(func(dir string) (contest.Result, error) {
			return s.measure(ctx, s.redrive, "cycles", "-ailment", ailment, "-data", dir)
		})
	}}
}

// deployed is Redrive with a process for each service, and this many NATS
// servers.
func (s *settings) deployed(name, ailment string, p stage.Programs, servers int) contest.Contestant {
	return contest.Contestant{Name: name, Run: func(ctx context.Context) (contest.Result, error) {
		return s.inFolder(func(dir string) (contest.Result, error) {
			d, err := stage.StartDeployment(ctx, p, dir, servers)
			if err != nil {
				return contest.Result{}, err
			}
			defer d.Stop()
			var pids []string
			for _, pid := range d.PIDs() {
				pids = append(pids, strconv.Itoa(pid))
			}
			return s.measure(ctx, s.redrive, "cycles", "-ailment", ailment, "-connect", d.Addr, "-token-file", d.TokenFile, "-pids", strings.Join(pids, ","))
		})
	}}
}

// peer is one of the others.
func (s *settings) peer(name string) contest.Contestant {
	return contest.Contestant{Name: name, Run: func(ctx context.Context) (contest.Result, error) {
		self, err := os.Executable()
		if err != nil {
			return contest.Result{}, err
		}
		return s.inFolder(func(dir string) (contest.Result, error) {
			return s.measure(ctx, self, "peer", "-name", name, "-dir", dir)
		})
	}}
}

// inFolder does something in a new folder that is removed afterwards.
func (s *settings) inFolder(do func(dir string) (contest.Result, error)) (r contest.Result, err error) {
	dir, err := os.MkdirTemp(s.dir, "round-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return do(dir)
}

// measure runs a contestant in a process of its own and reads its result.
func (s *settings) measure(ctx context.Context, program string, args ...string) (contest.Result, error) {
	args = append(args, "-open", strconv.Itoa(s.open), "-warm", s.Warm.String(), "-run", s.Run.String())
	out, err := output(ctx, program, args...)
	if err != nil {
		return contest.Result{}, err
	}
	return contest.Parse(out)
}

// output runs a program and returns what it prints.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %v: %w: %s", filepath.Base(program), args, err, said.String())
	}
	return out, nil
}
