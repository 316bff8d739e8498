// Command bench compares Redrive with what users would take in its place, in
// the same run, and prints ratios. README.md says what is compared and how to
// read it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/redrive-io/redrive/bench/internal/matcher"
	"github.com/redrive-io/redrive/bench/internal/peer"
)

// commands are the ways to call this program.
var commands = map[string]func(ctx context.Context, args []string) error{
	"loop":      loop,      // cycles against those of others
	"growth":    growth,    // cycles as the store grows
	"memory":    openJobs,  // memory and start with many open jobs
	"peer":      one,       // one peer, once; how loop runs them
	"classify":  classify,  // rule engines
	"matcher":   match,     // one engine; how classify runs them
	"recommend": recommend, // recommendations on traces
	"echo":      echo,      // the protocol of traces alone; how recommend runs it
}

const usage = "usage: bench loop|growth|memory|classify|recommend [flags]; bench COMMAND -h lists the flags"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("%s", usage)
	}
	return commands[args[0]](ctx, args[1:])
}

// one measures one peer once and prints its result in JSON.
func one(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	var o peer.Options
	name := flags.String("name", "", "the peer")
	flags.StringVar(&o.Dir, "dir", "", "folder for its files")
	flags.IntVar(&o.Open, "open", 64, "jobs at once")
	flags.DurationVar(&o.Warm, "warm", 0, "time that does not count")
	flags.DurationVar(&o.Run, "run", 0, "time that counts")
	_ = flags.Parse(args) // it exits
	r, err := peer.Run(ctx, *name, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// match answers for one engine on its standard input and output.
func match(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("matcher", flag.ExitOnError)
	name := flags.String("name", "", "the engine")
	_ = flags.Parse(args) // it exits
	return matcher.Serve(*name, os.Stdin, os.Stdout)
}
