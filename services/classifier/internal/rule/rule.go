// Package rule says which rules a failed attempt matches. A Set is immutable:
// Match is safe from many goroutines, takes time linear in the text, and shows
// nobody how it searches.
package rule

import (
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Mode is what a match of a rule does.
type Mode int

// The modes, as in proto/redrive/v1/classifier.proto.
const (
	ModeNone Mode = iota
	Off           // not tried
	Shadow        // tried and recorded, never decisive
	Enforce       // decisive
)

// String returns the mode as users write it.
func (m Mode) String() string { return [...]string{"", "off", "shadow", "enforce"}[m] }

// Operation is one RFC 6902 operation of a rule's remedy. Value is JSON, empty
// for "remove".
type Operation struct {
	Op, Path string
	Value    []byte
}

// Facts are predicates on what is known besides text. All that are set must
// hold; a list holds when one of its members is what was seen.
type Facts struct {
	ExitCodes []int
	Signals   []int
	Reasons   []failure.Reason
	Engines   []string
	// PeakPercent is the part of the memory limit, in percent, that the peak of
	// memory must have reached; 0 asks for nothing.
	PeakPercent int
}

// Empty reports whether no fact is asked for.
func (f Facts) Empty() bool {
	return len(f.ExitCodes)+len(f.Signals)+len(f.Reasons)+len(f.Engines)+f.PeakPercent == 0
}

// Rule is an ordered statement: where these patterns and facts hold, the
// failure is of this class.
type Rule struct {
	ID    string // 1 to 63 of [a-z0-9-], starting with a letter
	Order int    // smaller is tried first, then the smaller ID; 0 to MaxOrder
	// Sources are the logs that the patterns see; empty is all of them.
	Sources []string
	// Any, All and None are RE2 patterns that see one line at a time: one of
	// Any, every one of All, and none of None must match somewhere.
	Any, All, None []string
	Facts          Facts
	Class          failure.Class
	// YieldsTo is what speaks instead of the rule where it matched too, besides
	// what the class yields to: classes, groups of them such as "memory.*", and
	// "rules/ID". Nothing alone means that it yields to nothing at all.
	YieldsTo []string
	Verdict  failure.Verdict // VerdictNone is the default of Class
	// Summary is a sentence; "{name}" is replaced by the capture of that name.
	Summary string
	Runbook string
	// RetryAfter is the least delay before the retry; 0 is none. A capture
	// named "retry_after" (seconds) wins.
	RetryAfter time.Duration
	// Remedy is a configuration change that needs no recommendation.
	Remedy []Operation
	Owner  string
	Mode   Mode
	// Sample is a text that the rule must match, NearMisses are texts that it
	// must not match, all with the rule's facts given.
	Sample     string
	NearMisses []string

	// Pack is the pack that the rule came with, built in or applied; empty for
	// none.
	Pack string
	// Author made the last change.
	Author                 string
	Revision               int64
	BuiltIn, Overridden    bool
	CreateTime, UpdateTime time.Time
}

// Limits of a rule.
const (
	MaxOrder        = 1_000_000
	MaxPatterns     = 64     // of Any, All and None together
	MaxPatternChars = 1000   // of one pattern
	MaxProgram      = 3000   // instructions that a pattern may compile to
	MaxSentence     = 500    // bytes of a summary
	MaxRunbook      = 2000   // bytes of a runbook
	MaxSample       = 32_768 // bytes of a sample or of a near miss
	MaxListed       = 32     // members of any other list
	MaxPeakPercent  = 100
	MaxRetryAfter   = 24 * time.Hour
)

// Before reports whether r is tried before other.
func (r *Rule) Before(other *Rule) bool {
	if r.Order != other.Order {
		return r.Order < other.Order
	}
	return r.ID < other.ID
}

// EffectiveVerdict returns the rule's verdict, or its class's default.
func (r *Rule) EffectiveVerdict() failure.Verdict {
	if r.Verdict != failure.VerdictNone {
		return r.Verdict
	}
	m, _ := failure.MeaningOf(r.Class)
	return m.Verdict
}
