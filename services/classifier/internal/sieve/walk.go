package sieve

import "strings"

// lanes is how many parts of a text are walked at once, so that as many reads
// of memory are under way.
const lanes = 4

// shortText is walked in one lane.
const shortText = 4 << 10

// scan tells, for each line of the text, the patterns that may match it, with
// a place on the line; lines in any order. It reports false when it ran out of
// states on the way, and has told of some lines only.
func (a *Automaton) scan(text string, found func(pattern, at int)) bool {
	w := walk{a: a, g: a.now.Load(), text: text, found: found}
	if len(w.g.matched[start]) > 0 {
		return false // there is a pattern that every line may match
	}
	if len(text) < shortText {
		return w.one(0, len(text), start)
	}
	var from, to [lanes]int
	for k := range lanes {
		if k > 0 {
			from[k] = lineAfter(text, len(text)/lanes*k)
			to[k-1] = from[k]
		}
	}
	to[lanes-1] = len(text)
	return w.all(from, to)
}

// lineAfter returns where the first line begins after a place.
func lineAfter(text string, at int) int {
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

type walk struct {
	a     *Automaton
	g     *graph
	text  string
	found func(pattern, at int)
}

// all walks the lanes side by side as far as the shortest goes, then each to
// its end.
func (w *walk) all(from, to [lanes]int) bool {
	n := to[0] - from[0]
	for k := range lanes {
		n = min(n, to[k]-from[k])
	}
	t0, t1, t2, t3 := w.text[from[0]:][:n], w.text[from[1]:][:n], w.text[from[2]:][:n], w.text[from[3]:][:n]
	var s0, s1, s2, s3 uint32 = start, start, start, start
	edges, shift, classes := w.g.edges, w.a.shift, &w.a.classes
	for i := range n {
		e0 := edges[s0<<shift|uint32(classes[t0[i]])].Load() - 1
		e1 := edges[s1<<shift|uint32(classes[t1[i]])].Load() - 1
		e2 := edges[s2<<shift|uint32(classes[t2[i]])].Load() - 1
		e3 := edges[s3<<shift|uint32(classes[t3[i]])].Load() - 1
		if e0|e1|e2|e3 < dead { // the edge that is not known, 0, has become the largest
			s0, s1, s2, s3 = e0, e1, e2, e3
			continue
		}
		at := [lanes]uint32{s0, s1, s2, s3}
		for k := range at {
			var ok bool
			if at[k], ok = w.step(at[k], from[k]+i); !ok {
				return false
			}
		}
		s0, s1, s2, s3 = at[0], at[1], at[2], at[3]
		edges = w.g.edges
	}
	for k, s := range [lanes]uint32{s0, s1, s2, s3} {
		if !w.one(from[k]+n, to[k], s) {
			return false
		}
	}
	return true
}

// one walks a part of the text from a state on.
func (w *walk) one(from, to int, state uint32) bool {
	edges, shift, classes := w.g.edges, w.a.shift, &w.a.classes
	for i := from; i < to; i++ {
		e := edges[state<<shift|uint32(classes[w.text[i]])].Load() - 1
		if e < dead {
			state = e
			continue
		}
		var ok bool
		if state, ok = w.step(state, i); !ok {
			return false
		}
		edges = w.g.edges
	}
	return true
}

// step goes over one byte of the text, and tells what ends there.
func (w *walk) step(state uint32, at int) (next uint32, ok bool) {
	edge := w.g.edges[state<<w.a.shift|uint32(w.a.classes[w.text[at]])].Load()
	if edge == 0 {
		if w.g, edge, ok = w.a.step(w.g, state, w.text[at]); !ok {
			return 0, false
		}
	}
	next = edge&stateMask - 1
	if edge&accepting != 0 {
		for _, p := range w.g.matched[next] {
			w.found(p, at)
		}
	}
	return next, true
}
