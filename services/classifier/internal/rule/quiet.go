package rule

import (
	"regexp"
	"strings"
)

// Bounds of what is looked at to say whether a line is quiet.
const (
	maxLevel  = 160 // bytes of a line in which its level stands
	maxFrames = 100 // lines of a stack before the line
)

var (
	// level finds the first word that may be the level of a log line, or that
	// shows that the line is none of a logger.
	level = regexp.MustCompile(`\b(?:DEBUG|TRACE|INFO|NOTE|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL|PANIC|[\w.]*(?:Exception|Error|error|Failed|failed))\b|\blevel"?[=:] ?"?(?i:debug|trace)\b|\[(?:debug|trace)\s?\]`)
	// frame is a line of a stack of Java, and cause begins another part of it.
	frame  = regexp.MustCompile(`^\s+at [\w.$/@<>-]+\(|^\s+\.\.\. \d+ (?:more|common)`)
	cause  = regexp.MustCompile(`^\s*(?:Caused by|Suppressed): `)
	thrown = regexp.MustCompile(`^[\w.$]+(?:Exception|Error|Throwable)\b`)
)

// statement finds the verb of an SQL statement.
var statement = regexp.MustCompile(`(?i)\b(?:select|insert\s+into|update|delete\s+from|create\s+(?:table|view)|merge\s+into|where|values)\b`)

// maxStatement is how much of a line before a match is looked at for the
// statement that quotes it, in bytes.
const maxStatement = 4 << 10

// Neighbours of a code in a list of codes, such as "SlowDown, QuotaExceeded".
var (
	code      = `["']?[A-Za-z][\w.$-]*[A-Z_][\w.$-]*["']?`
	comma     = `\s*[,|]\s*`
	codes     = regexp.MustCompile(`^[\w.$-]+$`)
	oneBefore = regexp.MustCompile(code + comma + `["']?$`)
	twoBefore = regexp.MustCompile(code + comma + code + comma + `["']?$`)
	oneBehind = regexp.MustCompile(`^["']?` + comma + code)
	twoBehind = regexp.MustCompile(`^["']?` + comma + code + comma + code)
)

// maxListing is how much on either side of a match is looked at, in bytes.
const maxListing = 160

// spoken reports whether what matched on a line counts: it is not quiet, no
// string in an SQL statement that the line quotes, and no member of a list of
// codes.
func spoken(text string, s span, loc []int) bool {
	line := text[s.start:s.end]
	return !quiet(text, s.start) && !quoted(line, loc[0]) && !listed(line, loc[0], loc[1])
}

// listed reports whether a match is one word of a list of at least three codes:
// what a program would do about a failure, not one.
func listed(line string, start, end int) bool {
	if !codes.MatchString(line[start:end]) {
		return false
	}
	before, behind := line[max(0, start-maxListing):start], line[end:min(len(line), end+maxListing)]
	return twoBehind.MatchString(behind) || twoBefore.MatchString(before) || oneBefore.MatchString(before) && oneBehind.MatchString(behind)
}

// quoted reports whether a place of a line is in a string of an SQL statement.
func quoted(line string, at int) bool {
	head := line[max(0, at-maxStatement):at]
	if !strings.Contains(head, "'") {
		return false
	}
	verb := statement.FindStringIndex(head)
	return verb != nil && strings.Count(head[verb[1]:], "'")%2 == 1
}

// quiet reports whether the line of text that begins at start was logged at
// DEBUG or TRACE, or belongs to a stack that was. Nobody ends a job with such a
// line: patterns do not see them.
func quiet(text string, start int) bool {
	line := lineFrom(text, start)
	if debug(line) {
		return true
	}
	switch {
	case frame.MatchString(line) || cause.MatchString(line):
		for range maxFrames {
			if start = before(text, start); start < 0 {
				return false
			}
			if line = lineFrom(text, start); !frame.MatchString(line) && !cause.MatchString(line) {
				break
			}
		}
	case !thrown.MatchString(line):
		return false
	default:
		if after := lineFrom(text, next(text, start)); !frame.MatchString(after) && !debug(after) {
			return false
		}
	}
	if debug(line) {
		return true
	}
	start = before(text, start)
	return start >= 0 && thrown.MatchString(line) && debug(lineFrom(text, start))
}

// mayBeQuiet reports whether a text, or a line, has one of the words that all
// the rest is about.
func mayBeQuiet(text string) bool {
	return strings.Contains(text, "DEBUG") || strings.Contains(text, "TRACE") || strings.Contains(text, "debug") || strings.Contains(text, "trace") ||
		strings.Contains(text, "Debug") || strings.Contains(text, "Trace")
}

// debug reports whether the first level on a line is DEBUG or TRACE.
func debug(line string) bool {
	if !mayBeQuiet(line) {
		return false
	}
	m := level.FindString(line)
	return m == "DEBUG" || m == "TRACE" || strings.HasPrefix(m, "level") || strings.HasPrefix(m, "[")
}

// lineFrom returns the first bytes of the line that begins at start.
func lineFrom(text string, start int) string {
	line := text[start:min(len(text), start+maxLevel)]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	return line
}

// before returns where the line before the one at start begins, or less than 0.
func before(text string, start int) int {
	if start == 0 {
		return -1
	}
	return strings.LastIndexByte(text[:start-1], '\n') + 1
}

// next returns where the line after the one at start begins.
func next(text string, start int) int {
	if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
		return start + i + 1
	}
	return len(text)
}
