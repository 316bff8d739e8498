package sieve

import "math/bits"

// A gram is four bytes of a text, with bit 0x20 set in each, which makes the
// two cases of a letter one (and a few other bytes as well: the filter lets
// more through, never less).
const (
	gramSize = 4
	foldGram = 0x20202020
)

func gramAt(s string, i int) uint32 {
	_ = s[i+3]
	return (uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24) | foldGram
}

// table finds factors in a text. It looks at a gram at every stride-th place: a
// factor of at least stride+3 places has one of stride neighbouring grams on
// such a place wherever it lies.
type table struct {
	stride  int
	filter  *[1 << (filterBits - 6)]uint64 // which hashes of grams are there
	mask    uint32                         // how much of the filter is in use: few grams need little, which stays in the cache
	slots   []slot                         // by gram, open addressing
	shift   uint
	entries []entry
	wanted  []wanted
}

// The filter has at most 2^20 bits, and at least 2^17. Of those that are in use
// one in sparse is set, or fewer.
const (
	filterBits    = 20
	minFilterBits = 17
	sparse        = 64
)

type slot struct {
	gram     uint32
	from, to uint32 // in entries; to is 0 where nothing is
}

// entry says that a gram stands at a place of a factor. What stands beside it
// there, where that is sure, is compared before anything else of the factor.
type entry struct {
	wanted int32
	at     int16
	beside int16  // where the neighbour is, from the gram
	mask   uint32 // the bytes of the neighbour that are sure; 0 when there is none
	value  uint32
}

// wanted is a factor with the patterns that need it.
type wanted struct {
	text     string  // its bytes; letters are small unless exact
	exact    bool    // text is what must stand there
	places   []class // where it is more than a text: what may stand at each
	patterns []int32
}

func filterHash(g, mask uint32) uint32 { return g * 0x9E3779B1 >> (32 - filterBits) & mask }

func newTable(stride int, wanteds []wanted, grams map[uint32][]entry) *table {
	used := min(max(bits.Len(uint(len(grams)*sparse)), minFilterBits), filterBits)
	t := &table{stride: stride, filter: new([1 << (filterBits - 6)]uint64), mask: 1<<used - 1, wanted: wanteds}
	size := max(64, 1<<bits.Len(uint(len(grams)*2)))
	t.slots, t.shift = make([]slot, size), uint(32-bits.Len(uint(size-1)))
	for g, entries := range grams {
		h := filterHash(g, t.mask)
		t.filter[h/64] |= 1 << (h % 64)
		i := t.home(g)
		for t.slots[i].to != 0 {
			i = (i + 1) & (len(t.slots) - 1)
		}
		from := uint32(len(t.entries))
		t.entries = append(t.entries, entries...)
		t.slots[i] = slot{g, from, uint32(len(t.entries))}
	}
	return t
}

func (t *table) home(g uint32) int { return int(g * 0x85EBCA6B >> t.shift) }

// hit is a gram of a text that the filter let through.
type hit struct {
	gram uint32
	at   int
}

// batch is how many hits are looked at together: they are far apart in memory,
// and waiting for all at once takes as long as waiting for one.
const batch = 64

// tell tells of the factors that have the grams of hits at their places of the
// text.
func (t *table) tell(text string, hits []hit, found func(pattern, at int)) {
	var slots [batch]slot
	for i, h := range hits {
		slots[i&(batch-1)] = t.slots[t.home(h.gram)]
	}
	for i, h := range hits {
		s := slots[i&(batch-1)]
		for n := t.home(h.gram); s.gram != h.gram && s.to != 0; s = t.slots[n] {
			n = (n + 1) & (len(t.slots) - 1)
		}
		for _, e := range t.entries[s.from:s.to] {
			// It is within the text when all of the factor is.
			if n := h.at + int(e.beside); n >= 0 && n+gramSize <= len(text) && gramAt(text, n)&e.mask != e.value {
				continue
			}
			w := &t.wanted[e.wanted]
			start := h.at - int(e.at)
			if start < 0 || start+len(w.text) > len(text) || !w.is(text[start:start+len(w.text)]) {
				continue
			}
			for _, p := range w.patterns {
				found(int(p), start)
			}
		}
	}
}

