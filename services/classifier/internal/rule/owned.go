package rule

import (
	"regexp/syntax"
	"sync/atomic"

	"github.com/redrive-io/redrive/services/classifier/internal/sieve"
)

// owned is a pattern of a set, with the rule that it is a part of.
type owned struct {
	*pattern
	of   *Compiled
	rule int // where that rule is in the set
	set  *Set
	// An automaton says no much faster than the expression does, but costs some
	// hundred tries to be made: it is, once the pattern was tried that often, or
	// on a long line.
	tries     atomic.Int32
	automaton atomic.Pointer[sieve.Automaton]
}

// Bounds of the automata of a set: some 20 MiB of them at the most, and mostly
// a tenth of that.
const (
	maxAutomata = 1000
	maxStates   = 200
	fewTries    = 20
	longLine    = 2 << 10 // bytes
)

// find returns the submatch positions on line, or nil.
func (o *owned) find(line string) []int {
	a := o.automaton.Load()
	if a == nil && (len(line) >= longLine || o.tries.Add(1) > fewTries) {
		a = o.newAutomaton()
	}
	if a != nil && !a.May(line) {
		return nil
	}
	return o.match(line)
}

// newAutomaton returns the automaton of the pattern, or nil when the set has
// enough of them.
func (o *owned) newAutomaton() *sieve.Automaton {
	if o.set.automata.Load() >= maxAutomata {
		return nil
	}
	tree, err := syntax.Parse(o.text, syntax.Perl)
	if err != nil {
		return nil // the expression does without
	}
	a, err := sieve.NewAutomaton(maxStates, tree)
	if err != nil {
		return nil
	}
	if o.automaton.CompareAndSwap(nil, a) {
		o.set.automata.Add(1)
	}
	return o.automaton.Load()
}
