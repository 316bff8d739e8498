package fingerprint

import "strings"

// Part is a stretch of a text: Raw is what stands there, Mask what Mask puts in
// its place. Constant parts stay as they are.
type Part struct {
	Raw, Mask string
	Constant  bool
}

// Parts returns what Mask sees in text, as words: what is between blanks once
// it is masked, each with its parts in order. The masks of the words, joined by
// a blank, are Mask(text).
func Parts(text string) [][]Part {
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "")
	}
	t := trace{raw: text, pieces: []piece{{0, len(text), text, true}}}
	for _, m := range masks {
		joined := t.joined()
		if !m.may(joined) {
			continue
		}
		// The expressions begin with what they keep, "$1", or with the match.
		for _, loc := range m.find.FindAllStringSubmatchIndex(joined, -1) {
			from := loc[0]
			if len(loc) > 2 && loc[2] >= 0 {
				from = loc[3]
			}
			t.replace(from, loc[1], strings.TrimPrefix(m.put, "$1"))
		}
		t.apply()
	}
	return t.words()
}

// piece is a stretch of the raw text, from from until to, and how it reads now.
type piece struct {
	from, to int
	text     string
	constant bool
}

// change is a stretch of the joined text that is replaced.
type change struct {
	from, to int
	put      string
}

// trace follows the masks through a text.
type trace struct {
	raw     string
	pieces  []piece
	changes []change // in order, of the text as it was joined
}

func (t *trace) joined() string {
	var b strings.Builder
	for _, p := range t.pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

func (t *trace) replace(from, to int, put string) {
	t.changes = append(t.changes, change{from, to, put})
}

// apply makes the changes. A change that takes a part of what another mask has
// put takes all that it stood for.
func (t *trace) apply() {
	var next []piece
	at := 0 // where the piece begins in the joined text
	changes := t.changes
	var open *piece // what the current change has put
	for _, p := range t.pieces {
		end, seen := at+len(p.text), at
		for len(changes) > 0 && changes[0].from < end {
			c := changes[0]
			if c.from > seen {
				next = append(next, p.cut(seen-at, c.from-at))
			}
			if open == nil {
				open = &piece{p.rawAt(max(c.from, at) - at), 0, c.put, false}
			}
			open.to = p.rawAt(min(c.to, end) - at)
			if !p.constant {
				open.from, open.to = min(open.from, p.from), p.to
			}
			seen = min(c.to, end)
			if c.to > end {
				break
			}
			next = append(next, *open)
			open, changes = nil, changes[1:]
		}
		if seen < end {
			next = append(next, p.cut(seen-at, end-at))
		}
		at = end
	}
	t.pieces, t.changes = next, nil
}

// rawAt returns where in the raw text the byte i of a piece is.
func (p piece) rawAt(i int) int {
	if p.constant {
		return p.from + i
	}
	if i == 0 {
		return p.from
	}
	return p.to
}

func (p piece) cut(from, to int) piece {
	return piece{p.rawAt(from), p.rawAt(to), p.text[from:to], p.constant}
}

// words splits the pieces at the blanks that are left.
func (t *trace) words() [][]Part {
	var all [][]Part
	var word []Part
	end := func() {
		if len(word) > 0 {
			all = append(all, word)
		}
		word = nil
	}
	for _, p := range t.pieces {
		if !p.constant {
			if p.text != "" {
				word = append(word, Part{Raw: t.raw[p.from:p.to], Mask: p.text})
			}
			continue
		}
		rest := p.text
		for rest != "" {
			stripped := strings.TrimLeft(rest, blanks)
			if len(stripped) < len(rest) {
				end()
			}
			n := strings.IndexAny(stripped, blanks)
			if n < 0 {
				n = len(stripped)
			}
			if n > 0 {
				word = append(word, Part{Raw: stripped[:n], Mask: stripped[:n], Constant: true})
			}
			rest = stripped[n:]
		}
	}
	end()
	return all
}

// blanks are what strings.Fields splits at.
const blanks = " \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
