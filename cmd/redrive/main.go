// Command redrive is the server and the command line of Redrive.
package main

import (
	"context"
	"os"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
)

// version is set when a release is built.
var version string

func main() {
	os.Exit(command.Main(context.Background(), version, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
