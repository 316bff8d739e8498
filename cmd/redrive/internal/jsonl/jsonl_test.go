package jsonl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/jsonl"
)

// length answers with the length of the text.
func length(text string) (jsonl.Answer, error) {
	if text == "impossible" {
		return jsonl.Answer{}, errors.New("cannot be classified")
	}
	return jsonl.Answer{Class: fmt.Sprint(len(text)), Verdict: "UNKNOWN", Summary: "<a & b>"}, nil
}

func TestAnswersComeInOrderAndMalformedLinesAreNamed(t *testing.T) {
	in := `{"id":"a","text":"four","class":"ignored","more":{"x":1}}
{"id":7,"text":""}

not JSON
{"id":"no text"}
["a","b"]
{"id":"x","text":"impossible"}
{"text":"no id"}
{"id":"last","text":"no newline"}`
	var out bytes.Buffer
	var bad []string
	n, err := jsonl.Run(strings.NewReader(in), &out, length, func(line int, err error) { bad = append(bad, fmt.Sprint(line, ": ", err)) })
	if err != nil || n != 4 {
		t.Errorf("Run = %d, %v; want 4 malformed lines", n, err)
	}
	want := `{"id":"a","class":"4","rule":"","verdict":"UNKNOWN","summary":"<a & b>"}
{"id":7,"class":"0","rule":"","verdict":"UNKNOWN","summary":"<a & b>"}
{"id":null,"class":"5","rule":"","verdict":"UNKNOWN","summary":"<a & b>"}
{"id":"last","class":"10","rule":"","verdict":"UNKNOWN","summary":"<a & b>"}
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	for i, want := range []string{"4: not a JSON", `5: it has no "text"`, "6: not a JSON", "7: cannot be classified"} {
		if i >= len(bad) || !strings.HasPrefix(bad[i], want) {
			t.Errorf("complaints = %q, want %q as number %d", bad, want, i)
		}
	}
}

func TestALineThatIsTooLongIsLeftOut(t *testing.T) {
	in := io.MultiReader(
		strings.NewReader(`{"id":1,"text":"a"}`+"\n"), io.LimitReader(endless{}, 3*jsonl.MaxLine), strings.NewReader("\n"+`{"id":2,"text":"b"}`+"\n"),
		io.LimitReader(endless{}, jsonl.MaxLine+1))
	var out bytes.Buffer
	var lines []int
	n, err := jsonl.Run(in, &out, length, func(line int, _ error) { lines = append(lines, line) })
	if err != nil || n != 2 || len(lines) != 2 || lines[0] != 2 || lines[1] != 4 {
		t.Errorf("Run = %d, %v with complaints about %v; want lines 2 and 4", n, err, lines)
	}
	if got := strings.Count(out.String(), "\n"); got != 2 {
		t.Errorf("%d answers, want 2: %s", got, out.String())
	}
}

// endless is a line without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestEachAnswerComesBeforeTheNextQuestion(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := jsonl.Run(inR, outW, length, func(int, error) {})
		done <- errors.Join(err, outW.Close())
	}()
	answers := json.NewDecoder(outR)
	for i := range 3 {
		if _, err := fmt.Fprintf(inW, "{\"id\":%d,\"text\":\"x\"}\n", i); err != nil {
			t.Fatal(err)
		}
		var a jsonl.Answer
		if err := answers.Decode(&a); err != nil || string(a.ID) != fmt.Sprint(i) {
			t.Fatalf("answer %s (%v), want that to %d", a.ID, err, i)
		}
	}
	if err := inW.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAFailingReaderOrWriterEndsIt(t *testing.T) {
	broken := errors.New("broken")
	if _, err := jsonl.Run(io.MultiReader(strings.NewReader("{}\n"), failing{broken}), io.Discard, length, func(int, error) {}); !errors.Is(err, broken) {
		t.Errorf("Run = %v, want the reader's error", err)
	}
	if _, err := jsonl.Run(strings.NewReader(`{"text":""}`), failing{broken}, length, func(int, error) {}); !errors.Is(err, broken) {
		t.Errorf("Run = %v, want the writer's error", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzRun(f *testing.F) {
	f.Add([]byte(`{"id":"a","text":"b"}` + "\n\nx\n{}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		last := 0
		n, err := jsonl.Run(bytes.NewReader(in), &out, length, func(line int, _ error) {
			if line <= last {
				t.Errorf("line %d was complained about after line %d", line, last)
			}
			last = line
		})
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(in, []byte("\n")) + 1; n+bytes.Count(out.Bytes(), []byte("\n")) > lines {
			t.Errorf("%d malformed and %d answers of %d lines", n, bytes.Count(out.Bytes(), []byte("\n")), lines)
		}
	})
}
