package rule

import (
	"slices"
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/sieve"
)

// search is one pass over an input: what it has found so far. It is used again
// for other inputs of the same set.
type search struct {
	set     *Set
	hits    []*hit // by pattern: the first
	tried   []int  // by pattern: the last line that was tried, by its place in all texts, from 1
	touched []int  // the patterns that were tried

	in   Input
	text int // index in in.Texts
	base int // bytes of the texts before it

	// The piece of the text that is looked at, and the line of it that was asked
	// for last.
	from, until int
	isLine      bool // the piece is one end of a very long line
	line        span
	next        int    // where the next line begins
	low         string // the line in small letters, or empty when that was not asked for
	counted     int    // bytes whose ends of lines are counted
	lines       int
}

func (s *Set) newSearch() *search {
	return &search{set: s, hits: make([]*hit, len(s.patterns)), tried: make([]int, len(s.patterns))}
}

// run finds the first hit of every pattern whose rule's facts hold.
func (f *search) run(in Input) {
	f.in, f.base = in, 0
	for i, t := range in.Texts {
		f.text, f.counted, f.lines = i, 0, 0
		pieces(t.Text, func(from, until int, isLine bool) {
			f.from, f.until, f.isLine = from, until, isLine
			f.line, f.next = span{start: -1}, -1
			f.set.sieve.Scan(t.Text[from:until], f.found)
		})
		f.base += len(t.Text) + 1
	}
}

// clear makes f ready for another input.
func (f *search) clear() {
	for _, p := range f.touched {
		f.hits[p], f.tried[p] = nil, 0
	}
	f.touched = f.touched[:0]
	f.in, f.low = Input{}, ""
}

// found tries a pattern on the line that a place of the piece is on.
func (f *search) found(p, at int) {
	f.goTo(f.from + at)
	h := f.hits[p]
	if h != nil && (h.text < f.text || h.span.start <= f.line.start) {
		return
	}
	if f.tried[p] == f.base+f.line.start+1 {
		return
	}
	if f.tried[p] == 0 {
		f.touched = append(f.touched, p)
	}
	f.tried[p] = f.base + f.line.start + 1
	o, t := &f.set.patterns[p], &f.in.Texts[f.text]
	if !o.of.Rule.Facts.hold(f.in) || !o.of.sees(t.Source) {
		return
	}
	line := t.Text[f.line.start:f.line.end]
	if !o.needs.On(line, f.lower) {
		return
	}
	if loc := o.find(line); loc != nil && spoken(t.Text, f.line, loc) {
		s := f.line
		s.line = f.number(s.start)
		f.hits[p] = &hit{text: f.text, span: s, loc: loc}
	}
}

// goTo finds the line that a place of the text is on.
func (f *search) goTo(at int) {
	if f.line.start <= at && at < f.next {
		return
	}
	text := f.in.Texts[f.text].Text
	f.low = ""
	if f.isLine {
		f.line, f.next = span{start: f.from, end: f.until}, f.until
		return
	}
	f.line = span{start: strings.LastIndexByte(text[f.from:at], '\n') + 1 + f.from, end: f.until}
	f.next = f.until
	if i := strings.IndexByte(text[at:f.until], '\n'); i >= 0 {
		f.line.end, f.next = at+i, at+i+1
	}
	if f.line.end > f.line.start && text[f.line.end-1] == '\r' {
		f.line.end--
	}
}

func (f *search) lower() string {
	if f.low == "" {
		f.low = sieve.Lower(f.in.Texts[f.text].Text[f.line.start:f.line.end])
	}
	return f.low
}

// number counts the lines before a place of the text.
func (f *search) number(at int) int {
	if at < f.counted {
		f.counted, f.lines = 0, 0
	}
	f.lines += strings.Count(f.in.Texts[f.text].Text[f.counted:at], "\n")
	f.counted = at
	return f.lines
}

// rules returns the rules that a pattern of any or all was found of, and those
// that ask for facts alone, in order.
func (f *search) rules() []int {
	all := slices.Clone(f.set.factual)
	for _, p := range f.touched {
		if f.hits[p] != nil {
			all = append(all, f.set.patterns[p].rule)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
