// Package command is the command line of redrive, one file a command. Data goes
// to stdout, talk to stderr. The exit status is 0 for success, 1 for a negative
// result or a failure, and 2 for a command line or an input that is wrong.
package command

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/serve"
)

// Exit statuses.
const (
	ExitOK       = 0
	ExitNegative = 1
	ExitUsage    = 2
)

// app is what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	out, talk      screen.Style // of stdout and stderr
	version        string

	data, server, tokenFile string         // global flags
	tls                     serve.TLSFiles // global flags, too
	address                 string         // of the server that was dialled, for messages
	conn                    *grpc.ClientConn
}

// now is when times are shown from.
func (a *app) now() time.Time { return time.Now() }

// Main runs the command line args and returns the exit status. version is the
// version that was built, or empty.
func Main(ctx context.Context, version string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		stdin: stdin, stdout: stdout, stderr: stderr,
		out: screen.StyleOf(stdout), talk: screen.StyleOf(stderr), version: version,
	}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if a.conn != nil {
		_ = a.conn.Close() // everything was answered
	}
	return a.report(cmd, err)
}

// root returns the command tree.
func (a *app) root() *cobra.Command {
	cobra.EnableCommandSorting = false // they are listed in the order in which they are used
	root := &cobra.Command{
		Use:   "redrive",
		Short: "Redrive turns a failed data job into a decision and carries it out",
		Long: `Redrive turns a failed data job into a decision and carries it out: retry as it
is, retry later, retry with a better configuration, or stop and tell a human.

Start a server with "redrive serve", then give it a job:

  redrive submit --workflow sales --step load --memory 256MiB --wait -- ./load.sh`,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		RunE: subcommandNeeded, Args: cobra.ArbitraryArgs,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "", "data folder of the server (env REDRIVE_DATA; default ~/.local/share/redrive)")
	flags.StringVar(&a.server, "server", "", "HOST:PORT of a server's gRPC, https://HOST:PORT with TLS (env REDRIVE_SERVER; default: the server of the data folder)")
	flags.StringVar(&a.tokenFile, "token-file", "", "file with the server's token (env REDRIVE_TOKEN has the token itself; default: the data folder's)")
	flags.StringVar(&a.tls.CA, "tls-ca", "", "PEM file with the authorities of the server's certificate (env REDRIVE_TLS_CA; default: the operating system's)")
	flags.StringVar(&a.tls.Cert, "tls-cert", "", "PEM file with a certificate for a server that asks for one (env REDRIVE_TLS_CERT)")
	flags.StringVar(&a.tls.Key, "tls-key", "", "its key (env REDRIVE_TLS_KEY)")

	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "look", Title: "Look and change:"}, &cobra.Group{ID: "offline", Title: "Without a server:"})
	group := func(id string, all ...*cobra.Command) {
		for _, c := range all {
			c.GroupID = id
		}
		root.AddCommand(all...)
	}
	group("run", a.serve(), a.demo(), a.submit(), a.retry(), a.cancelCommand())
	group("look", a.jobs(), a.failures(), a.explain(), a.rules(), a.clusters(), a.patches(), a.models(), a.records(), a.rightsize(), a.alerts(), a.deadLetters(), a.backup())
	group("offline", a.classify(), a.advise(), a.restore(), a.versionCommand())
	markRun(root)
	return root
}

// subcommandNeeded is what a command does that only has subcommands.
func subcommandNeeded(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		cmd.SetOut(cmd.ErrOrStderr())
		return alreadySaid(ExitUsage, cmd.Help())
	}
	err := usagef("unknown command %q for %q", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = usagef("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), oneOf(near))
	}
	return err
}

// takes refuses other numbers of arguments than least to most; a negative most
// is any number.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("the number of arguments is wrong; write it as %s", cmd.UseLine())
		}
		return nil
	}
}

// family returns a command that only has subcommands.
func family(use, short string, all ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: subcommandNeeded, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2}
	c.AddCommand(all...)
	return c
}
