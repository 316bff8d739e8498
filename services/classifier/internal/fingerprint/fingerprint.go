// Package fingerprint names what an error says, without the parts of its text
// that differ from run to run: the same failure in another run has the same
// fingerprint.
package fingerprint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// version is a part of every fingerprint: change it when Mask changes what it
// returns, so that old and new fingerprints are not compared.
const version = "1"

// MaxText is how much of a text is looked at, in bytes.
const MaxText = 2000

// masks are tried in this order; what one has put in its place no later one
// changes. Most texts have not what most masks need: a look for it costs a
// hundredth of the expression.
var masks = []struct {
	find *regexp.Regexp
	put  string
	may  func(text string) bool // reports false only when find finds nothing
}{
	{regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`), "", has("\x1b")},
	{regexp.MustCompile(`"(?:[^"\\]|\\.)*"` + "|`[^`]*`" + `|(^|[^\pL\pN])'[^']*'`), `$1<str>`, has("\"`'")},
	{regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]*://[^\s<>"',;)\]}]+`), "<url>", contains("://")},
	{regexp.MustCompile(`\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b`), "<uuid>", has("-")},
	{regexp.MustCompile(`\b\d{4}[-/]\d\d[-/]\d\d(?:[T ,]+\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z\b|\s?[+-]\d\d:?\d\d\b)?|\b\d\d[/-]\d\d[/-]\d\d(?:\d\d)?[ T]\d\d:\d\d:\d\d\b|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b`), "<time>", has("-/:")},
	{regexp.MustCompile(`\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d\d? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: \d\d?)?\b|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d <time>`), "<time>", month},
	{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[?\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b\]?(?::\d+)?`), "<ip>", has(".:")},
	{regexp.MustCompile(`(^|[\s=:('\[,])(?:[A-Za-z]:\\|\\\\|~?/|\.{1,2}/)[^\s:'"|,;()\[\]]+`), "$1<path>", has("/\\")},
	{regexp.MustCompile(`\b[\w.-]+(?:/[\w.=<>-]+){2,}`), "<path>", has("/")},
	{regexp.MustCompile(`\b0[xX][0-9a-fA-F]+\b|@[0-9a-f]{5,16}\b|\b[0-9a-f]*(?:[0-9][a-f]|[a-f][0-9])[0-9a-f]{5,}\b`), "<hex>", hexadecimal},
	{regexp.MustCompile(`[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?`), "#", digit},
	{regexp.MustCompile(`#(?:\s?#)+`), "#", contains("#")},
}

func has(one string) func(string) bool {
	return func(text string) bool { return strings.ContainsAny(text, one) }
}

func contains(all string) func(string) bool {
	return func(text string) bool { return strings.Contains(text, all) }
}

func digit(text string) bool { return strings.ContainsAny(text, "0123456789") }

// hexadecimal reports whether "0x", "@", or seven small hexadecimal digits one
// after another are in text.
func hexadecimal(text string) bool {
	run := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '@', (c == 'x' || c == 'X') && i > 0 && text[i-1] == '0':
			return true
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			run++
		default:
			run = 0
		}
		if run == 7 {
			return true
		}
	}
	return false
}

var names = []string{
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}

// month reports whether the name of a month is in text: no date with the name
// of a day is without.
func month(text string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) })
}

// Mask returns text with numbers, hex, UUIDs, addresses, URLs, paths, times and
// quoted strings replaced by what they are, and blanks made one. At most
// MaxText bytes are looked at.
func Mask(text string) string {
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "")
	}
	for _, m := range masks {
		if m.may(text) {
			text = m.find.ReplaceAllString(text, m.put)
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// Of returns the fingerprint of a failure: of its class, its masked texts and
// its facts, each in order. It is 24 hex digits.
func Of(class string, texts []string, facts ...string) string {
	h := sha256.New()
	write := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	write(version)
	write(class)
	for _, t := range texts {
		write(Mask(t))
	}
	write("facts")
	for _, f := range facts {
		write(f)
	}
	return hex.EncodeToString(h.Sum(nil))[:24]
}
