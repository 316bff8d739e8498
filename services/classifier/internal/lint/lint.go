// Package lint looks for what is likely wrong with rules, without any failure:
// what it says of two rules is proven or shown by a sample, and what it says of
// one holds on lines of logs that everybody has.
package lint

import (
	"cmp"
	"slices"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Severity says how sure a finding is.
type Severity int

// The severities, as in proto/redrive/v1/rule_proof.proto.
const (
	SeverityNone Severity = iota
	Note                  // worth knowing
	Warning               // probably a mistake
	Error                 // the rule cannot do what it is for
)

// Finding is something that is likely wrong with a rule.
type Finding struct {
	Rule     string
	Severity Severity
	Check    string // one of the checks below
	Message  string
	Other    string // the other rule, where there is one
	Field    string // the pattern, where there is one, such as "any[0]"
}

// The checks.
const (
	unreachable     = "unreachable"
	overlap         = "overlap"
	matchesEmpty    = "matches-empty"
	matchesOrdinary = "matches-ordinary"
	noLiteral       = "no-literal"
	shortLiteral    = "short-literal"
	costly          = "costly"
	wildcard        = "unanchored-wildcard"
	noSample        = "no-sample"
	noNearMiss      = "no-near-miss"
	noOwner         = "no-owner"
)

// Rules looks at the rules of s that are wanted, among all of s; nil wants all.
// The worst findings come first. A rule that is off is looked at by itself.
func Rules(s *rule.Set, wanted func(id string) bool) []Finding {
	if wanted == nil {
		wanted = func(string) bool { return true }
	}
	found := ordinary(s, wanted)
	for _, c := range s.Rules() {
		if wanted(c.Rule.ID) {
			found = append(found, alone(c)...)
		}
	}
	found = append(found, pairs(s, wanted)...)
	place := map[string]int{}
	for i, c := range s.Rules() {
		place[c.Rule.ID] = i
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(place[a.Rule], place[b.Rule]))
	})
	return found
}
