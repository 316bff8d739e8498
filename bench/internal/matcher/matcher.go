// Package matcher holds the engines that Redrive's rules are compared with, and
// speaks to each as to a process of its own: so that its memory and its time
// are its own as well.
package matcher

import (
	"fmt"
	"maps"
	"slices"
)

// Engine finds the first of its patterns that matches a line of a log.
type Engine interface {
	// First returns the number of the first pattern that matches, or -1, and the
	// part of the work that was done: 1, or less where the whole would take too
	// long and the rest is thought to cost as much.
	First(log []byte) (first int, part float64, err error)
}

// engines makes an engine of patterns, RE2 that sees one line at a time.
var engines = map[string]func(patterns []string) (Engine, error){
	"re2set": newRE2Set,
	"loop":   newLoop,
}

// New returns a new engine.
func New(name string, patterns []string) (Engine, error) {
	if engines[name] == nil {
		return nil, fmt.Errorf("there is no engine %q, only %v", name, slices.Sorted(maps.Keys(engines)))
	}
	return engines[name](patterns)
}
