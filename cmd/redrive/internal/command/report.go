package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/pkg/errs"
)

// usageError is a command line that is wrong.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// saidError ends a command with a status when everything has been said.
type saidError struct {
	status int
	err    error // what is left to say, or nil
}

func (e *saidError) Error() string { return fmt.Sprintf("ended with status %d", e.status) }

// alreadySaid returns an error that reports nothing more but err, if any.
func alreadySaid(status int, err error) error { return &saidError{status, err} }

// errNegative is a negative result that the command has shown.
var errNegative = alreadySaid(ExitNegative, nil)

// ranError is an error of a command that ran: the command line was fine.
type ranError struct{ error }

func (r ranError) Unwrap() error { return r.error }

// markRun makes every command's own errors distinguishable from cobra's, which
// are all about the command line.
func markRun(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return ranError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markRun(sub)
	}
}

// report writes what went wrong for a person and returns the exit status.
func (a *app) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return ExitOK
	}
	if said, ok := errors.AsType[*saidError](err); ok {
		if said.err != nil {
			a.complain(said.err.Error())
		}
		return said.status
	}
	_, ran := errors.AsType[ranError](err)
	_, usage := errors.AsType[usageError](err)
	if usage || !ran {
		a.complain(err.Error())
		a.say("See %q.", cmd.CommandPath()+" --help")
		return ExitUsage
	}
	if errors.Is(err, context.Canceled) {
		a.complain("interrupted")
		return ExitNegative
	}
	a.complain(a.describe(err)...)
	if errs.Is(err, errs.Invalid) {
		return ExitUsage
	}
	return ExitNegative
}

// describe turns an error into lines: what, each wrong field, and what to do.
func (a *app) describe(err error) []string {
	e, ok := errors.AsType[*errs.Error](err)
	switch {
	case !ok:
		return []string{err.Error()}
	case e.Kind == errs.Unavailable && e.Reason == "" && a.conn != nil:
		// No reason: this was not said by a server of ours.
		return []string{fmt.Sprintf("no server at %s: start one with `redrive serve`", a.address), "(" + e.Error() + ")"}
	case e.Reason == "TOKEN_WRONG" || e.Reason == "TOKEN_MISSING":
		return []string{fmt.Sprintf("the server at %s does not accept this token: give its data folder with --data, or its token with --token-file", a.address)}
	case len(e.Violations) > 1:
		where := strings.TrimSuffix(err.Error(), e.Error()) // such as the file that they are in
		lines := []string{fmt.Sprintf("%s%d things are wrong:", where, len(e.Violations))}
		for _, v := range e.Violations {
			lines = append(lines, v.Field+": "+v.Description)
		}
		return lines
	case e.RetryAfter > 0:
		return []string{err.Error(), fmt.Sprintf("try again in %s", e.RetryAfter)}
	default:
		return []string{err.Error()}
	}
}

// complain writes an error to stderr, its first line marked.
func (a *app) complain(lines ...string) {
	for i, l := range lines {
		if i == 0 {
			a.say("%s %s", a.talk.Bad("error:"), l)
		} else {
			a.say("  %s", l)
		}
	}
}

// say writes a line to stderr.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...) // nobody is left to tell
}

// oneOf lists choices: "a", "a or b", "a, b or c".
func oneOf(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}
