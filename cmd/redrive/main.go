// Command redrive is the server and the command line of Redrive.
package main

import (
	"context"
	"os"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/services/scheduler"
)

// version is set when a release is built.
var version string

func main() {
	// An attempt's supervisor is this same program. There may be many, so they
	// set up nothing that they do not need.
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		os.Exit(scheduler.Supervise(os.Args[2:]))
	}
	os.Exit(command.Main(context.Background(), version, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
