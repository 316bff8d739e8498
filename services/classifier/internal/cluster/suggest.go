package cluster

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Order is that of the rules that are made: behind all that know one software,
// before what is general (docs/rules.md has the ranges).
const Order = 4900

// Draft is a rule that was made of a cluster's lines.
type Draft struct {
	// Rule compiles, and matches its sample and all lines that it was made of,
	// as soon as it has a class: where no word of the lines says one it has none.
	Rule rule.Rule
	// Doubts is what speaks against it by itself; Weak says that they are enough
	// to not take it as it is.
	Doubts []string
	Weak   bool
}

// Suggest makes a rule of the lines of a cluster's examples; taken says which
// ids other rules have. It is errs.FailedPrecondition when no rule can be made:
// its failures have no logs, or their lines too little in common.
func (c *Cluster) Suggest(taken func(id string) bool) (Draft, error) {
	if len(c.Examples) == 0 || c.Words[0] == bareWord {
		return Draft{}, errs.New(errs.FailedPrecondition, "its failures have no logs to make a pattern of: write a rule by facts (docs/rules.md)")
	}
	lines := make([]line, len(c.Examples))
	for i, e := range c.Examples {
		text, short := strings.CutSuffix(e.Line, cut)
		lines[i] = line{text, short}
	}
	p, ok := makePattern(lines, false)
	if !ok || p.literal < minLiteral || p.words < 2 {
		if narrow, fits := makePattern(lines, true); fits {
			p, ok = narrow, true
		}
	}
	if !ok || p.literal < minLiteral {
		return Draft{}, errs.New(errs.FailedPrecondition, "its lines have not %d characters in a row in common: a rule of them would match nearly anything", minLiteral)
	}
	newest := lines[len(lines)-1].text
	d := Draft{Rule: rule.Rule{
		ID: c.ruleID(p, taken), Order: Order, Any: []string{p.text}, Mode: rule.Shadow,
		Summary: p.summary(), Sample: newest,
		Runbook: fmt.Sprintf("This rule was made of clusters/%s. Read its failures, such as failures/%s, and say here what to do.", c.ID, c.Examples[len(c.Examples)-1].Failure),
	}}
	if d.Rule.Class, ok = ClassOf(newest); !ok {
		d.Doubts = append(d.Doubts, "no word of its lines says which class it is: choose one with --class")
	}
	if p.words < 2 {
		d.Weak = true
		d.Doubts = append(d.Doubts, "only one word is the same in all its lines: it may match more than this failure")
	}
	if len(c.Examples) < 2 {
		d.Doubts = append(d.Doubts, "it is made of one line: what differs from failure to failure is a guess")
	} else if c.jobs() < 2 {
		d.Doubts = append(d.Doubts, "only one job has failed of it")
	}
	return d, nil
}

func (c *Cluster) jobs() int { return len(c.Jobs) }

var (
	notID   = regexp.MustCompile(`[^a-z0-9]+`)
	longGap = regexp.MustCompile(`(?:…\s*){2,}`)
)

// ruleID makes an id of the first words of a pattern.
func (c *Cluster) ruleID(p pattern, taken func(string) bool) string {
	var parts []string
	for word := range strings.FieldsSeq(p.sentence) {
		if p.capture != "" && strings.Contains(word, "{"+p.capture+"}") {
			continue
		}
		word = strings.Trim(notID.ReplaceAllString(strings.ToLower(word), "-"), "-")
		if word == "" || levels[word] || strings.Contains(word, "…") {
			continue
		}
		if parts = append(parts, word); len(parts) == 6 {
			break
		}
	}
	id := strings.Trim(strings.Join(parts, "-"), "-")
	if len(id) > 40 {
		id = id[:40]
	}
	id = strings.Trim(strings.TrimLeft(id, "0123456789-"), "-")
	if id == "" {
		id = "cluster-" + c.ID
	}
	for unique, n := id, 2; ; n++ {
		if !taken(unique) {
			return unique
		}
		unique = fmt.Sprintf("%s-%d", id, n)
	}
}

// summary is the sentence of the rule: the line with its capture.
func (p pattern) summary() string {
	s := longGap.ReplaceAllString(strings.Join(strings.Fields(p.sentence), " "), "… ")
	if p.capture != "" {
		s = strings.ReplaceAll(s, "{"+p.capture+"}", "\x00")
	}
	s = strings.NewReplacer("{", "(", "}", ")", "\x00", "{"+p.capture+"}").Replace(s)
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + cut
	}
	return s
}
