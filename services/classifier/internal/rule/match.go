package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Bounds of what a match records.
const (
	maxText    = 500 // bytes of the matched line
	maxCapture = 200 // bytes of one capture
)

// Match is one rule that matched, with all that a decision takes from it.
type Match struct {
	Rule     string
	Revision int64
	Order    int
	Mode     Mode
	Class    failure.Class
	Verdict  failure.Verdict
	// Source and Line, from 1, say where the decisive pattern matched first;
	// empty and 0 when only facts matched. Tail means after the gap of a cut
	// log: Line is counted on from the head's as though nothing were missing.
	Source string
	Line   int
	Offset int // bytes from the beginning of that text to the match
	Tail   bool
	// Text is what of that line is around the match, at most 500 bytes.
	Text     string
	Captures map[string]string
	Summary  string
	Runbook  string
	// RetryAfter is the rule's delay, or that of its capture retry_after.
	RetryAfter time.Duration
	Remedy     []Operation
	// YieldsTo is the rule's own; what the class yields to is not in it.
	YieldsTo []string
	// Aftermath is what the log says later of what matched, in AfterLine of the
	// same source; 0 where it says nothing.
	Aftermath Aftermath
	AfterLine int
}

// hit is where a pattern matched first.
type hit struct {
	text int // index in Input.Texts
	span span
	loc  []int
}

// evaluate puts the hits of a rule's patterns together. at returns the first
// hit of the n-th of them, or nil. The facts hold.
func (c *Compiled) evaluate(in Input, at func(n int) *hit) (Match, bool) {
	all, none := len(c.any), len(c.any)+len(c.all)
	// The decisive hit is the first in the logs of any, or that of all[0].
	var first *hit
	by := 0
	for n := range c.any {
		if h := at(n); h != nil && (first == nil || h.before(first)) {
			first, by = h, n
		}
	}
	if first == nil && len(c.any) > 0 {
		return Match{}, false
	}
	for n := range c.all {
		if at(all+n) == nil {
			return Match{}, false
		}
	}
	for n := range c.none {
		if at(none+n) != nil {
			return Match{}, false
		}
	}
	found := map[string]string{}
	take := func(p *pattern, h *hit) {
		p.captures(found, in.Texts[h.text].Text[h.span.start:h.span.end], h.loc)
	}
	if first != nil {
		take(c.any[by], first)
	} else if len(c.all) > 0 {
		first = at(all)
	}
	for n, p := range c.all {
		take(p, at(all+n))
	}
	// What the decisive pattern did not capture, another of any may have.
	for n, p := range c.any {
		if h := at(n); h != nil {
			take(p, h)
		}
	}
	return c.match(in, first, found), true
}

func (h *hit) before(other *hit) bool {
	return h.text < other.text || h.text == other.text && h.span.start < other.span.start
}

func (c *Compiled) match(in Input, h *hit, captures map[string]string) Match {
	r := &c.Rule
	m := Match{
		Rule: r.ID, Revision: r.Revision, Order: r.Order, Mode: r.Mode, Class: r.Class, Verdict: r.EffectiveVerdict(),
		Runbook: r.Runbook, RetryAfter: r.RetryAfter, Remedy: r.Remedy, YieldsTo: r.YieldsTo,
		Captures: captures, Summary: fill(r.Summary, captures),
	}
	if h != nil {
		t := in.Texts[h.text]
		m.Source, m.Line, m.Tail, m.Offset = t.Source, t.FirstLine+h.span.line, t.Tail, h.span.start+h.loc[0]
		m.Text = around(t.Text[h.span.start:h.span.end], h.loc[0], h.loc[1])
	}
	if after, ok := Seconds(captures["retry_after"]); ok {
		m.RetryAfter = after
	}
	return m
}

// Seconds reads a delay in seconds as services write it, such as "30" or "1.5";
// it is at most MaxRetryAfter.
func Seconds(s string) (d time.Duration, ok bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(n >= 0) {
		return 0, false
	}
	return time.Duration(min(n, MaxRetryAfter.Seconds()) * float64(time.Second)), true
}

// around returns at most maxText bytes of line with the match in it.
func around(line string, start, end int) string {
	if len(line) <= maxText {
		return cut(line, maxText)
	}
	from := min(max(0, min(start-maxText/4, end-maxText/2)), start)
	return cut(strings.ToValidUTF8(line[from:], ""), maxText)
}

var (
	dangling = regexp.MustCompile(`\s*(\(\s*\)|\[\s*\]|"\s*"|'\s*')`)
	gaps     = regexp.MustCompile(`\s{2,}`)
)

// fill puts captures into a summary. A placeholder without a capture is left
// out, with the brackets, quotes and end punctuation that would dangle.
func fill(summary string, captures map[string]string) string {
	empty := false
	s := placeholder.ReplaceAllStringFunc(summary, func(p string) string {
		v := captures[p[1:len(p)-1]]
		empty = empty || v == ""
		return v
	})
	if empty {
		s = strings.TrimRight(gaps.ReplaceAllString(dangling.ReplaceAllString(s, ""), " "), " :,;-=")
	}
	return cut(s, maxText)
}

// Explain matches one rule alone, whatever its mode, and says which of its
// parts did not match; nothing missing means that it matched.
func (c *Compiled) Explain(in Input) (m Match, missing []string) {
	missing = c.Rule.Facts.missing(in)
	var hits []*hit
	for _, p := range c.patterns() {
		hits = append(hits, c.find(in, p))
	}
	all, none := len(c.any), len(c.any)+len(c.all)
	if len(c.any) > 0 && !slices.ContainsFunc(hits[:all], func(h *hit) bool { return h != nil }) {
		missing = append(missing, fmt.Sprintf("any: none of its %d patterns matches a line", len(c.any)))
	}
	for i, h := range hits[all:none] {
		if h == nil {
			missing = append(missing, fmt.Sprintf("all[%d]: %q matches no line", i, c.Rule.All[i]))
		}
	}
	for i, h := range hits[none:] {
		if h != nil {
			missing = append(missing, fmt.Sprintf("none[%d]: %q matches line %d of %s", i, c.Rule.None[i],
				in.Texts[h.text].FirstLine+h.span.line, in.Texts[h.text].Source))
		}
	}
	if len(missing) > 0 {
		return Match{}, missing
	}
	m, _ = c.evaluate(in, func(n int) *hit { return hits[n] })
	one := []Match{m}
	aftermaths(one, in, func(string) *Compiled { return c })
	return one[0], nil
}

// find looks for p line by line.
func (c *Compiled) find(in Input, p *pattern) *hit {
	for i, t := range in.Texts {
		if !c.sees(t.Source) {
			continue
		}
		for _, s := range spans(t.Text) {
			if loc := p.match(t.Text[s.start:s.end]); loc != nil && spoken(t.Text, s, loc) {
				return &hit{text: i, span: s, loc: loc}
			}
		}
	}
	return nil
}

// sees reports whether the patterns look at a log. A log of unknown source is
// one that every rule looks at.
func (c *Compiled) sees(source string) bool {
	return len(c.Rule.Sources) == 0 || source == "" || slices.Contains(c.Rule.Sources, source)
}
