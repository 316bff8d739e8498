package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// tellLogs says where the logs came from that were not told with the failure,
// and what was the matter with them.
func (a *app) tellLogs(f *redrivev1.Failure) {
	tell := func(l *redrivev1.Log, late string) {
		if l.GetUri() == "" || l.GetReadTime() == nil && l.GetProblem() == "" {
			return
		}
		what := "read from"
		switch {
		case l.GetProblem() != "" && l.GetReadTime() == nil:
			what = a.out.Warn("not read from")
		case l.GetProblem() != "":
			what = a.out.Warn("read in part from")
		}
		line := fmt.Sprintf("log %s: %s%s %s", clean(l.GetSource()), late, what, clean(l.GetUri()))
		if l.GetSizeBytes() > 0 {
			line += ", " + screen.Bytes(l.GetSizeBytes())
		}
		a.lines(line)
		// A warning says it as well, unless there are too many of them.
		if p := l.GetProblem(); p != "" && !slices.ContainsFunc(f.GetWarnings(), func(w string) bool { return strings.Contains(w, p) }) {
			a.lines("  " + clean(p))
		}
	}
	for _, l := range f.GetEvidence().GetLogs() {
		tell(l, "")
	}
	for _, l := range f.GetLateLogs() {
		tell(l, "later ")
	}
}
