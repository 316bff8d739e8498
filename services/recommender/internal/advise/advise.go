// Package advise answers the questions of a replay of recorded executions, with
// the code that serves: what an attempt taught goes into a history, and a
// question is prepared and searched like that of a failed job. The protocol is
// JSON lines: a line tells of an attempt that ended, or asks about the next one
// and is answered with one line.
package advise

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// maxLine bounds one line, in bytes.
const maxLine = 16 << 20

// Settings returns an operator's choices for one job type.
type Settings func(t failure.Type, owner string, c failure.Class) search.Settings

// Run reads lines from in and writes answers to out until in ends or ctx is
// done. A line that cannot be answered is errs.Invalid and ends it: whoever asks
// waits for an answer.
func Run(ctx context.Context, in io.Reader, out io.Writer, s Settings) error {
	lines, answers := bufio.NewReaderSize(in, 1<<16), bufio.NewWriter(out)
	d := desk{newTasks(s), newConfigs(s)}
	for n := 1; ctx.Err() == nil; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		answer, err := d.take(ctx, line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if answer == nil {
			continue
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		answers.Write(append(text, '\n')) //nolint:errcheck // Flush tells
		if err := answers.Flush(); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
	return nil
}

// readLine returns the next line; a last one without an end counts.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == nil {
		return line, nil
	}
	whole := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(whole) > maxLine {
			return nil, errs.New(errs.Invalid, "has more than %d MiB", maxLine>>20)
		}
		line, err = r.ReadSlice('\n')
		whole = append(whole, line...)
	}
	if errors.Is(err, io.EOF) && len(whole) > 0 {
		return whole, nil
	}
	return whole, err
}

// desk takes lines of all kinds.
type desk struct {
	tasks   *tasks
	configs *configs
}

// take takes one line and returns what answers it, nil for none.
func (d desk) take(ctx context.Context, text []byte) (any, error) {
	var l line
	if err := read(text, &l); err != nil {
		return nil, err
	}
	switch l.Kind {
	case "allocate":
		return d.tasks.allocate(ctx, &l)
	case "outcome":
		return nil, d.tasks.learn(&l)
	case "choose":
		var q choice
		if err := read(text, &q); err != nil {
			return nil, err
		}
		return d.configs.choose(ctx, q)
	case "history":
		var p past
		if err := read(text, &p); err != nil {
			return nil, err
		}
		return nil, d.configs.learn(p)
	}
	return nil, errs.Field("kind", "%q is none of allocate, outcome, choose and history", l.Kind)
}

func read(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	switch wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); {
	case ok && wrong.Field != "":
		return errs.Field(wrong.Field, "takes %s, not this %s", inJSON(wrong.Type.Kind()), wrong.Value)
	case ok:
		return errs.New(errs.Invalid, "must be an object, not this %s", wrong.Value)
	case err != nil:
		return errs.New(errs.Invalid, "%w", err)
	}
	return nil
}

// inJSON names what a kind of Go value is in JSON.
func inJSON(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "an object"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "a number"
}

// called names the fields of a job type as the protocol does.
func called(err error, workflow, step string) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return err
	}
	names := map[string]string{"type.workflow": workflow, "type.step": step}
	all := make([]error, len(e.Violations))
	for i, v := range e.Violations {
		all[i] = errs.Field(cmp.Or(names[v.Field], v.Field), "%s", v.Description)
	}
	return errs.Fields(all...)
}
