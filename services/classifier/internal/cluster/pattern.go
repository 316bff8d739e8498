package cluster

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/fingerprint"
)

// Bounds of a pattern that is made.
const (
	// minLiteral bytes in a row are the same in all lines, at least.
	minLiteral = 7
	// maxPattern is below what a rule allows.
	maxPattern = 900
)

// pattern is an RE2 pattern made of lines.
type pattern struct {
	text    string
	literal int // bytes of the longest stretch that every match has
	words   int // that say something and are the same in all lines
	capture string
	// sentence is the line with "{capture}" where one is.
	sentence string
	re       *regexp.Regexp
}

// piece is a stretch of a pattern. A constant one has the text itself.
type piece struct {
	constant string
	pattern  string
	mask     string
	varies   bool // more than one value was seen
}

// makePattern makes a pattern of lines with as many words each. What is
// constant in their masks is quoted; what is masked is typed, unless its value
// is the same wherever it was seen and fixed says so. ok is false when the
// lines have too little in common.
func makePattern(lines []line, fixed bool) (p pattern, ok bool) {
	parsed := make([][][]fingerprint.Part, len(lines))
	words := MaxWords
	for i, l := range lines {
		parsed[i] = fingerprint.Parts(l.text)
		if l.short && len(parsed[i]) > 1 {
			parsed[i] = parsed[i][:len(parsed[i])-1] // a part of a word
		}
		words = min(words, len(parsed[i]))
	}
	var pieces []piece
	before := ""
	for at := range words {
		column := make([][]fingerprint.Part, len(lines))
		for i := range parsed {
			column[i] = parsed[i][at]
		}
		next := piecesOf(column, fixed || codeWords[before], named[before])
		before = bare(parsed[0][at][0].Mask)
		if len(pieces) == 0 && !slices.ContainsFunc(next, telltale) {
			continue // a time and the like in front of what is said
		}
		if len(pieces) > 0 {
			pieces = append(pieces, between(lines, parsed, at))
		}
		pieces = append(pieces, next...)
	}
	for _, loose := range []bool{false, true} {
		p = assemble(pieces, loose)
		var err error
		if p.re, err = regexp.Compile(p.text); err == nil && p.text != "" && matchesAll(p.re, lines) {
			return p, true
		}
	}
	return pattern{}, false
}

// codeWords stand before numbers that tell errors apart.
var codeWords = map[string]bool{
	"code": true, "status": true, "errno": true, "exit": true, "exited": true, "sqlstate": true, "error": true, "http": true, "signal": true, "rc": true, "returned": true,
}

// bare is a word in small letters without what is around it.
func bare(word string) string { return strings.ToLower(strings.Trim(word, `"'()[]{}<>:;,.=#`)) }

// line is a line that a pattern is made of; short means that its end is missing.
type line struct {
	text  string
	short bool
}

func matchesAll(re *regexp.Regexp, lines []line) bool {
	return !slices.ContainsFunc(lines, func(l line) bool { return !re.MatchString(l.text) })
}

func telltale(p piece) bool { return p.constant != "" && !variable(p.constant) }

// between is what stands between two words: one blank in nearly all lines.
func between(lines []line, parsed [][][]fingerprint.Part, at int) piece {
	for i, l := range lines {
		left, right := parsed[i][at-1], parsed[i][at]
		if !strings.Contains(l.text, left[len(left)-1].Raw+" "+right[0].Raw) {
			return piece{pattern: `\s+`}
		}
	}
	return piece{constant: " "}
}

// piecesOf makes pieces of one word of every line. A name is taken as a whole.
func piecesOf(column [][]fingerprint.Part, fixed, name bool) []piece {
	raw := make([]string, len(column))
	for i, parts := range column {
		for _, p := range parts {
			raw[i] += p.Raw
		}
	}
	if allSame(raw) && (fixed || code.MatchString(raw[0])) {
		return []piece{{constant: raw[0]}}
	}
	masked := func(parts []fingerprint.Part) string {
		var b strings.Builder
		for _, p := range parts {
			b.WriteString(p.Mask)
		}
		return b.String()
	}
	for _, parts := range column {
		if len(parts) != len(column[0]) || masked(parts) != masked(column[0]) || name && mixed(parts) {
			return differing(raw)
		}
	}
	var all []piece
	for i, p := range column[0] {
		if p.Constant {
			all = append(all, piece{constant: p.Raw})
			continue
		}
		values := make([]string, len(column))
		for k, parts := range column {
			values[k] = parts[i].Raw
		}
		if fixed && allSame(values) {
			all = append(all, piece{constant: values[0]})
			continue
		}
		all = append(all, piece{pattern: typed(p.Mask, values), mask: p.Mask, varies: !allSame(values)})
	}
	return all
}

// mixed reports whether numbers are a part of a name, as in "worker-3:9000".
func mixed(parts []fingerprint.Part) bool {
	return len(parts) > 1 && parts[0].Constant && !variable(parts[0].Raw)
}

