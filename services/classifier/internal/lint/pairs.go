package lint

import (
	"fmt"
	"slices"

	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// pairs looks for rules that others leave nothing, or not even their own sample.
// A finding is about a rule that is wanted, or one that a wanted rule stands
// before.
func pairs(s *rule.Set, wanted func(id string) bool) []Finding {
	var found []Finding
	for i, later := range s.Rules() {
		if later.Rule.Mode == rule.Off {
			continue
		}
		matches := sampled(s, later)
		hidden := false
		for _, earlier := range rivals(s, i, later, matches, wanted) {
			if hidden = covers(&earlier.Rule, &later.Rule) && !speaks(&earlier.Rule, &later.Rule); hidden {
				found = append(found, unreached(s, earlier, later))
				break
			}
		}
		if !hidden && wanted(later.Rule.ID) {
			found = append(found, stolen(later, matches)...)
		}
	}
	return found
}

// sampled returns what matches a rule's sample, with the rule put to work; nil
// without one.
func sampled(s *rule.Set, c *rule.Compiled) []rule.Match {
	if c.Rule.Sample == "" {
		return nil
	}
	matches := s.Match(c.Rule.SampleInput())
	for i := range matches {
		if matches[i].Rule == c.Rule.ID {
			matches[i].Mode = rule.Enforce
		}
	}
	return matches
}

// rivals returns the enforced rules before a rule that may match wherever it
// does: where there is a sample, those that match it, as whoever does so must.
func rivals(s *rule.Set, place int, later *rule.Compiled, matches []rule.Match, wanted func(id string) bool) []*rule.Compiled {
	var all []*rule.Compiled
	for _, c := range s.Rules()[:place] {
		id := c.Rule.ID
		if c.Rule.Mode != rule.Enforce || !wanted(later.Rule.ID) && !wanted(id) ||
			later.Rule.Sample != "" && !slices.ContainsFunc(matches, func(m rule.Match) bool { return m.Rule == id }) {
			continue
		}
		all = append(all, c)
	}
	return all
}

// covers reports whether wide is proven to match every failure that narrow
// matches, as far as lines go: each line that counts for narrow is one that
// wide is found on.
func covers(wide, narrow *rule.Rule) bool {
	if !within(narrow.Sources, wide.Sources) || !factsWithin(&narrow.Facts, &wide.Facts) {
		return false
	}
	// What keeps wide from matching must keep narrow from it too.
	for _, p := range wide.None {
		if !slices.Contains(narrow.None, p) || !slices.Equal(narrow.Sources, wide.Sources) {
			return false
		}
	}
	for _, p := range wide.All {
		if !implied([]string{p}, narrow) {
			return false
		}
	}
	return len(wide.Any) == 0 || implied(wide.Any, narrow)
}

// implied reports whether one of the patterns is found on some line of every log
// that r matches.
func implied(patterns []string, r *rule.Rule) bool {
	if slices.ContainsFunc(r.All, func(p string) bool { return includes(patterns, p) == yes }) {
		return true
	}
	return len(r.Any) > 0 && !slices.ContainsFunc(r.Any, func(p string) bool { return includes(patterns, p) != yes })
}

// within reports whether all of narrow is in wide; an empty list is everything.
func within[T comparable](narrow, wide []T) bool {
	if len(wide) == 0 || len(narrow) == 0 {
		return len(wide) == 0
	}
	return !slices.ContainsFunc(narrow, func(v T) bool { return !slices.Contains(wide, v) })
}

func factsWithin(narrow, wide *rule.Facts) bool {
	return within(narrow.ExitCodes, wide.ExitCodes) && within(narrow.Signals, wide.Signals) && within(narrow.Reasons, wide.Reasons) &&
		within(narrow.Engines, wide.Engines) && narrow.PeakPercent >= wide.PeakPercent
}

// speaks reports whether a match of later may speak although one of earlier is
// there: because earlier, or its class, yields.
func speaks(earlier, later *rule.Rule) bool {
	for _, line := range []int{1, 3} {
		a, b := asMatch(earlier, 2), asMatch(later, line)
		if finalize.Finalize([]rule.Match{a, b}, rule.Input{}).Rule == later.ID {
			return true
		}
	}
	return false
}

func asMatch(r *rule.Rule, line int) rule.Match {
	return rule.Match{
		Rule: r.ID, Order: r.Order, Mode: rule.Enforce, Class: r.Class, Verdict: r.EffectiveVerdict(), YieldsTo: r.YieldsTo,
		Source: "stderr", Line: line,
	}
}

func unreached(s *rule.Set, earlier, later *rule.Compiled) Finding {
	f := Finding{Rule: later.Rule.ID, Other: earlier.Rule.ID, Severity: Error, Check: unreachable, Message: fmt.Sprintf(
		"it never decides: rules/%s matches every line that it matches, comes before it (order %d) and does not yield to it", earlier.Rule.ID, earlier.Rule.Order)}
	// Where a third rule yields to it, it may speak all the same.
	for _, c := range s.Rules() {
		if id := c.Rule.ID; c.Rule.Mode == rule.Enforce && id != earlier.Rule.ID && id != later.Rule.ID && speaks(&c.Rule, &later.Rule) {
			f.Severity, f.Message = Warning, fmt.Sprintf(
				"rules/%s matches every line that it matches, comes before it (order %d) and does not yield to it: it decides only where another rule yields to it, such as rules/%s",
				earlier.Rule.ID, earlier.Rule.Order, id)
			return f
		}
	}
	return f
}

// stolen looks whether another rule decides a rule's own sample.
func stolen(c *rule.Compiled, matches []rule.Match) []Finding {
	if len(matches) == 0 {
		return nil
	}
	won := finalize.Finalize(matches, c.Rule.SampleInput())
	if won.Rule == "" || won.Rule == c.Rule.ID {
		return nil
	}
	f := Finding{Rule: c.Rule.ID, Other: won.Rule, Severity: Note, Check: overlap, Message: fmt.Sprintf(
		"its own sample is decided by rules/%s, which says the same", won.Rule)}
	if won.Class != c.Rule.Class || won.Verdict != c.Rule.EffectiveVerdict() {
		f.Severity, f.Message = Warning, fmt.Sprintf("its own sample is decided by rules/%s, which says %s, %v", won.Rule, won.Class, won.Verdict)
	}
	return []Finding{f}
}
