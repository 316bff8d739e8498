package rule

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

var (
	idPattern   = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)\}`)
)

// Compiled is a rule that was checked and is ready to match.
type Compiled struct {
	Rule           Rule
	any, all, none []*pattern
}

// patterns are any, all and none, in this order.
func (c *Compiled) patterns() []*pattern { return slices.Concat(c.any, c.all, c.none) }

// CheckID says what is wrong with the id of a rule.
func CheckID(field, id string) error {
	if !idPattern.MatchString(id) {
		return errs.Field(field, "%q is not 1 to 63 of [a-z0-9-] that starts with a letter and ends with a letter or digit", id)
	}
	return nil
}

// Compile checks r as a whole and readies it. The error is errs.Invalid and
// names all that is wrong; field is the name of r in the request.
func Compile(field string, r Rule) (*Compiled, error) {
	c := &Compiled{Rule: r}
	all := []error{CheckID(field+".id", r.ID), c.Rule.checkWords(field), c.Rule.checkLists(field)}
	for _, part := range []struct {
		name  string
		texts []string
		into  *[]*pattern
	}{{"any", r.Any, &c.any}, {"all", r.All, &c.all}, {"none", r.None, &c.none}} {
		for i, text := range part.texts[:min(len(part.texts), MaxPatterns)] {
			p, err := compilePattern(fmt.Sprintf("%s.%s[%d]", field, part.name, i), text)
			all = append(all, err)
			*part.into = append(*part.into, p)
		}
	}
	if n := len(r.Any) + len(r.All) + len(r.None); n > MaxPatterns {
		all = append(all, errs.Field(field+".any", "any, all and none have %d patterns, at most %d are allowed", n, MaxPatterns))
	}
	if len(r.Any)+len(r.All) == 0 && r.Facts.Empty() {
		all = append(all, errs.Field(field+".any", "a rule needs a pattern in any or all, or facts"))
	}
	if err := errs.Fields(all...); err != nil {
		return nil, err
	}
	if err := errs.Fields(c.checkSummary(field), c.checkSamples(field)); err != nil {
		return nil, err
	}
	return c, nil
}

func (r *Rule) checkWords(field string) error {
	var all []error
	atMost := func(name, s string, n int) {
		if len(s) > n {
			all = append(all, errs.Field(field+"."+name, "has %d bytes, at most %d are allowed", len(s), n))
		}
	}
	if r.Order < 0 || r.Order > MaxOrder {
		all = append(all, errs.Field(field+".order", "%d is not between 0 and %d", r.Order, MaxOrder))
	}
	if _, ok := failure.MeaningOf(r.Class); !ok {
		all = append(all, errs.Field(field+".class", "%q is not in the taxonomy: %s", r.Class, classNames()))
	} else if r.Class == failure.Unknown {
		all = append(all, errs.Field(field+".class", "%q is what no rule explains; a rule must name a cause", r.Class))
	}
	if r.Verdict < failure.VerdictNone || r.Verdict > failure.VerdictUnknown {
		all = append(all, errs.Field(field+".verdict", "%d is no verdict", int(r.Verdict)))
	}
	if r.Mode < Off || r.Mode > Enforce {
		all = append(all, errs.Field(field+".mode", "must be off, shadow or enforce"))
	}
	if r.Summary == "" {
		all = append(all, errs.Field(field+".summary", "is required: one sentence that says what happened"))
	}
	if r.RetryAfter < 0 || r.RetryAfter > MaxRetryAfter {
		all = append(all, errs.Field(field+".retry_after", "%v is not between 0 and %v", r.RetryAfter, MaxRetryAfter))
	}
	atMost("summary", r.Summary, MaxSentence)
	atMost("runbook", r.Runbook, MaxRunbook)
	atMost("owner", r.Owner, 128)
	atMost("sample", r.Sample, MaxSample)
	for i, s := range r.NearMisses {
		atMost(fmt.Sprintf("near_misses[%d]", i), s, MaxSample)
	}
	return errs.Fields(all...)
}

func (r *Rule) checkLists(field string) error {
	var all []error
	for _, list := range []struct {
		name string
		n    int
	}{
		{"sources", len(r.Sources)},
		{"remedy", len(r.Remedy)},
		{"near_misses", len(r.NearMisses)},
		{"facts.exit_codes", len(r.Facts.ExitCodes)},
		{"facts.signals", len(r.Facts.Signals)},
		{"facts.termination_reasons", len(r.Facts.Reasons)},
		{"facts.engines", len(r.Facts.Engines)},
		{"yields_to", len(r.YieldsTo)},
	} {
		if list.n > MaxListed {
			all = append(all, errs.Field(field+"."+list.name, "has %d members, at most %d are allowed", list.n, MaxListed))
		}
	}
	for i, s := range r.Sources {
		if s == "" || len(s) > 63 {
			all = append(all, errs.Field(fmt.Sprintf("%s.sources[%d]", field, i), "must have 1 to 63 characters, has %d", len(s)))
		}
	}
	for i, reason := range r.Facts.Reasons {
		if reason < failure.Exited || reason > failure.Lost {
			all = append(all, errs.Field(fmt.Sprintf("%s.facts.termination_reasons[%d]", field, i), "%d is no termination reason", int(reason)))
		}
	}
	if p := r.Facts.PeakPercent; p < 0 || p > MaxPeakPercent {
		all = append(all, errs.Field(field+".facts.peak_percent", "%d is not between 0 and %d, in percent of the limit", p, MaxPeakPercent))
	}
	for i, target := range r.YieldsTo {
		all = append(all, r.checkYield(fmt.Sprintf("%s.yields_to[%d]", field, i), target))
	}
	for i, op := range r.Remedy {
		all = append(all, op.check(fmt.Sprintf("%s.remedy[%d]", field, i)))
	}
	return errs.Fields(all...)
}

func (o Operation) check(field string) error {
	var op, path, value error
	switch {
	case !slices.Contains([]string{"test", "add", "replace", "remove"}, o.Op):
		op = errs.Field(field+".op", "%q is not test, add, replace or remove", o.Op)
	case (o.Op == "remove") != (len(o.Value) == 0):
		value = errs.Field(field+".value", "is required, for all but remove")
	}
	if o.Path == "" || o.Path[0] != '/' || len(o.Path) > 256 {
		path = errs.Field(field+".path", "%q is not a JSON pointer, such as /memory_mb", cut(o.Path, 80))
	}
	return errs.Fields(op, path, value)
}

// checkSummary wants a capture for every placeholder.
func (c *Compiled) checkSummary(field string) error {
	known := map[string]bool{}
	for _, p := range append(slices.Clone(c.any), c.all...) {
		for _, name := range p.names {
			known[name] = name != ""
		}
	}
	var all []error
	for _, m := range placeholder.FindAllStringSubmatch(c.Rule.Summary, -1) {
		if !known[m[1]] {
			all = append(all, errs.Field(field+".summary", "{%s} is no capture of any or all: write (?P<%s>…) in a pattern", m[1], m[1]))
		}
	}
	return errs.Fields(all...)
}

// checkSamples tries the sample and the near misses, with the facts given.
func (c *Compiled) checkSamples(field string) error {
	source := "stderr"
	if len(c.Rule.Sources) > 0 {
		source = c.Rule.Sources[0]
	}
	var all []error
	if c.Rule.Sample != "" {
		if _, missing := c.Explain(c.Rule.Facts.suits(source, c.Rule.Sample)); len(missing) > 0 {
			all = append(all, errs.Field(field+".sample", "the rule does not match its sample: %s", missing[0]))
		}
	}
	for i, text := range c.Rule.NearMisses {
		if m, missing := c.Explain(c.Rule.Facts.suits(source, text)); len(missing) == 0 {
			all = append(all, errs.Field(fmt.Sprintf("%s.near_misses[%d]", field, i), "the rule matches it, in line %d: %q", m.Line, m.Text))
		}
	}
	return errs.Fields(all...)
}

func classNames() string {
	names := failure.Classes()
	slices.Sort(names)
	return fmt.Sprint(names)
}

// SampleInput is the rule's sample with the facts that the rule asks for.
func (r *Rule) SampleInput() Input {
	source := "stderr"
	if len(r.Sources) > 0 {
		source = r.Sources[0]
	}
	return r.Facts.suits(source, r.Sample)
}

// Blind returns the patterns that have nothing to search for: every byte of
// every log is looked at for them.
func (c *Compiled) Blind() []string {
	var all []string
	for _, p := range c.patterns() {
		if p.needs.Stride() == 0 {
			all = append(all, p.text)
		}
	}
	return all
}
