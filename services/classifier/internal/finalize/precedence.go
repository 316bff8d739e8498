package finalize

import (
	"slices"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// yield says what speaks instead of a match of a class, although it comes later
// in order.
type yield struct {
	to []string // classes, or groups of them
	// before wants the other match on an earlier line of the same log: what came
	// afterwards may follow from this one.
	before bool
}

// yields is the precedence of classes beyond the order of rules; docs/rules.md
// explains it. It has no circles, and a test that says so. A rule adds to it, or
// takes itself out of it, with yields_to.
var yields = map[failure.Class]yield{
	// Shuffle output is gone because whoever held it is, or cannot be reached.
	failure.ShuffleFetch: {to: []string{"memory.*", "disk.full", "preemption", "network.transient"}},
	// A connection ends when the process at its other end is killed.
	failure.NetworkTransient: {to: []string{"memory.*", "disk.full", "preemption"}},
	// A service of the job's own, such as its driver, does not answer once it is killed.
	failure.DependencyUnavailable: {to: []string{"memory.*", "disk.full", "preemption"}},
	// Who waits for a process that was killed, or collects garbage for minutes, times out.
	failure.Timeout: {to: []string{"memory.*", "disk.full", "preemption"}},
	// Nothing fits because the machines that would be added cannot be had.
	failure.SchedulingUnschedulable: {to: []string{"capacity.unavailable", "quota.exceeded"}},
	// Who is not known any more is not allowed anything.
	failure.Permission: {to: []string{"credentials"}},
	// What is left of a failed job is cancelled; failures that heal by themselves may have been over by then.
	failure.Cancelled: {before: true, to: []string{
		"memory.*", "disk.full", "preemption", "capacity.unavailable", "quota.exceeded", "timeout", "permission", "credentials",
		"not_found.*", "data.invalid", "schema.mismatch", "code.bug", "dependency.missing", "config.invalid", "image.pull",
	}},
}

// decide returns the match that speaks, or nil. Of the enforced matches, those
// that came right afterwards are left out. It begins with the first in order
// and goes on to what that one yields to until one yields to none that was not
// passed yet: it ends, whatever rules say of each other.
func decide(matches []rule.Match) *rule.Match {
	var live []*rule.Match
	for i := range matches {
		if m := &matches[i]; m.Mode == rule.Enforce && m.Aftermath != rule.Recovered {
			live = append(live, m)
		}
	}
	if len(live) == 0 {
		return nil
	}
	speaks := live[0]
	passed := map[*rule.Match]bool{}
	for {
		passed[speaks] = true
		at := slices.IndexFunc(live, func(m *rule.Match) bool { return !passed[m] && gives(speaks, m) })
		if at < 0 {
			return speaks
		}
		speaks = live[at]
	}
}

// gives reports whether m yields to other. What was tried again yields to what
// matched later and was not, and nothing else yields to it. Then a rule's own
// word counts, and then the table.
func gives(m, other *rule.Match) bool {
	switch {
	case other.Aftermath == rule.Retried && m.Aftermath != rule.Retried:
		return false
	case m.Yields(*other):
		return true
	case other.Yields(*m):
		return false
	case byClass(m, other):
		return true
	}
	return m.Aftermath == rule.Retried && other.Aftermath != rule.Retried && follows(other, m) && !byClass(other, m)
}

func byClass(m, other *rule.Match) bool {
	y, ok := yields[m.Class]
	return ok && !m.YieldsToNothing() && (!y.before || follows(m, other)) &&
		slices.ContainsFunc(y.to, func(target string) bool { return rule.Covers(target, other.Class) })
}

// follows reports whether m is known to come after other: on a later line of
// the same log.
func follows(m, other *rule.Match) bool {
	return other.Line > 0 && m.Line > other.Line && m.Source == other.Source
}
