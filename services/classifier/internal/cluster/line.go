package cluster

import (
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/fingerprint"
)

// Wildcard stands in a template for words that differ.
const Wildcard = "<*>"

// MaxWords is how many words of a line are looked at.
const MaxWords = 64

// cut stands behind a line of which only the beginning is known.
const cut = "…"

// Words returns the words of a line with its masks on, at least one. The last
// word of a line that was cut is left out.
func Words(line string) []string {
	line, short := strings.CutSuffix(line, cut)
	words := strings.Fields(fingerprint.Mask(line))
	if short && len(words) > 1 {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return []string{"<empty>"}
	}
	return words[:min(len(words), MaxWords)]
}

// masks are what fingerprint.Mask puts in.
var masks = []string{"<str>", "<url>", "<uuid>", "<time>", "<ip>", "<path>", "<hex>"}

// variable reports whether a word has nothing but masks and punctuation: it
// says nothing of what a line is about.
func variable(word string) bool {
	for word != "" {
		c := word[0]
		if c == '<' {
			n := 1
			for _, m := range masks {
				if strings.HasPrefix(word, m) {
					n = len(m)
				}
			}
			word = word[n:]
			continue
		}
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80 {
			return false
		}
		word = word[1:]
	}
	return true
}

// levels are words that many kinds of lines begin with.
var levels = map[string]bool{
	"error": true, "fatal": true, "warn": true, "warning": true, "severe": true, "critical": true, "panic": true, "info": true, "debug": true, "err": true, "e": true,
}

// telling returns the first word of a line by which it is looked for: not what
// differs from run to run, and no level of a log.
func telling(words []string) string {
	for _, w := range words {
		if bare := strings.ToLower(strings.Trim(w, "[](){}<>:,;.-=#")); !variable(w) && !levels[bare] {
			return w
		}
	}
	return Wildcard
}

// similarity is the part of the words that a line shares with a template of as
// many, from 0 to 1. Masks that are the same say nothing; a wildcard is shared
// with nothing, so that a template never loses most of its words.
func similarity(template, words []string) float64 {
	same, of := 0, 0
	for i, t := range template {
		switch {
		case t == Wildcard || t != words[i]:
			of++
		case !variable(t):
			same++
			of++
		}
	}
	if of == 0 {
		return 1
	}
	return float64(same) / float64(of)
}

// Covers reports whether the words of a line are those of a template.
func Covers(template, words []string) bool {
	if len(template) != len(words) {
		return false
	}
	for i, t := range template {
		if t != Wildcard && t != words[i] {
			return false
		}
	}
	return true
}
