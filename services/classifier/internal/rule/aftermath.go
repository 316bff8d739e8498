package rule

import (
	"regexp"
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/sieve"
)

// Aftermath is what a log says, later, of what a rule matched.
type Aftermath int

// The kinds of aftermath, as in proto/redrive/v1/rule.proto.
const (
	AftermathNone Aftermath = iota // nothing
	Retried                        // it was tried again
	Recovered                      // it came right
)

// maxAftermaths bounds of how many matches, the first in rule order, the
// aftermath is looked for.
const maxAftermaths = 32

// maxLookBack bounds how much of the end of a text is looked at for lines that
// say how it went on, in bytes.
const maxLookBack = 64 << 10

// turn is a kind of line after which what failed before is over.
type turn struct {
	means Aftermath
	// transient is for a line that tells of one call or step: what it puts right
	// are failures that pass by themselves, not a bug before them.
	transient bool
	literal   string
	line      *regexp.Regexp
}

// turns are the lines that say how an attempt, or what it retried by itself,
// went on: of the software that prints them, and as most programs word it.
var turns = []turn{
	// apache/spark resource-managers/yarn/.../ApplicationMaster.scala and Client.scala
	{Recovered, false, "Final app status: SUCCEEDED", regexp.MustCompile(`Final app status: SUCCEEDED, exitCode: 0\b`)},
	{Recovered, false, "final status: SUCCEEDED", regexp.MustCompile(`\bfinal status: SUCCEEDED\b`)},
	// apache/airflow airflow/models/taskinstance.py
	{Recovered, false, "Marking task as SUCCESS", regexp.MustCompile(`Marking task as SUCCESS\b`)},
	{Retried, false, "Starting attempt ", regexp.MustCompile(`\bStarting attempt (?:[2-9]|\d\d+) of \d+`)},
	// apache/hadoop .../mapreduce/Job.java
	{Recovered, false, " completed successfully", regexp.MustCompile(`\bJob job_\d+_\d+ completed successfully`)},
	// dbt-labs/dbt-core core/dbt/events/types.py (EndOfRunSummary)
	{Recovered, false, "Completed successfully", regexp.MustCompile(`(?:^|\s)Completed successfully\s*$`)},
	// apache/spark ApplicationMaster.scala: another attempt of the whole application
	{Retried, false, "ApplicationAttemptId: appattempt_", regexp.MustCompile(`ApplicationAttemptId: appattempt_\d+_\d+_(?:\d*[1-9]\d|\d*[2-9])\b`)},
	// As programs word it.
	{Recovered, true, "succeeded", regexp.MustCompile(`(?i)\b(?:retry|(?:attempt|try) #?\d+(?:(?: of |/)\d+)?) (?:has )?succeeded\b|\bsucceeded (?:on|after|at|in) (?:the )?(?:(?:retry|attempt|try)\b|(?:\d+ |second |third )(?:retr|attempt|tr))`)},
}

var (
	announces = regexp.MustCompile(`(?i)\bwill (?:be )?(?:re-?try|re-?tried)\b|\bretrying\b|\b(?:retry|try|trying) again (?:in|after)\b|\bretry (?:in|after) \d|\battempt \d+(?: of |/)\d+ failed\b`)
	denies    = regexp.MustCompile(`(?i)\b(?:not|never|no longer|without|stop(?:ped|ping)?|gave up|giving up(?: on)?|after|before|instead of) (?:re-?try|re-?tried|retrying)|\bretries exhausted\b|\bgiving up\b`)
)

// announcesRetry reports whether a line says that what failed is tried again.
func announcesRetry(line string) bool {
	return announces.MatchString(line) && !denies.MatchString(line)
}

