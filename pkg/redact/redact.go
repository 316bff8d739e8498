// Package redact takes secrets out of logs, evidence and configurations before
// they are stored, published or sent. It knows names (password=…, "token": …,
// Authorization: …), places (the password in a URL), and the forms of well-known
// keys and tokens. What it takes out becomes Mask. It prefers to leave an error
// message readable over taking out every word after "token:"; a secret that has
// neither a telling name nor a known form is not found.
package redact

// Mask stands where a secret was.
const Mask = "[REDACTED]"

// maxPasses bounds how often a text is looked at: taking out one secret may
// show another, such as the end of a value that a quote had split.
const maxPasses = 4

// Text returns s without the secrets that are found in it. The time is linear
// in s, the result is at most three times as long, and Text of the result is
// the result.
func Text(s string) string {
	for range maxPasses {
		next := pass(s)
		if next == s {
			break
		}
		s = next
	}
	return s
}

// How far the scanner looks ahead at one place, in bytes. A longer secret is
// taken out whole, but told by its beginning.
const (
	maxValue = 512
	maxPEM   = 16 << 10
)

// What a byte means to pass.
const (
	between = iota // nothing begins with it
	inWord         // letters, digits and underscores
	special        // something may stand before it or begin with it
)

// means has the meaning of every byte.
var means = func() (t [256]uint8) {
	for c := range t {
		if isAlnum(byte(c)) || c == '_' {
			t[c] = inWord
		}
	}
	for _, c := range []byte("=:->") {
		t[c] = special
	}
	return t
}()

// pass looks at s once, from left to right.
func pass(s string) string {
	x := &scanner{s: s}
	for i := 0; i < len(s); {
		switch means[s[i]] {
		case between:
			i++
		case special:
			i = x.special(i)
		default:
			if starts[s[i]] && x.wordStart(i) {
				if i = x.word(i); i == x.floor {
					continue // a secret ends here, and a word may begin
				}
			}
			for i < len(s) && means[s[i]] == inWord {
				i++
			}
		}
	}
	return x.result()
}

// special handles one of "=:->", and returns where to go on.
func (x *scanner) special(i int) int {
	switch x.s[i] {
	case '-':
		return x.dash(i)
	case '>':
		return x.element(i)
	}
	return x.separator(i)
}

// scanner copies s, with a mask in the place of each secret.
type scanner struct {
	s     string
	out   []byte
	done  int // s[:done] is in out, masked
	floor int // what is before it was masked: it belongs to no key or word
	noEnd int // no END line of a private key begins before it
}

// mask takes out s[from:to] and returns to.
func (x *scanner) mask(from, to int) int {
	if from >= to || from < x.done || x.s[from:to] == Mask {
		x.floor = max(x.floor, to)
		return to
	}
	x.out = append(x.out, x.s[x.done:from]...)
	x.out = append(x.out, Mask...)
	x.done, x.floor = to, to
	return to
}

// maskWhile takes out s[from:to] and what follows it for which ok holds: a
// secret that is longer than the scanner looked.
func (x *scanner) maskWhile(from, to int, ok func(byte) bool) int {
	for to < len(x.s) && ok(x.s[to]) {
		to++
	}
	return x.mask(from, to)
}

// maskQuoted takes out s[from:to], which a quote stands before.
func (x *scanner) maskQuoted(from, to int) int {
	q := x.s[from-1]
	whole := to-from < maxValue
	return x.maskWhile(from, to, func(c byte) bool { return !whole && c != q && c != '\n' })
}

// maskLine takes out s[from:to] and what is left of its line, up to a quote.
func (x *scanner) maskLine(from, to int) int {
	return x.maskWhile(from, to, func(c byte) bool { return c != '\n' && c != '\r' && !isQuote(c) })
}

func (x *scanner) result() string {
	if x.done == 0 {
		return x.s
	}
	return string(append(x.out, x.s[x.done:]...))
}

// run returns the end of the longest stretch of bytes from i on for which ok
// holds; after maxValue bytes it gives up.
func (x *scanner) run(i int, ok func(byte) bool) int {
	for end := min(len(x.s), i+maxValue); i < end && ok(x.s[i]); {
		i++
	}
	return i
}

// at reports whether prefix stands at i, in small or capital letters.
func (x *scanner) at(i int, prefix string) bool {
	if len(x.s)-i < len(prefix) {
		return false
	}
	for k := range len(prefix) {
		if small(x.s[i+k]) != prefix[k] {
			return false
		}
	}
	return true
}

// wordStart reports whether no word goes on over i.
func (x *scanner) wordStart(i int) bool {
	return i == x.floor || !isAlnum(x.s[i-1]) && x.s[i-1] != '_'
}

// lineStart reports whether only blanks and list or block marks stand between
// the start of the line and i.
func (x *scanner) lineStart(i int) bool {
	for n := 0; i > x.floor && n < 200; n++ {
		switch x.s[i-1] {
		case '\n':
			return true
		case ' ', '\t', '-', '{', '"', '\'':
			i--
		default:
			return false
		}
	}
	return i == 0
}

func small(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= small(c) && small(c) <= 'z' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }
func isKey(c byte) bool   { return isAlnum(c) || c == '_' || c == '-' || c == '.' }
