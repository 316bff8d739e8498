package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/jsonl"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier"
)

func (a *app) classify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "classify FILE | classify --jsonl [FILE]",
		Short: "Classify a log, or a stream of them, by the built-in rules",
		Long: `Say what a log means by the built-in rules, without a server. FILE is a log, or
- for stdin; the status is 1 when no rule matches.

With --jsonl, each line of stdin (or of FILE) is an object with "id" and "text",
and each line of the answer, in the same order, one with "id", "class", "rule",
"verdict" and "summary"; the class is "unknown" when no rule matches. A malformed
line is named on stderr, the rest goes on, and the status is 1 at the end.`,
	}
	lines := cmd.Flags().Bool("jsonl", false, "read and write JSON lines")
	packs := cmd.Flags().StringSlice("rules", nil, "a rule pack, or a folder of them, besides the built-in ones (repeat)")
	f := addFormat(cmd)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 0 && !*lines {
			return usagef("say which log: redrive classify FILE, or - for stdin")
		}
		return nil
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		c, err := classifier.NewOffline()
		if err != nil {
			return err
		}
		if err := c.LoadPacks(*packs...); err != nil {
			return usageError{err}
		}
		in, err := a.open(append(args, "-")[0])
		if err != nil {
			return err
		}
		defer in.Close() //nolint:errcheck // it was only read
		if *lines {
			return a.classifyLines(c, in)
		}
		return a.classifyOne(c, in, *f)
	}
	return cmd
}

func (a *app) classifyOne(c *classifier.Offline, in io.Reader, f format) error {
	text, err := ends(in, endBytes)
	if err != nil {
		return err
	}
	r := c.Classify("", text)
	if f == "table" {
		err = a.fields("class", a.out.Strong(clean(r.Class)), "verdict", r.Verdict, "rule", r.Rule, "summary", clean(r.Summary))
	} else {
		var b []byte
		if b, err = json.Marshal(answerOf(r)); err == nil {
			err = f.writeJSON(a.stdout, b)
		}
	}
	if err == nil && r.Class == string(failure.Unknown) {
		err = errNegative
	}
	return err
}

func (a *app) classifyLines(c *classifier.Offline, in io.Reader) error {
	malformed, err := jsonl.Run(in, a.stdout, func(text string) (jsonl.Answer, error) {
		return answerOf(c.Classify("", text)), nil
	}, func(line int, err error) { a.complain(fmt.Sprintf("line %d: %v", line, err)) })
	if err == nil && malformed > 0 {
		err = errNegative
	}
	return err
}

func answerOf(r classifier.Result) jsonl.Answer {
	return jsonl.Answer{ID: json.RawMessage("null"), Class: r.Class, Rule: r.Rule, Verdict: r.Verdict, Summary: r.Summary}
}

// endBytes is how much of each end of a log is kept: what the classifier looks
// at, whatever it takes from which end.
const endBytes = failure.MaxLogBytes

// ends reads all of r and returns its first n and its last n bytes, or the whole
// text when that is less.
func ends(r io.Reader, n int) (string, error) {
	head, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return "", err
	}
	var tail []byte
	buf := make([]byte, 64<<10)
	for {
		read, err := r.Read(buf)
		tail = append(tail, buf[:read]...)
		if len(tail) > 4*n {
			tail = append([]byte(nil), tail[len(tail)-n:]...)
		}
		if errors.Is(err, io.EOF) {
			return string(head) + string(tail[max(0, len(tail)-n):]), nil
		}
		if err != nil {
			return "", err
		}
	}
}
