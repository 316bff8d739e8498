// Package sieve finds the lines of a text on which patterns may match, for
// thousands of patterns in one pass. What it lets through is for the patterns
// themselves to judge; a line that it holds back matches none.
//
// Of every pattern it knows what must stand on each line that matches: a run of
// bytes, some of which may be classes. A table of four-byte grams finds such
// runs by looking at every second or fourth place of the text; the patterns
// that need nothing of the kind share one automaton. What a pass costs hardly
// depends on the number of patterns.
package sieve

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"sync/atomic"
)

// maxShared bounds the states of the automaton of the patterns that need
// nothing: some megabytes. A text that asks for more is looked at line by line.
const maxShared = 8192

// Pattern is one pattern that lines are looked for.
type Pattern struct {
	Text  string // RE2
	Needs Needs  // of the parsed text
}

// Sieve finds the lines on which some patterns may match. It learns from the
// texts that it sees which runs are rare, and looks for those: it grows faster,
// and lets through the same. It is safe for concurrent use.
type Sieve struct {
	patterns []Pattern
	learner  *learner
	now      atomic.Pointer[layout]
}

// layout says what patterns are looked for by.
type layout struct {
	table     *table     // nil when nothing is in it
	automaton *Automaton // of the blind patterns; nil when there are none
	blind     []int
	exotic    []int // patterns of the table that may be written with exotic letters
}

// New returns the sieve of patterns, which are numbered as they come.
func New(patterns []Pattern) (*Sieve, error) {
	s := &Sieve{patterns: patterns, learner: newLearner()}
	first, err := newLayout(patterns, &s.learner.habits)
	s.now.Store(first)
	return s, err
}

func newLayout(patterns []Pattern, h *habits) (*layout, error) {
	b := newBuilder(h)
	choices := make([][]choice, len(patterns))
	for i := range patterns {
		choices[i] = b.choices(patterns[i].Needs)
	}
	l := &layout{}
	l.table, l.blind = b.build(choices)
	var trees []*syntax.Regexp
	isBlind := make([]bool, len(patterns))
	for _, i := range l.blind {
		isBlind[i] = true
		tree, err := syntax.Parse(patterns[i].Text, syntax.Perl)
		if err != nil {
			return nil, fmt.Errorf("parse %q: %w", patterns[i].Text, err)
		}
		trees = append(trees, tree)
	}
	for i := range patterns {
		if patterns[i].Needs.exotic && !isBlind[i] {
			l.exotic = append(l.exotic, i)
		}
	}
	if len(trees) > 0 {
		var err error
		if l.automaton, err = newAutomaton(maxShared, true, trees); err != nil {
			return nil, fmt.Errorf("build the automaton of %d patterns: %w", len(trees), err)
		}
	}
	return l, nil
}

// Scan calls found for every line on which a pattern may match, with the
// pattern's number and a place on that line. It may call several times for one
// line, and the lines come in any order.
func (s *Sieve) Scan(text string, found func(pattern, at int)) {
	s.now.Load().scan(text, found)
	if s.learner.learn(text) {
		s.learner.mu.Lock()
		defer s.learner.mu.Unlock()
		if better, err := newLayout(s.patterns, &s.learner.habits); err == nil { // as it could be built before
			s.now.Store(better)
		}
	}
}

func (l *layout) scan(text string, found func(pattern, at int)) {
	if l.table != nil {
		l.table.scan(text, found)
	}
	l.scanExotic(text, found)
	if l.automaton == nil {
		return
	}
	if !l.automaton.scan(text, func(n, at int) { found(l.blind[n], at) }) {
		for at := 0; at < len(text); at = lineAfter(text, at) {
			for _, p := range l.blind {
				found(p, at)
			}
		}
	}
}

// The letters beyond ASCII that (?i) takes for k and s, as the first byte and
// the rest.
var exotics = []string{"\u212a", "\u017f"}

// scanExotic tells the patterns that such a letter could keep from being found.
func (l *layout) scanExotic(text string, found func(pattern, at int)) {
	if len(l.exotic) == 0 {
		return
	}
	for _, letter := range exotics {
		for at := 0; ; at = lineAfter(text, at) {
			i := strings.Index(text[at:], letter)
			if i < 0 {
				break
			}
			at += i
			for _, p := range l.exotic {
				found(p, at)
			}
		}
	}
}
