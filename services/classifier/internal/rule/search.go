package rule

// search is what one pass over an input has found: the lines on which a literal
// of a pattern stands. The pattern itself is tried there only when its rule may
// match for the rest.
type search struct {
	set     *Set
	in      Input
	texts   []scanned
	slots   []int32 // by pattern: where it is in sought, from 1; 0 is nowhere
	sought  []sought
	places  []place
	touched []bool // by rule: one of its patterns is sought
}

// scanned is a text with its lines.
type scanned struct {
	low   []byte // in small letters
	lines []span
}

// sought is a pattern that may match somewhere.
type sought struct {
	first, last int32 // in places, from 1; 0 for a pattern that may match on every line
	tried       bool
	hit         *hit // the first, once it was tried
}

// place is a line on which a pattern may match, and where its next one is.
type place struct{ text, line, next int32 }

func (s *Set) search(in Input) *search {
	f := &search{set: s, in: in, texts: make([]scanned, len(in.Texts)), slots: make([]int32, len(s.patterns)), touched: make([]bool, len(s.rules))}
	for _, p := range s.index.blind {
		f.seek(p)
	}
	for i, t := range in.Texts {
		f.texts[i] = scanned{lower(t.Text), spans(t.Text)}
		s.index.scan(f.texts[i].low, f.texts[i].lines, func(p, line int) { f.add(p, int32(i), int32(line)) })
	}
	return f
}

func (f *search) seek(p int) *sought {
	if f.slots[p] == 0 {
		f.sought = append(f.sought, sought{})
		f.slots[p], f.touched[f.set.patterns[p].rule] = int32(len(f.sought)), true
	}
	return &f.sought[f.slots[p]-1]
}

// add notes that p may match on a line. Lines come in order.
func (f *search) add(p int, text, line int32) {
	q := f.seek(p)
	if q.last > 0 {
		last := &f.places[q.last-1]
		if last.text == text && last.line == line {
			return
		}
		last.next = int32(len(f.places) + 1)
	}
	f.places = append(f.places, place{text: text, line: line})
	q.last = int32(len(f.places))
	if q.first == 0 {
		q.first = q.last
	}
}

// may reports whether the patterns of a rule may be where they must be.
func (f *search) may(rule int) bool {
	c, first := f.set.rules[rule], f.set.first[rule]
	if !f.touched[rule] {
		return len(c.any)+len(c.all) == 0
	}
	isSought := func(slots []int32) (n int) {
		for _, slot := range slots {
			n += int(min(slot, 1))
		}
		return n
	}
	all := first + len(c.any)
	return (len(c.any) == 0 || isSought(f.slots[first:all]) > 0) && isSought(f.slots[all:all+len(c.all)]) == len(c.all)
}

// hit returns the first hit of p, or nil.
func (f *search) hit(p int) *hit {
	if f.slots[p] == 0 {
		return nil
	}
	q := &f.sought[f.slots[p]-1]
	if !q.tried {
		q.tried, q.hit = true, f.try(p, q)
	}
	return q.hit
}

func (f *search) try(p int, q *sought) *hit {
	if q.first == 0 {
		return f.set.patterns[p].of.first(f.in, f.texts, f.set.patterns[p].pattern)
	}
	for at := q.first; at > 0; at = f.places[at-1].next {
		where := f.places[at-1]
		if h := f.set.patterns[p].of.on(f.in, f.texts, int(where.text), int(where.line), f.set.patterns[p].pattern); h != nil {
			return h
		}
	}
	return nil
}
