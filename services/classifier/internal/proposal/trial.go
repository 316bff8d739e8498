package proposal

import (
	"cmp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/lint"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// trial tries a suggested rule, and remembers lines that come close to what it
// matches and are not.
type trial struct {
	rule  *rule.Compiled
	words map[string]bool // that its sample has
	near  []nearMiss      // the nearest first, at most maxNearMisses
}

type nearMiss struct {
	line   string
	shared int
}

// newTrial readies the rule of a draft, which may yet be without a class.
func newTrial(r rule.Rule) (*trial, error) {
	if r.Class == "" {
		r.Class = failure.CodeBug // any that there is: it is only tried
	}
	c, err := rule.Compile("rule", r)
	if err != nil {
		return nil, err
	}
	t := &trial{rule: c, words: map[string]bool{}}
	for _, w := range cluster.Words(r.Sample) {
		if len(w) > 2 {
			t.words[w] = true
		}
	}
	return t, nil
}

// matches returns the line that the rule matches, if there is one.
func (t *trial) matches(in rule.Input) (line string, ok bool) {
	m, missing := t.rule.Explain(in)
	return m.Text, len(missing) == 0
}

func textOf(text string) rule.Input {
	return rule.Input{Texts: []rule.Text{{Text: text, FirstLine: 1}}}
}

// maxConsidered is how many lines of one text are looked at for near misses, the
// last ones.
const maxConsidered = 50

func (t *trial) considerAll(text string) {
	lines := strings.Split(text, "\n")
	for _, line := range lines[max(0, len(lines)-maxConsidered):] {
		t.consider(line)
	}
}

// consider remembers a line that the rule must not match and that shares at
// least half of its words with what it matches.
func (t *trial) consider(line string) {
	const longest = 500
	if len(line) > longest || strings.TrimSpace(line) == "" {
		return
	}
	shared := 0
	for w := range t.words {
		if strings.Contains(line, w) {
			shared++
		}
	}
	if shared < 2 || 2*shared < len(t.words) || slices.ContainsFunc(t.near, func(n nearMiss) bool { return n.line == line }) {
		return
	}
	if _, ok := t.matches(textOf(line)); ok {
		return
	}
	t.near = append(t.near, nearMiss{line, shared})
	slices.SortStableFunc(t.near, func(a, b nearMiss) int {
		return cmp.Or(cmp.Compare(b.shared, a.shared), strings.Compare(a.line, b.line))
	})
	t.near = t.near[:min(len(t.near), maxNearMisses)]
}

// nearMisses returns lines for the rule to be tested on.
func (t *trial) nearMisses() []string {
	var all []string
	for _, n := range t.near {
		all = append(all, n.line)
	}
	return all
}

// ordinary returns the ordinary lines that the rule matches.
func (t *trial) ordinary() []string {
	var all []string
	for _, line := range lint.OrdinaryLines() {
		if _, ok := t.matches(textOf(line)); ok {
			all = append(all, line)
		}
	}
	return all
}
