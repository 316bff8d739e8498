package finalize

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
)

// lastErrorLine begins the summary of a failure that no rule knows; at most
// maxQuoted bytes of the line follow.
const (
	lastErrorLine = "No rule knows this failure. Its last error line: "
	maxQuoted     = 300
)

// Spoken returns the line that a failure which no rule knows speaks through, as
// its excerpt has it: at most 500 bytes, with … behind it where it was longer.
// ok is false for a failure that a rule knows, and for one without logs.
func (r Result) Spoken() (line string, ok bool) {
	said, ok := strings.CutPrefix(r.Summary, lastErrorLine)
	if r.Class != failure.Unknown || !ok {
		return "", false
	}
	for _, line := range r.Excerpt {
		if clip(strings.TrimSpace(line), maxQuoted) == said {
			return line, true
		}
	}
	return said, said != ""
}
