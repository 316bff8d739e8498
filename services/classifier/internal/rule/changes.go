package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// maxShown bounds a value in a line of Changes, in characters.
const maxShown = 200

// Changes says in what after differs from before, a line each: "order: 4200 →
// 4300", `any: + "boom"`. Nothing differs when there is none. What Redrive
// notes of a rule by itself, such as its revision, is left out; its pack is not.
func Changes(before, after *Rule) []string {
	var lines []string
	is := after.parts()
	for i, was := range before.parts() {
		lines = append(lines, was.changes(is[i])...)
	}
	return lines
}

// part is one field of a rule, written for people. A list has any number of
// values, another field one, or none when it is not set.
type part struct {
	name   string
	values []string
	list   bool
}

// parts are all that whoever writes a rule says, in the order of a pack.
func (r *Rule) parts() []part {
	return []part{
		word("order", strconv.Itoa(r.Order)),
		list("sources", r.Sources, strconv.Quote),
		list("any", r.Any, strconv.Quote),
		list("all", r.All, strconv.Quote),
		list("none", r.None, strconv.Quote),
		list("facts.exit_codes", r.Facts.ExitCodes, strconv.Itoa),
		list("facts.signals", r.Facts.Signals, strconv.Itoa),
		list("facts.termination_reasons", r.Facts.Reasons, failure.Reason.String),
		list("facts.engines", r.Facts.Engines, strconv.Quote),
		word("facts.peak_percent", number(r.Facts.PeakPercent)),
		word("class", string(r.Class)),
		word("verdict", r.Verdict.String()),
		list("yields_to", r.YieldsTo, strings.Clone),
		text("summary", r.Summary),
		text("runbook", r.Runbook),
		word("retry_after", duration(r.RetryAfter)),
		list("remedy", r.Remedy, Operation.String),
		text("owner", r.Owner),
		word("mode", r.Mode.String()),
		text("sample", r.Sample),
		list("near_misses", r.NearMisses, strconv.Quote),
		word("pack", r.Pack),
	}
}

// String writes an operation on one line: `add /spot false`.
func (o Operation) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", o.Op, o.Path, plainJSON(o.Value)))
}

func word(name, value string) part {
	if value == "" {
		return part{name: name}
	}
	return part{name: name, values: []string{value}}
}

func text(name, value string) part {
	if value == "" {
		return part{name: name}
	}
	return part{name: name, values: []string{strconv.Quote(value)}}
}

func list[T any](name string, values []T, write func(T) string) part {
	p := part{name: name, list: true}
	for _, v := range values {
		p.values = append(p.values, write(v))
	}
	return p
}

// number writes n, and 0 as what is not set.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// duration writes d, and 0 as what is not set.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (p part) changes(is part) []string {
	if slices.Equal(p.values, is.values) {
		return nil
	}
	if !p.list {
		from, to := p.shown(), is.shown()
		if from == to {
			return []string{fmt.Sprintf("%s: differs after its first %d characters", p.name, maxShown)}
		}
		return []string{fmt.Sprintf("%s: %s → %s", p.name, from, to)}
	}
	var lines []string
	for _, v := range without(p.values, is.values) {
		lines = append(lines, fmt.Sprintf("%s: - %s", p.name, shown(v)))
	}
	for _, v := range without(is.values, p.values) {
		lines = append(lines, fmt.Sprintf("%s: + %s", p.name, shown(v)))
	}
	if lines == nil {
		lines = []string{p.name + ": in another order"}
	}
	return lines
}

func (p part) shown() string {
	if len(p.values) == 0 {
		return "none"
	}
	return shown(p.values[0])
}

func shown(s string) string { return cut(s, maxShown) }

// without returns the values that are not in others, each as often as it is
// there more often.
func without(values, others []string) (left []string) {
	rest := slices.Clone(others)
	for _, v := range values {
		if i := slices.Index(rest, v); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
			continue
		}
		left = append(left, v)
	}
	return left
}
