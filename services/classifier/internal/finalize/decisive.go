package finalize

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Bounds of an excerpt.
const (
	linesBefore = 5
	linesAfter  = 6
	maxLine     = 500 // bytes
	// lookBack is how many lines from the end of a text are looked at for its
	// last error.
	lookBack = 2000
)

// place is one line of an input.
type place struct {
	lines []string
	at    int
}

func (p place) line() string { return p.lines[p.at] }

var (
	loud  = regexp.MustCompile(`\b(?:\w*(?:Error|Exception|Failure)\b|FATAL\b|CRITICAL\b|ERROR\b|SEVERE\b|PANIC\b|panic:|fatal:|error:)`)
	quiet = regexp.MustCompile(`(?i)\b(?:error|fail(?:ed|ure|s)?|fatal|exception|cannot|can't|could not|couldn't|unable|denied|refused|killed|abort(?:ed|ing)?|invalid|missing|not found|no such|timed out|timeout|exceeded|segmentation fault|core dumped|unexpected|illegal|rejected|panic)\b`)
	noise = regexp.MustCompile(`^\s*$|^\s+at\s|^\s*\.\.\. \d+ (?:more|common)|^\s*File "|^\s*Traceback \(most recent|^\s*(?:raise|throw)\b|\b(?i:0|no|without|any) (?i:errors?|failures?|exceptions?)\b`)
)

// lastError returns the line that an unknown failure speaks through. Logs are
// asked in this order: stderr, driver, others, stdout; of a cut log the tail
// comes before the head. The last line that names an error, as in "ERROR",
// "fatal:" or "ValueError", of the first log that has one; else in the same way
// the last line with a word such as "failed" or "denied"; else the last line
// of the first log that is not empty. Frames of a stack and lines such as "0
// errors" do not count.
func lastError(in rule.Input) (place, bool) {
	texts := make([][]string, 0, len(in.Texts))
	for _, t := range ranked(in.Texts) {
		texts = append(texts, split(t.Text))
	}
	for _, wanted := range []*regexp.Regexp{loud, quiet, nil} {
		for _, lines := range texts {
			for i := len(lines) - 1; i >= max(0, len(lines)-lookBack); i-- {
				if matches(wanted, lines[i]) {
					return place{lines, i}, true
				}
			}
		}
	}
	return place{}, false
}

func matches(wanted *regexp.Regexp, line string) bool {
	if len(line) > rule.MaxLine {
		line = line[len(line)-rule.MaxLine/2:]
	}
	if wanted == nil {
		return strings.TrimSpace(line) != ""
	}
	return wanted.MatchString(line) && !noise.MatchString(line)
}

func ranked(texts []rule.Text) []rule.Text {
	texts = slices.Clone(texts)
	rank := func(t rule.Text) int {
		n := map[string]int{"stderr": 0, "driver": 2, "stdout": 6}
		r, ok := n[t.Source]
		if !ok {
			r = 4
		}
		if !t.Tail {
			r++
		}
		return r
	}
	slices.SortStableFunc(texts, func(a, b rule.Text) int { return cmp.Compare(rank(a), rank(b)) })
	return texts
}

// errorsBefore returns the line and up to two lines before it, of the 20 next
// to it, that look like errors: one line alone is often the same for many
// failures.
func (p place) errorsBefore() []string {
	all := []string{p.line()}
	for i := p.at - 1; i >= max(0, p.at-20) && len(all) < 3; i-- {
		if matches(loud, p.lines[i]) || matches(quiet, p.lines[i]) {
			all = append(all, p.lines[i])
		}
	}
	slices.Reverse(all)
	return all
}

// excerpt returns the lines around p. text, when there is one, stands for p's
// own line: it is what of a long line is around the match.
func (p place) excerpt(text string) []string {
	var all []string
	for i := max(0, p.at-linesBefore); i <= min(len(p.lines)-1, p.at+linesAfter); i++ {
		line := strings.TrimRight(p.lines[i], " \t\r")
		if i == p.at && text != "" {
			line = text
		}
		all = append(all, clip(line, maxLine))
	}
	return all
}

// find returns the line that m matched.
func find(m rule.Match, in rule.Input) (place, bool) {
	for _, t := range in.Texts {
		if t.Source != m.Source || t.Tail != m.Tail || m.Line < t.FirstLine {
			continue
		}
		lines := split(t.Text)
		if at := m.Line - t.FirstLine; at < len(lines) && strings.Contains(lines[at], m.Text) {
			return place{lines, at}, true
		}
	}
	return place{}, false
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
