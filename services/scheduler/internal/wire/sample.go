package wire

import (
	"strings"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/failure"
)

// maxLogTail bounds what is told of the logs of an attempt that succeeded, in
// bytes.
const maxLogTail = 16 << 10

// logTail returns the ends of the logs of an attempt that succeeded, for the
// classifier to see what its rules must not match. It is empty for seven in
// eight attempts: their ids decide, so that an event told again says the same.
func logTail(a failure.Attempt, logs []failure.Log) string {
	texts := make([]string, 0, len(logs))
	for _, l := range logs {
		if text := l.Head + l.Tail; text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 || a.FailureID()[0] > '1' { // a hexadecimal digit
		return ""
	}
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(lastLines(text, maxLogTail/len(texts)-1))
		if !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// lastLines returns at most n bytes from the end of text, from the beginning of
// a line where there is one: a part of a secret is hard to recognise, and half a
// line says nothing.
func lastLines(text string, n int) string {
	if len(text) <= n {
		return text
	}
	text = text[len(text)-n:]
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return text[i+1:]
	}
	for text != "" && !utf8.RuneStart(text[0]) {
		text = text[1:]
	}
	return text
}
