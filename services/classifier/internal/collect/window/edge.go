package window

import "strings"

// maxPartial is how far from an edge the end of a line is looked for.
const maxPartial = 4 << 10

// Head returns the beginning of s, about n bytes that end with a line. The
// trace in which that would be goes on to its end, for at most slack bytes.
func Head(s string, n, slack int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	if i := strings.LastIndexByte(s[:n], '\n'); i >= 0 && n-i <= maxPartial {
		cut = i + 1
	}
	limit := min(len(s), n+slack)
	for end := cut; end < limit; {
		line, whole := lineAt(s[end:limit])
		if !whole {
			break
		}
		if !continues(line) {
			// What ends a trace of Python stands at the beginning of its line.
			if pythonFrame(lastLine(s[:end])) {
				end += len(line)
			}
			if end > cut {
				return s[:end]
			}
			break
		}
		end += len(line)
	}
	return s[:cut]
}

// Tail returns the end of s, about n bytes that begin with a line. Where that
// is within a trace, the line that the trace begins with is looked for, at
// most slack bytes before.
func Tail(s string, n, slack int) string {
	if len(s) <= n {
		return s
	}
	cut := len(s) - n
	if i := strings.IndexByte(s[cut:], '\n'); i >= 0 && i < maxPartial {
		cut += i + 1
	}
	limit := max(0, len(s)-n-slack)
	line, _ := lineAt(s[cut:])
	if cut == 0 || !continues(line) && !pythonFrame(lastLine(s[:cut])) {
		return s[cut:]
	}
	for start := cut; start > limit; {
		line := lastLine(s[limit:start])
		if start -= len(line); start == limit && limit > 0 {
			break // it began before
		}
		if !continues(line) {
			return s[start:]
		}
	}
	return s[cut:]
}

// lineAt returns the first line of s with its end, and whether it has one.
func lineAt(s string) (line string, whole bool) {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return s[:i+1], true
	}
	return s, false
}

// lastLine returns the last line of s with its end.
func lastLine(s string) string {
	return s[strings.LastIndexByte(strings.TrimSuffix(s, "\n"), '\n')+1:]
}

// continues reports whether a line belongs to the one before it, as those of a
// stack trace do.
func continues(line string) bool {
	switch {
	case strings.TrimSpace(line) == "":
		return false
	case line[0] == ' ' || line[0] == '\t':
		return true
	}
	for _, start := range []string{"Caused by: ", "at ", "... ", "Suppressed: ", "During handling of the above", "The above exception was", "Traceback (most recent", "goroutine "} {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return false
}

// pythonFrame reports whether a line is one below `File "…", line 7`, or that
// line itself.
func pythonFrame(line string) bool {
	return strings.HasPrefix(line, "  File \"") || strings.HasPrefix(line, "    ") && !strings.HasPrefix(strings.TrimSpace(line), "at ")
}
