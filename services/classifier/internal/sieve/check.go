package sieve

import (
	"slices"
	"strings"
)

const (
	// maxChecks bounds how many sets of a pattern are looked for on a line.
	maxChecks = 4
	// minCheck is the length below which a text is on too many lines.
	minCheck = 3
)

// check is a text that is looked for on a line as it is, or in small letters.
type check struct {
	text string
	fold bool
}

// checksOf takes the sets that are plain texts, the best first.
func checksOf(sets []set) [][]check {
	var all [][]check
	for _, s := range sets {
		if len(all) == maxChecks {
			break
		}
		if c := checkOf(s); c != nil {
			all = append(all, c)
		}
	}
	return all
}

func checkOf(s set) []check {
	if s.shortest() < minCheck {
		return nil
	}
	var all []check
	for _, f := range s {
		if slices.ContainsFunc(f, func(p place) bool { return p >= someClass }) {
			return nil
		}
		c := check{fold: slices.ContainsFunc(f, func(p place) bool { return p >= eitherCase })}
		text := make([]byte, len(f))
		for i, p := range f {
			text[i] = byte(p)
		}
		if c.text = string(text); c.fold {
			c.text = Lower(c.text)
		}
		all = append(all, c)
	}
	return all
}

// On reports whether all that is needed may be on the line. low returns the
// line in small letters.
func (n *Needs) On(line string, low func() string) bool {
	for _, choice := range n.checks {
		if !slices.ContainsFunc(choice, func(c check) bool {
			if c.fold {
				return n.exotic || strings.Contains(low(), c.text)
			}
			return strings.Contains(line, c.text)
		}) {
			return false
		}
	}
	return true
}

// Next returns a place, from a place on, that is on the next line that may have
// all that is needed, or -1. It holds back no line that has.
func (n *Needs) Next(text string, from int) int {
	for _, choice := range n.checks {
		if len(choice) > 1 || choice[0].fold {
			continue
		}
		if i := strings.Index(text[from:], choice[0].text); i >= 0 {
			return from + i
		}
		return -1
	}
	if from == len(text) {
		return -1
	}
	return from
}

// Lower returns s with A to Z made small, and everything else as it is, so that
// offsets stay the same.
func Lower(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' })
	if i < 0 {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		if c := b[i]; 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
