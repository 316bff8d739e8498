package finalize

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
)

// lastErrorLine begins the summary of a failure that no rule knows; at most
// maxQuoted bytes of the line follow. emptyLogs begins that of one without any.
const (
	lastErrorLine = "No rule knows this failure. Its last error line: "
	emptyLogs     = "No rule knows this failure, and its logs are empty: "
	maxQuoted     = 300
)

// Spoken returns the line that a failure which no rule knows speaks through, as
// its excerpt has it: at most 500 bytes, with … behind it where it was longer.
// Of one without logs it returns how it ended, and bare. ok is false for a
// failure that a rule knows.
func (r Result) Spoken() (line string, bare, ok bool) {
	if r.Class != failure.Unknown {
		return "", false, false
	}
	if ended, bare := strings.CutPrefix(r.Summary, emptyLogs); bare {
		return strings.TrimSuffix(ended, "."), true, true
	}
	said, ok := strings.CutPrefix(r.Summary, lastErrorLine)
	for _, line := range r.Excerpt {
		if ok && clip(strings.TrimSpace(line), maxQuoted) == said {
			return line, false, true
		}
	}
	return said, false, ok && said != ""
}
