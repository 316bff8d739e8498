package rule

import (
	"cmp"
	"slices"
)

// gramSize is the number of bytes that the index looks at: every literal that
// is indexed has at least as many.
const gramSize = 3

const gramBits = 15

// index finds the lines on which a pattern may match, for all patterns in one
// pass: a bitmap of hashed three-byte grams lets nearly all positions of a text
// go at once; behind it stand the literals that have such a gram.
type index struct {
	filter   [1 << gramBits / 64]uint64
	literals []literal               // by the hash of their grams
	from     [1<<gramBits + 1]uint32 // by hash: where its literals begin
	blind    []int                   // patterns without a literal: every line must be tried
}

// literal is one literal of a pattern; its gram stands at offset at.
type literal struct {
	gram    uint32
	text    string
	at      int
	pattern int
}

func newIndex(patterns []owned) *index {
	x := &index{}
	shared := map[uint32]int{} // how many literals stand under a gram
	for i, p := range patterns {
		if len(p.keys) == 0 {
			x.blind = append(x.blind, i)
		}
		for _, key := range p.keys {
			x.literals = append(x.literals, file(i, key, shared))
		}
	}
	slices.SortStableFunc(x.literals, func(a, b literal) int { return cmp.Compare(hash(a.gram), hash(b.gram)) })
	for _, l := range x.literals {
		h := hash(l.gram)
		x.filter[h/64] |= 1 << (h % 64)
		x.from[h+1]++
	}
	for h := range x.from[1:] {
		x.from[h+1] += x.from[h]
	}
	return x
}

// file puts a literal under the gram that the fewest others stand under.
func file(pattern int, text string, shared map[uint32]int) literal {
	best := 0
	for at := 1; at+gramSize <= len(text); at++ {
		if shared[gram(text, at)] < shared[gram(text, best)] {
			best = at
		}
	}
	l := literal{gram(text, best), text, best, pattern}
	shared[l.gram]++
	return l
}

func gram(s string, at int) uint32 {
	return uint32(s[at]) | uint32(s[at+1])<<8 | uint32(s[at+2])<<16
}

func hash(g uint32) uint32 { return g * 0x9E3779B1 >> (32 - gramBits) }

// scan calls try for every pattern and line on which one of the pattern's
// literals stands, lines in order. low is the text in small letters.
func (x *index) scan(low []byte, lines []span, try func(pattern, line int)) {
	if len(x.literals) == 0 || len(low) < gramSize {
		return
	}
	line := 0
	g := uint32(low[0])<<8 | uint32(low[1])<<16
	for i := gramSize - 1; i < len(low); i++ {
		g = g>>8 | uint32(low[i])<<16
		h := hash(g)
		if x.filter[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for at, end := x.from[h], x.from[h+1]; at < end; at++ {
			l := &x.literals[at]
			if l.gram != g {
				continue
			}
			start := i - (gramSize - 1) - l.at
			end := start + len(l.text)
			if start < 0 || end > len(low) || string(low[start:end]) != l.text {
				continue
			}
			// No literal goes over the end of a line, so the line of its gram is its
			// own; grams come in order, literals that begin earlier may come later.
			for line < len(lines) && lines[line].end <= i {
				line++
			}
			// Either side of the gap in a very long line is no line.
			if line < len(lines) && lines[line].start <= start && end <= lines[line].end {
				try(l.pattern, line)
			}
		}
	}
}
