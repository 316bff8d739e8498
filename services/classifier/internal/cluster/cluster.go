// Package cluster puts failures that no rule knows together by the line that
// speaks for them, and makes a rule of those that belong together. It is pure:
// the same failures in the same order give the same clusters.
package cluster

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"
)

// State is what became of a cluster.
type State int

// The states, as in proto/redrive/v1/cluster.proto.
const (
	StateNone State = iota
	Open
	Accepted  // a rule was made of it
	Resolved  // a rule that is enforced matches its failures now
	Dismissed // somebody said that it needs none
)

// Bounds of a cluster.
const (
	MaxExamples = 5
	// MaxJobs is how many jobs are told apart.
	MaxJobs = 128
	// MaxReason bounds the reason of a dismissal, in bytes.
	MaxReason = 500
)

// Failure is what a cluster takes from one failure.
type Failure struct {
	ID, Job string // Job is "jobs/{job}"
	// Line is what speaks for it, with … behind it where the line is longer.
	// Bare means that it has no log, and Line says how it ended.
	Line   string
	Bare   bool
	Time   time.Time
	Ran    time.Duration
	Memory int64 // bytes that it was given or, without a limit, used
}

// Example is one failure of a cluster.
type Example struct {
	Failure, Job, Line string
	Time               time.Time
}

// Cluster is one kind of unknown failure.
type Cluster struct {
	ID    string
	Words []string // the template
	State State
	Count int64
	Jobs  []uint64 // digests, in order
	// Seconds and GBSeconds are what the attempts cost, and Cost is what the
	// cluster is ranked by: GiB-seconds, with at least one GiB and one second
	// for each.
	Seconds, GBSeconds, Cost float64
	First, Last              time.Time
	Examples                 []Example
	// Rule is the one that resolves it, or else the one that was made of it,
	// which is AcceptedRule as well. Both are ids.
	Rule, AcceptedRule string
	DismissReason      string
	// Checked names the rules that the examples were last tried on; empty is
	// none.
	Checked string
	// Path and Sequence place it in the tree.
	Path     string
	Sequence int64
	Revision int64 // of its document; 0 is not stored
}

const gib = 1 << 30

// add counts a failure.
func (c *Cluster) add(f Failure) {
	gb := float64(f.Memory) / gib
	c.Count++
	c.Seconds += f.Ran.Seconds()
	c.GBSeconds += f.Ran.Seconds() * gb
	c.Cost += max(f.Ran.Seconds(), 1) * max(gb, 1)
	if c.First.IsZero() || f.Time.Before(c.First) {
		c.First = f.Time
	}
	if f.Time.After(c.Last) {
		c.Last = f.Time
	}
	digest := digestOf(f.Job)
	if at, known := slices.BinarySearch(c.Jobs, digest); !known && len(c.Jobs) < MaxJobs {
		c.Jobs = slices.Insert(c.Jobs, at, digest)
	}
	c.exemplify(Example{f.ID, f.Job, f.Line, f.Time})
	if c.State == Resolved { // the rule that resolved it did not know this one
		c.Checked = ""
		c.Examples[len(c.Examples)-1] = Example{f.ID, f.Job, f.Line, f.Time}
	}
}

// exemplify keeps the first failures of as many jobs as can be, and the newest
// in the last place.
func (c *Cluster) exemplify(e Example) {
	others := 0 // jobs of examples before the last
	again := -1 // an example whose job another one has
	for i, x := range c.Examples {
		if slices.ContainsFunc(c.Examples[:i], func(y Example) bool { return y.Job == x.Job }) {
			again = i
		} else {
			others++
		}
	}
	same := slices.ContainsFunc(c.Examples, func(x Example) bool { return x.Job == e.Job })
	switch {
	case len(c.Examples) < MaxExamples:
		c.Examples = append(c.Examples, e)
	case again >= 0 && (!same || again == MaxExamples-1):
		c.Examples[again] = e
	case others == MaxExamples && (!same || c.Examples[MaxExamples-1].Job == e.Job):
		c.Examples[MaxExamples-1] = e
	}
}

func digestOf(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // a hash takes all
	return h.Sum64()
}

// Settle notes what came of trying the examples on the rules that are enforced
// now: by is the one that decides all of them, or empty. exists says which rules
// are still there. It reports whether the cluster's state changed.
func (c *Cluster) Settle(rules, by string, exists func(id string) bool) (changed bool) {
	before, named := c.State, c.Rule
	c.Checked = rules
	if c.AcceptedRule != "" && !exists(c.AcceptedRule) {
		c.AcceptedRule = ""
	}
	switch {
	case c.State == Dismissed:
	case by != "":
		c.State, c.Rule = Resolved, by
	case c.AcceptedRule != "":
		c.State, c.Rule = Accepted, c.AcceptedRule
	default:
		c.State, c.Rule = Open, ""
	}
	return c.State != before || c.Rule != named
}

// Accept notes the rule that was made of the cluster.
func (c *Cluster) Accept(id string) {
	c.State, c.Rule, c.AcceptedRule, c.DismissReason, c.Checked = Accepted, id, id, "", ""
}

// Dismiss takes the cluster off the list; its failures are counted on.
func (c *Cluster) Dismiss(reason string) {
	c.State, c.DismissReason, c.Rule = Dismissed, reason, c.AcceptedRule
}

// Undismiss puts it on the list again, unless a rule is found to resolve it.
func (c *Cluster) Undismiss() {
	if c.State != Dismissed {
		return
	}
	c.State, c.DismissReason, c.Checked = Open, "", ""
	if c.Rule = c.AcceptedRule; c.Rule != "" {
		c.State = Accepted
	}
}

// worth orders clusters by how little is lost with them: those that a rule
// resolves first, those that a human has spoken of last, else by cost and age.
func (c *Cluster) worth(other *Cluster) int {
	return cmp.Or(cmp.Compare(c.hold(), other.hold()), cmp.Compare(c.Cost, other.Cost), c.Last.Compare(other.Last), cmp.Compare(c.Sequence, other.Sequence))
}

func (c *Cluster) hold() int {
	switch c.State {
	case Resolved:
		return 0
	case Accepted, Dismissed:
		return 2
	}
	return 1
}
