package sieve

import (
	"encoding/binary"
	"math"
	"slices"
)

// The strides that a table may have, and what looking at a byte of text costs
// with each, in nanoseconds on an ordinary machine; automatonCost is that of
// the automaton of the patterns that no table finds, and candidateCost that of
// one place that is looked at closer. Only their relation matters.
var strides = [...]struct {
	step int
	cost float64
}{{4, 0.28}, {2, 0.56}, {1, 1.1}}

const (
	automatonCost = 1.3
	candidateCost = 10
	// tooCommon is how often a pattern's factors may stand at a place of a log
	// for it to be looked for by them.
	tooCommon = 1.0 / 50
	// maxSpread bounds the grams that a gram with classes in it stands for.
	maxSpread = 300
	// sharing is what a factor that several patterns need costs each of them,
	// as often as it might stand in logs: where one almost matches, all are tried.
	sharing = 1e-6
	// newcomer and crowd weigh a gram that nothing stands under yet, which makes
	// the filter let more through, and each that stands there already.
	newcomer = 3
	crowd    = 0.2
)

// builder puts patterns into tables.
type builder struct {
	habits  *habits
	classes []class
	ids     map[class]place
	factors map[string]*measured
	bytes   map[place][]byte // what folded has returned
}

// measured is what is known of a factor: by stride, how often the stride
// neighbouring grams of it stand in logs that are the rarest.
type measured struct {
	factor factor
	rate   [len(strides)]float64
	users  int // patterns that may be looked for by it
}

func newBuilder(h *habits) *builder {
	return &builder{habits: h, ids: map[class]place{}, factors: map[string]*measured{}, bytes: map[place][]byte{}}
}

// choice is what a pattern may be looked for by.
type choice []*measured

func (b *builder) choices(n Needs) []choice {
	var all []choice
	for _, s := range n.sets {
		var c choice
		for _, f := range s {
			c = append(c, b.measure(b.own(f, n.classes)))
		}
		for _, m := range c {
			m.users++
		}
		all = append(all, c)
	}
	return all
}

// own is f with the classes of the builder.
func (b *builder) own(f factor, classes []class) factor {
	at := slices.IndexFunc(f, func(p place) bool { return p >= someClass })
	if at < 0 {
		return f
	}
	f = slices.Clone(f)
	for i, p := range f {
		if p < someClass {
			continue
		}
		c := classes[p-someClass]
		id, ok := b.ids[c]
		if !ok {
			id = someClass + place(len(b.classes))
			b.classes, b.ids[c] = append(b.classes, c), id
		}
		f[i] = id
	}
	return f
}

func (b *builder) measure(f factor) *measured {
	key := make([]byte, 0, 2*maxFactor)
	for _, p := range f {
		key = binary.LittleEndian.AppendUint16(key, uint16(p))
	}
	if m := b.factors[string(key)]; m != nil {
		return m
	}
	m := &measured{factor: f}
	rates := make([]float64, max(0, len(f)-gramSize+2))
	for at := range rates {
		rates[at] = math.Inf(1)
		if gram := gramOf(f, at); b.spread(gram) <= maxSpread {
			rates[at] = 0
			b.eachGram(gram, func(g uint32) { rates[at] += b.habits.frequency(g) })
		}
	}
	for i, stride := range strides {
		m.rate[i] = math.Inf(1)
		for at := 0; at+stride.step <= len(rates); at++ {
			sum := 0.0
			for _, r := range rates[at : at+stride.step] {
				sum += r
			}
			// Each gram is looked at once in stride places.
			m.rate[i] = min(m.rate[i], sum/float64(stride.step))
		}
	}
	b.factors[string(key)] = m
	return m
}

// gramOf returns four places of f, of which the last may be behind its end:
// anything stands there.
func gramOf(f factor, at int) factor {
	if at+gramSize <= len(f) {
		return f[at : at+gramSize]
	}
	return append(slices.Clone(f[at:]), anything)
}

// spread is how many grams four places stand for.
func (b *builder) spread(f factor) int {
	n := 1
	for _, p := range f {
		if p >= someClass {
			n *= len(b.folded(p))
		}
	}
	return n
}

// folded returns the bytes that may stand at p, as they are in grams.
func (b *builder) folded(p place) []byte {
	if all := b.bytes[p]; all != nil {
		return all
	}
	var all []byte
	var may class
	if p != anything {
		may = b.bytesOf(p)
	}
	for c := range 256 {
		if p == anything || may.has(byte(c)) {
			all = append(all, byte(c)|0x20)
		}
	}
	slices.Sort(all)
	b.bytes[p] = slices.Compact(all)
	return b.bytes[p]
}

// eachGram calls do for every gram that four places stand for.
func (b *builder) eachGram(f factor, do func(g uint32)) {
	if !slices.ContainsFunc(f, func(p place) bool { return p >= someClass }) {
		do((uint32(byte(f[0])) | uint32(byte(f[1]))<<8 | uint32(byte(f[2]))<<16 | uint32(byte(f[3]))<<24) | foldGram)
		return
	}
	grams := []uint32{0}
	for i, p := range f {
		var next []uint32
		for _, c := range b.folded(p) {
			for _, g := range grams {
				next = append(next, g|uint32(c)<<(8*i))
			}
		}
		grams = next
	}
	for _, g := range grams {
		do(g)
	}
}