func (w *wanted) is(s string) bool {
	if w.exact {
		return s == w.text
	}
	if w.places == nil {
		return equalFold(s, w.text)
	}
	for i := range len(s) {
		if !w.places[i].has(s[i]) {
			return false
		}
	}
	return true
}

// equalFold reports whether s is low but for the case of ASCII letters.
func equalFold(s, low string) bool {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != low[i] {
			return false
		}
	}
	return true
}

// scan looks at every gram that the stride asks for.
func (t *table) scan(text string, found func(pattern, at int)) {
	i := 0
	switch t.stride {
	case 4:
		i = t.scan4(text, found)
	case 2:
		i = t.scan2(text, found)
	}
	var hits [1]hit
	for ; i < len(text); i += t.stride {
		// The last grams go over the end of the text.
		end := [gramSize]byte{'\n', '\n', '\n', '\n'}
		copy(end[:], text[i:])
		if g := gramAt(string(end[:]), 0); t.may(g) {
			hits[0] = hit{g, i}
			t.tell(text, hits[:], found)
		}
	}
}

func (t *table) may(g uint32) bool {
	h := filterHash(g, t.mask)
	return t.filter[h/64]>>(h%64)&1 != 0
}

func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

const foldWord = foldGram<<32 | foldGram

// scan4 looks at four grams a turn, sixteen bytes, and returns how far it came.
func (t *table) scan4(text string, found func(pattern, at int)) int {
	filter, mask := t.filter, t.mask
	var hits [batch]hit
	i, n := 0, 0
	for s := text; len(s) >= 16; s = s[16:] {
		u, v := load(s)|foldWord, load(s[8:])|foldWord
		g0, g1, g2, g3 := uint32(u), uint32(u>>32), uint32(v), uint32(v>>32)
		h0, h1, h2, h3 := filterHash(g0, mask), filterHash(g1, mask), filterHash(g2, mask), filterHash(g3, mask)
		b0, b1, b2, b3 := filter[h0/64]>>(h0%64), filter[h1/64]>>(h1%64), filter[h2/64]>>(h2%64), filter[h3/64]>>(h3%64)
		if (b0|b1|b2|b3)&1 != 0 {
			n = collect(&hits, n, hit{g0, i}, b0)
			n = collect(&hits, n, hit{g1, i + 4}, b1)
			n = collect(&hits, n, hit{g2, i + 8}, b2)
			n = collect(&hits, n, hit{g3, i + 12}, b3)
			if n > batch-4 {
				t.tell(text, hits[:n], found)
				n = 0
			}
		}
		i += 16
	}
	t.tell(text, hits[:n], found)
	return i
}

// collect puts h behind n hits when the lowest bit says so.
func collect(hits *[batch]hit, n int, h hit, bit uint64) int {
	hits[n&(batch-1)] = h
	return n + int(bit&1)
}

// scan2 looks at four grams a turn, eight bytes, and returns how far it came.
func (t *table) scan2(text string, found func(pattern, at int)) int {
	filter, mask := t.filter, t.mask
	var hits [batch]hit
	i, n := 0, 0
	for s := text; len(s) >= 16; s = s[8:] {
		u, v := load(s)|foldWord, load(s[8:])|foldWord
		g0, g1, g2, g3 := uint32(u), uint32(u>>16), uint32(u>>32), uint32(u>>48)|uint32(v)<<16
		h0, h1, h2, h3 := filterHash(g0, mask), filterHash(g1, mask), filterHash(g2, mask), filterHash(g3, mask)
		b0, b1, b2, b3 := filter[h0/64]>>(h0%64), filter[h1/64]>>(h1%64), filter[h2/64]>>(h2%64), filter[h3/64]>>(h3%64)
		if (b0|b1|b2|b3)&1 != 0 {
			n = collect(&hits, n, hit{g0, i}, b0)
			n = collect(&hits, n, hit{g1, i + 2}, b1)
			n = collect(&hits, n, hit{g2, i + 4}, b2)
			n = collect(&hits, n, hit{g3, i + 6}, b3)
			if n > batch-4 {
				t.tell(text, hits[:n], found)
				n = 0
			}
		}
		i += 8
	}
	t.tell(text, hits[:n], found)
	return i
}
