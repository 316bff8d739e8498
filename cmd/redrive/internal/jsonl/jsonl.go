// Package jsonl classifies texts that come as JSON lines, one answer a line, in
// their order. It holds one line at a time, however long the input is.
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxLine bounds one line of input, in bytes; a longer one is malformed.
const MaxLine = 16 << 20

// Answer is what is said of one text.
type Answer struct {
	ID      json.RawMessage `json:"id"`
	Class   string          `json:"class"`
	Rule    string          `json:"rule"`
	Verdict string          `json:"verdict"`
	Summary string          `json:"summary"`
}

// question is a line of input; members besides these are ignored.
type question struct {
	ID   json.RawMessage `json:"id"`
	Text *string         `json:"text"`
}

// Run answers every line of in with classify, whose answer needs no ID. Of a
// malformed line bad is told its number, counted from 1, and Run goes on; blank
// lines are left out. It returns the number of malformed lines, and an error
// when reading or writing fails.
func Run(in io.Reader, out io.Writer, classify func(text string) (Answer, error), bad func(line int, err error)) (int, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	w := bufio.NewWriterSize(out, 64<<10)
	malformed := 0
	for number := 1; ; number++ {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			return malformed, w.Flush()
		}
		if err == nil {
			err = answer(w, line, classify)
		}
		if e, ok := errors.AsType[*malformedError](err); ok {
			malformed++
			bad(number, e)
			err = nil
		}
		// Whoever writes lines by and by gets each answer at once.
		if err == nil && r.Buffered() == 0 {
			err = w.Flush()
		}
		if err != nil {
			return malformed, errors.Join(err, w.Flush())
		}
	}
}

// malformedError is a line that is not a question.
type malformedError struct{ error }

func (e *malformedError) Unwrap() error { return e.error }

func answer(w io.Writer, line []byte, classify func(string) (Answer, error)) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return &malformedError{fmt.Errorf("not a JSON object with \"id\" and \"text\": %w", err)}
	}
	if q.Text == nil {
		return &malformedError{errors.New(`it has no "text"`)}
	}
	a, err := classify(*q.Text)
	if err != nil {
		return &malformedError{err}
	}
	if a.ID = q.ID; a.ID == nil {
		a.ID = json.RawMessage("null")
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(a)
}

// readLine returns the next line, and io.EOF after the last one. Of a line that
// is too long it reads all and keeps nothing.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		long := len(line)+len(part) > MaxLine
		if !long {
			line = append(line, part...)
		}
		switch {
		case long:
			return nil, errors.Join(&malformedError{fmt.Errorf("it has more than %d MiB", MaxLine>>20)}, skipLine(r, err))
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		default:
			return line, err
		}
	}
}

// skipLine reads to the end of the line that err interrupted.
func skipLine(r *bufio.Reader, err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) {
		return nil // said again by the next line
	}
	return err
}