// aftermaths notes on each match what its log says later of it. A rule that
// matches again after such a line, or also where no retry is announced, is one
// that nothing is known of. by returns a match's rule.
func aftermaths(matches []Match, in Input, by func(id string) *Compiled) {
	var seen []passed
	for i := range matches[:min(len(matches), maxAftermaths)] {
		m := &matches[i]
		if m.Line == 0 {
			continue
		}
		if seen == nil {
			seen = passes(in)
		}
		c := by(m.Rule)
		for _, p := range seen {
			if p.source != m.Source || p.line <= m.Line || p.means <= m.Aftermath || p.transient && !passing(m.Class) {
				continue
			}
			if !c.again(in, m.Source, p.line, func(string) bool { return true }) {
				m.Aftermath, m.AfterLine = p.means, p.line
			}
		}
		if m.Aftermath == AftermathNone && announcesRetry(m.Text) &&
			!c.again(in, m.Source, m.Line, func(line string) bool { return !announcesRetry(line) }) {
			m.Aftermath, m.AfterLine = Retried, m.Line
		}
	}
}

// passing reports whether failures of a class may pass by themselves.
func passing(c failure.Class) bool {
	m, _ := failure.MeaningOf(c)
	return m.Category == failure.CategorySystem || m.Category == failure.CategoryTimeout
}

// passed is the last line of a kind of turn in a source.
type passed struct {
	turn
	source string
	line   int
}

// passes looks for the last line of each turn in the end of each text.
func passes(in Input) []passed {
	all := []passed{}
	for _, t := range in.Texts {
		from := max(0, len(t.Text)-maxLookBack)
		text := t.Text[from:]
		for _, turn := range turns {
			last := -1
			for at := 0; ; {
				i := strings.Index(text[at:], turn.literal)
				if i < 0 {
					break
				}
				at += i
				if start, end := lineAt(text, at); turn.line.MatchString(text[start:end]) {
					last = at
				}
				at += len(turn.literal)
			}
			if last >= 0 {
				line := t.FirstLine + strings.Count(t.Text[:from+last], "\n")
				all = append(all, passed{turn, t.Source, line})
			}
		}
	}
	return all
}

// lineAt returns where the line around an offset begins and ends; of a very
// long one it is what is next to the offset.
func lineAt(text string, at int) (start, end int) {
	start, end = max(0, at-MaxLine/2), min(len(text), at+MaxLine/2)
	start += strings.LastIndexByte(text[start:at], '\n') + 1
	if i := strings.IndexByte(text[at:end], '\n'); i >= 0 {
		end = at + i
	}
	return start, end
}

// again reports whether a deciding pattern matches after a line of a source, on
// a line that counts.
func (c *Compiled) again(in Input, source string, after int, counts func(line string) bool) bool {
	deciding := c.any
	if len(deciding) == 0 {
		deciding = c.all[:1]
	}
	for _, t := range in.Texts {
		if t.Source != source {
			continue
		}
		from := lineStart(t.Text, after+1-t.FirstLine)
		for _, p := range deciding {
			if p.matchesFrom(t.Text, from, counts) {
				return true
			}
		}
	}
	return false
}

// lineStart returns where the line with a number, from 0, begins.
func lineStart(text string, number int) int {
	at := 0
	for ; number > 0 && at < len(text); number-- {
		at = next(text, at)
	}
	return at
}

// matchesFrom reports whether the pattern matches on a line that counts, from
// the line on that begins at a place.
func (p *pattern) matchesFrom(text string, from int, counts func(line string) bool) bool {
	for {
		at := p.needs.Next(text, from)
		if at < 0 {
			return false
		}
		from += strings.LastIndexByte(text[from:at], '\n') + 1
		for _, s := range spans(text[from:next(text, from)]) {
			s.start, s.end = s.start+from, s.end+from
			line := text[s.start:s.end]
			if !p.needs.On(line, func() string { return sieve.Lower(line) }) {
				continue
			}
			if loc := p.match(line); loc != nil && counts(line) && spoken(text, s, loc) {
				return true
			}
		}
		from = next(text, from)
	}
}