// rate is how often one of c's factors stands at a place of a log, and what it
// is worth: a factor that many need is a bad one.
func (c choice) rate(stride int) (rate, worth float64) {
	for _, m := range c {
		rate += m.rate[stride]
		worth += (m.rate[stride] + sharing) * float64(m.users)
	}
	return rate, worth
}

// pick returns the best choice at a stride, or nil when there is none.
func pick(all []choice, stride int) (best choice, rate float64) {
	least := math.Inf(1)
	for _, c := range all {
		if r, worth := c.rate(stride); r <= tooCommon && worth < least {
			best, rate, least = c, r, worth
		}
	}
	return best, rate
}

// plan returns the stride at which all patterns together cost the least.
func plan(patterns [][]choice) (stride int) {
	least := math.Inf(1)
	for i, s := range strides {
		cost, blind := s.cost, 0
		for _, choices := range patterns {
			if c, rate := pick(choices, i); c == nil {
				blind++
			} else {
				cost += rate * candidateCost
			}
		}
		if blind > 0 {
			cost += automatonCost
		}
		if blind == len(patterns) {
			cost -= s.cost
		}
		if cost < least {
			stride, least = i, cost
		}
	}
	return stride
}

// build makes the table of the patterns that have a choice; the others are
// blind.
func (b *builder) build(patterns [][]choice) (t *table, blind []int) {
	stride := plan(patterns)
	at := map[*measured]int32{}
	var all []wanted
	var order []*measured
	for i, choices := range patterns {
		c, _ := pick(choices, stride)
		if c == nil {
			blind = append(blind, i)
			continue
		}
		for _, m := range c {
			n, ok := at[m]
			if !ok {
				n = int32(len(all))
				at[m] = n
				order, all = append(order, m), append(all, b.wanted(m.factor))
			}
			all[n].patterns = append(all[n].patterns, int32(i))
		}
	}
	if len(all) == 0 {
		return nil, blind
	}
	grams := map[uint32][]entry{}
	for n, m := range order {
		from := b.window(m.factor, strides[stride].step, grams)
		for at := from; at < from+strides[stride].step; at++ {
			b.eachGram(gramOf(m.factor, at), func(g uint32) { grams[g] = append(grams[g], entryOf(int32(n), m.factor, at)) })
		}
	}
	return newTable(strides[stride].step, all, grams), blind
}

// entryOf is the entry of the gram at a place of f. The four bytes after it are
// its neighbour, or those before it, as far as they are sure.
func entryOf(n int32, f factor, at int) entry {
	e := entry{wanted: n, at: int16(at), beside: gramSize}
	if at+2*gramSize > len(f) && at >= gramSize {
		e.beside = -gramSize
	}
	for i := range gramSize {
		if k := at + int(e.beside) + i; k < len(f) && f[k] < someClass {
			e.mask |= 0xff << (8 * i)
			e.value |= uint32(byte(f[k])|0x20) << (8 * i)
		}
	}
	return e
}

// window returns where the stride neighbouring grams of f begin that are the
// rarest in logs and that the fewest others stand under.
func (b *builder) window(f factor, step int, grams map[uint32][]entry) int {
	costs := make([]float64, len(f)-gramSize+2)
	for at := range costs {
		gram := gramOf(f, at)
		if b.spread(gram) > maxSpread {
			costs[at] = math.Inf(1)
			continue
		}
		b.eachGram(gram, func(g uint32) {
			cost := 1 + crowd*float64(len(grams[g]))
			if len(grams[g]) == 0 {
				cost += newcomer
			}
			costs[at] += (b.habits.frequency(g) + rarest) * cost
		})
	}
	best, least := 0, math.Inf(1)
	for at := 0; at+step <= len(costs); at++ {
		sum := 0.0
		for _, c := range costs[at : at+step] {
			sum += c
		}
		if sum < least {
			best, least = at, sum
		}
	}
	return best
}

func (b *builder) wanted(f factor) wanted {
	w := wanted{exact: true}
	text := make([]byte, len(f))
	fold, classes := false, false
	for i, p := range f {
		switch {
		case p < eitherCase:
			text[i] = byte(p)
		case p < someClass:
			text[i], fold = byte(p), true
		default:
			classes = true
		}
	}
	w.text, w.exact = string(text), !fold && !classes
	if !classes && !fold {
		return w
	}
	if classes {
		w.places = make([]class, len(f))
		for i, p := range f {
			w.places[i] = b.bytesOf(p)
		}
		return w
	}
	for i, c := range text { // in either case, all of it: one more is let through
		if 'A' <= c && c <= 'Z' {
			text[i] = c | 0x20
		}
	}
	w.text = string(text)
	return w
}

// bytesOf returns what may stand at p.
func (b *builder) bytesOf(p place) class {
	var c class
	switch {
	case p >= someClass:
		return b.classes[p-someClass]
	case p >= eitherCase:
		c.add(byte(p))
		c.add(byte(p) &^ 0x20)
	default:
		c.add(byte(p))
	}
	return c
}

// Stride says how a pattern with these needs is looked for: at every fourth
// place of a text, which is best, at every second, at every one, or, 0, by the
// automaton of those that need nothing.
func (n *Needs) Stride() int {
	b := newBuilder(ordinaryHabits())
	choices := b.choices(*n)
	for i, s := range strides {
		if c, _ := pick(choices, i); c != nil {
			return s.step
		}
	}
	return 0
}
