package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// The classes that are no cause: of an ordinary log, and of a failure whose log
// does not say its cause. To answer "unknown" is right for both.
const (
	none    = "none"
	unknown = "unknown"
)

// answered is one text with its true class and the answer.
type answered struct {
	ID, Want, Got, Rule string
}

// read puts the texts and their answers together, which come in the same order.
func read(asked, answers io.Reader) ([]answered, error) {
	var all []answered
	questions, replies := json.NewDecoder(asked), json.NewDecoder(answers)
	for line := 1; ; line++ {
		var q, a struct{ ID, Class, Rule string }
		err := questions.Decode(&q)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			err = replies.Decode(&a)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("text %d: %w", line, err)
		case q.Class == "":
			return nil, fmt.Errorf("text %d, %q: it has no class", line, q.ID)
		case q.ID != a.ID:
			return nil, fmt.Errorf("text %d: the answer is to %q, not to %q", line, a.ID, q.ID)
		}
		all = append(all, answered{q.ID, q.Class, a.Class, a.Rule})
	}
}

// card is how right the answers are.
type card struct {
	all []answered
	// Of the texts with a known cause: how many were given it, another one, or
	// none.
	known, right, wrong, missed int
	// Texts without a cause, and how many of them were given one.
	ordinary, ordinaryClassified, unclear, unclearClassified int
	table                                                    map[string]map[string]int // by true class, by answer
}

func score(all []answered) card {
	c := card{all: all, table: map[string]map[string]int{}}
	for _, a := range all {
		if c.table[a.Want] == nil {
			c.table[a.Want] = map[string]int{}
		}
		c.table[a.Want][a.Got]++
		classified := 0
		if a.Got != unknown {
			classified = 1
		}
		switch {
		case a.Want == none:
			c.ordinary++
			c.ordinaryClassified += classified
		case a.Want == unknown:
			c.unclear++
			c.unclearClassified += classified
		case a.Got == a.Want:
			c.known++
			c.right++
		default:
			c.known++
			c.wrong += classified
			c.missed += 1 - classified
		}
	}
	return c
}

func (a answered) ok() bool { return a.Got == a.Want || a.Want == none && a.Got == unknown }

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// What is good enough. A wrong verdict costs more than none.
const (
	leastRight = 0.95
	mostWrong  = 0.02
)

// rightShare, wrongShare and noneShare are of the failures with a known cause,
// of all failures, and of the ordinary logs that were given a class.
func (c card) rightShare() float64 { return share(c.right, c.known) }
func (c card) wrongShare() float64 { return share(c.wrong+c.unclearClassified, c.known+c.unclear) }
func (c card) noneShare() float64  { return share(c.ordinaryClassified, c.ordinary) }

// judge says what is not good enough.
func (c card) judge() error {
	var all []error
	if r := c.rightShare(); c.known > 0 && r < leastRight {
		all = append(all, fmt.Errorf("%.1f %% right are too few: at least %.0f %%", r*100, leastRight*100))
	}
	if w := c.wrongShare(); w > mostWrong {
		all = append(all, fmt.Errorf("%.1f %% wrong are too many: at most %.0f %%", w*100, mostWrong*100))
	}
	if c.ordinaryClassified > 0 {
		all = append(all, fmt.Errorf("%d ordinary logs were classified", c.ordinaryClassified))
	}
	return errors.Join(all...)
}

// write prints the tables and, at the end, the shares as `ratio` lines.
func (c card) write(w io.Writer, verbose bool) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) } // Flush tells
	say("CLASS\tTEXTS\tRIGHT\tPRECISION\tRECALL\tOTHERWISE ANSWERED\n")
	given := map[string]int{}
	for _, answers := range c.table {
		for got, n := range answers {
			given[got] += n
		}
	}
	classes := map[string]bool{}
	for want := range c.table {
		classes[want] = true
	}
	for got := range given {
		classes[got] = true
	}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		answers := c.table[class]
		texts, hits, others := 0, answers[class], []string{}
		if class == none {
			hits = answers[unknown]
		}
		for _, got := range slices.SortedFunc(maps.Keys(answers), func(a, b string) int { return cmp.Or(answers[b]-answers[a], strings.Compare(a, b)) }) {
			texts += answers[got]
			if got != class && (class != none || got != unknown) {
				others = append(others, fmt.Sprintf("%s %d", got, answers[got]))
			}
		}
		precision := "–"
		if n := given[class]; n > 0 && class != unknown {
			precision = fmt.Sprintf("%.2f", share(answers[class], n))
		}
		say("%s\t%d\t%d\t%s\t%.2f\t%s\n", class, texts, hits, precision, share(hits, texts), strings.Join(others, ", "))
	}
	say("\nof %d failures with a known cause\t%d right, %d wrong, %d missed\n", c.known, c.right, c.wrong, c.missed)
	say("of %d failures without one\t%d classified\n", c.unclear, c.unclearClassified)
	say("of %d ordinary logs\t%d classified\n\n", c.ordinary, c.ordinaryClassified)
	_ = out.Flush()
	for _, a := range c.all {
		if verbose && !a.ok() {
			_, _ = fmt.Fprintf(w, "%s is %s, not %s, by %s\n", a.ID, a.Want, a.Got, cmp.Or(a.Rule, "no rule"))
		}
	}
	for _, r := range []struct {
		name string
		v    float64
	}{
		{"right", c.rightShare()},
		{"wrong", c.wrongShare()},
		{"missed", share(c.missed, c.known)},
		{"none", c.noneShare()},
	} {
		_, _ = fmt.Fprintf(w, "ratio eval-rules/%s %.4f\n", r.name, r.v)
	}
}
