package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pairsOf writes a map on one line, ordered by key: "a=1 b=2".
func pairsOf(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, clean(k)+"="+clean(m[k]))
	}
	return strings.Join(parts, " ")
}

// gap writes an empty line between two parts of what is shown.
func (a *app) gap() { _, _ = fmt.Fprintln(a.stdout) } // the next line tells whether stdout is gone

// heading writes the title of a part.
func (a *app) heading(title string) {
	a.gap()
	_, _ = fmt.Fprintln(a.stdout, a.out.Strong(title)) // the next line tells whether stdout is gone
}

// lines writes lines below a heading, leaving out empty ones.
func (a *app) lines(all ...string) {
	for _, l := range all {
		if l != "" {
			_, _ = fmt.Fprintln(a.stdout, "  "+l) // the next line tells whether stdout is gone
		}
	}
}
