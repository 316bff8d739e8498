// Package collect turns evidence as it was told into evidence as it is kept
// and matched: read where it only refers to a file, cleaned, without secrets,
// and within its bounds.
package collect

import (
	"fmt"
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
)

// Collector reads logs. Its zero value reads no files.
type Collector struct {
	// Roots are the folders below which file:// URLs are read, with all links
	// resolved; anything else is refused.
	Roots []string
}

// New returns a collector that reads files below roots, each an absolute path.
func New(roots []string) Collector { return Collector{Roots: roots} }

// Collect returns e ready to be stored and matched, and says what could not be
// read. A log is read from its file only when what is told of it inline is cut
// or empty. It never fails: what cannot be read is decided without.
func (c Collector) Collect(e failure.Evidence) (failure.Evidence, []string) {
	var warnings []string
	logs := make([]failure.Log, 0, len(e.Logs))
	for i, l := range e.Logs {
		if i == failure.MaxLogs {
			warnings = append(warnings, fmt.Sprintf("%d logs are more than %d: the rest was left out", len(e.Logs), failure.MaxLogs))
			break
		}
		if l.URI != "" && (l.Truncated || l.Head+l.Tail == "") {
			if read, err := c.read(l); err != nil {
				warnings = append(warnings, clip(redact.Text(fmt.Sprintf("log %q was not read: %v", l.Source, err))))
			} else {
				l = read
			}
		}
		if l.SizeBytes == 0 {
			l.SizeBytes = int64(len(l.Head) + len(l.Tail))
		}
		l.Head, l.Tail = plain(l.Head), plain(l.Tail)
		logs = append(logs, l)
	}
	e.Logs = logs
	return redact.Evidence(e), warnings
}

// Text returns the evidence that a bare text is: one log of unknown source.
func Text(s string) failure.Evidence {
	e, _ := Collector{}.Collect(failure.Evidence{Logs: []failure.Log{{Head: s}}})
	return e
}

// plain takes out what is for the eyes alone: the escape sequences of colours
// and cursors. The text does not change otherwise.
func plain(s string) string {
	if !strings.Contains(s, "\x1b") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\x1b')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i+escape(s[i:]):]
	}
}

// maxEscape bounds a sequence that never ends.
const maxEscape = 256

// escape returns the length of the sequence that begins s: ESC [ … letter,
// ESC ] … BEL, ESC ( letter, or ESC and one more.
func escape(s string) int {
	end := min(len(s), maxEscape)
	switch s[1] {
	case '[':
		for i := 2; i < end; i++ {
			if c := s[i]; c >= 0x40 && c <= 0x7e {
				return i + 1
			} else if c < 0x20 {
				return i
			}
		}
	case ']':
		for i := 2; i < end; i++ {
			switch s[i] {
			case '\a':
				return i + 1
			case '\n', '\x1b':
				return i
			}
		}
	case '(', ')':
		return min(3, len(s))
	case '\n':
		return 1
	}
	return 2
}

func clip(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "")
	}
	return s
}
