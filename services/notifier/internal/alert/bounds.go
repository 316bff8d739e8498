package alert

import (
	"strings"
	"unicode/utf8"
)

// Bounds of texts, in bytes, and of lists. What is longer is cut.
const (
	MaxSummary      = 1024
	MaxText         = 2048 // reasons, runbooks
	MaxName         = 256  // owners, people, resource names
	MaxExcerptLines = 20
	MaxExcerptLine  = 400
)

// Cut returns s with at most limit bytes, valid as UTF-8, without control
// characters but for line feeds and tabs. A text that was cut ends in "…".
func Cut(s string, limit int) string {
	const mark = "…"
	if len(s) > 2*limit { // enough, whatever is left out
		s = s[:2*limit]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) <= limit {
		return s
	}
	end := max(limit-len(mark), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	if limit < len(mark) {
		return s[:end]
	}
	return s[:end] + mark
}

// line cuts s to limit bytes on one line.
func line(s string, limit int) string {
	return Cut(strings.Join(strings.Fields(s), " "), limit)
}

// Bounded returns the failure with all texts within bounds.
func (f Failure) Bounded() Failure {
	f.Name, f.Owner, f.Patch = line(f.Name, MaxName), line(f.Owner, MaxName), line(f.Patch, MaxName)
	f.Summary, f.Reason, f.Runbook = line(f.Summary, MaxSummary), line(f.Reason, MaxText), Cut(f.Runbook, MaxText)
	f.Excerpt = cutLines(f.Excerpt)
	return f
}

// Bounded returns the stop with all texts within bounds.
func (s Stop) Bounded() Stop {
	s.Reason = line(s.Reason, MaxText)
	return s
}

func cutLines(lines []string) []string {
	out := make([]string, 0, min(len(lines), MaxExcerptLines))
	for _, l := range lines[:min(len(lines), MaxExcerptLines)] {
		out = append(out, Cut(strings.TrimRight(l, "\r\n"), MaxExcerptLine))
	}
	return out
}