// code is what software calls its errors: the number is what tells them apart.
var code = regexp.MustCompile(`^\W*[A-Z][A-Z_]*[A-Z][-_]?\d{2,}[A-Z]?\W*$`)

// differing is a word that is another one from line to line: what all of them
// begin and end with, short of letters and digits, stays.
func differing(raw []string) []piece {
	const edge = `"'()[]{}<>:;,.=`
	front, back := raw[0], raw[0]
	for _, r := range raw {
		front, back = front[:shared(front, r)], back[len(back)-sharedEnd(back, r):]
	}
	front = front[:len(front)-len(strings.TrimLeft(front, edge))]
	back = back[len(strings.TrimRight(back, edge)):]
	for _, r := range raw {
		if len(r) <= len(front)+len(back) {
			front, back = "", ""
		}
	}
	p := `\S+`
	if slices.ContainsFunc(raw, func(r string) bool { return strings.ContainsAny(r, " \t\v\f\r") }) {
		p = `.+`
	}
	return []piece{{constant: front}, {pattern: p, mask: Wildcard, varies: true}, {constant: back}}
}

func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func sharedEnd(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

func allSame(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return v != values[0] })
}

// types are the patterns of what a mask stands for, the narrowest first.
var types = map[string][]string{
	"#":      {`\d+`, `[-+]?\d+(?:[.,]\d+)*`, `[-+\d.,eE\s]+`},
	"<hex>":  {`0x[0-9a-fA-F]+`, `[0-9a-fA-F]+`, `@[0-9a-f]+`},
	"<uuid>": {`[0-9a-fA-F-]{36}`},
	"<str>":  {`"[^"]*"`, `'[^']*'`, "`[^`]*`"},
	"<path>": {`[^\s:'"|,;()]+`, `\S+`},
	"<url>":  {`[A-Za-z][A-Za-z0-9+.-]*://[^\s'",;)]+`, `\S+`},
	"<time>": {`[\d/:.,TZ+ -]+`},
	"<ip>":   {`\d+(?:\.\d+){3}(?::\d+)?`, `[0-9a-fA-F.:\[\]]+`},
}

// typed returns the first pattern of a mask that all values match whole.
func typed(mask string, values []string) string {
	for _, t := range types[mask] {
		re := regexp.MustCompile(`^(?:` + t + `)$`)
		if !slices.ContainsFunc(values, func(v string) bool { return !re.MatchString(v) }) {
			return t
		}
	}
	return `.+`
}

// assemble writes the pieces, with a capture where one thing varies. Loose
// takes anything for what is not constant.
func assemble(pieces []piece, loose bool) pattern {
	captured := theOne(pieces)
	var p pattern
	var text, sentence strings.Builder
	run, before := 0, ""
	for i, piece := range pieces {
		next := regexp.QuoteMeta(piece.constant)
		said := piece.constant
		if piece.pattern != "" {
			next, said = piece.pattern, "…"
			if piece.pattern == `\s+` {
				said = " "
			} else if loose {
				next = `.+?`
				if i == len(pieces)-1 {
					next = `.+`
				}
			}
			if i == captured {
				p.capture = captureName(before, piece)
				next, said = fmt.Sprintf("(?P<%s>%s)", p.capture, next), "{"+p.capture+"}"
			}
		}
		if text.Len()+len(next) > maxPattern {
			break
		}
		text.WriteString(next)
		sentence.WriteString(said)
		if piece.pattern != "" {
			run = 0
			continue
		}
		run += len(piece.constant)
		p.literal = max(p.literal, run)
		if telltale(piece) {
			p.words++
		}
		if w := bare(piece.constant); strings.TrimSpace(w) != "" {
			before = w
		}
	}
	p.text, p.sentence = strings.TrimSpace(text.String()), sentence.String()
	return p
}

// theOne returns the piece that alone varies, or else is the only one that may;
// -1 for none.
func theOne(pieces []piece) int {
	varies, typed := []int{}, []int{}
	for i, p := range pieces {
		if p.mask == "" {
			continue
		}
		typed = append(typed, i)
		if p.varies {
			varies = append(varies, i)
		}
	}
	switch {
	case len(varies) == 1:
		return varies[0]
	case len(typed) == 1:
		return typed[0]
	}
	return -1
}

// named are words that name what follows them.
var named = map[string]bool{
	"host": true, "server": true, "bucket": true, "table": true, "database": true, "schema": true, "warehouse": true, "column": true, "field": true, "file": true, "path": true,
	"user": true, "role": true, "account": true, "topic": true, "queue": true, "partition": true, "module": true, "package": true, "class": true, "job": true, "task": true,
	"stage": true, "node": true, "cluster": true, "service": true, "endpoint": true, "key": true, "port": true, "device": true, "volume": true, "project": true, "dataset": true,
}

var nameOfMask = map[string]string{"#": "number", "<hex>": "id", "<uuid>": "id", "<str>": "name", "<path>": "path", "<url>": "url", "<time>": "time", "<ip>": "address"}

func captureName(before string, p piece) string {
	if named[before] {
		return before
	}
	if name := nameOfMask[p.mask]; name != "" {
		return name
	}
	return "what"
}
