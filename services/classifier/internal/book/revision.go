package book

import (
	"time"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Revision is one change of a rule, as the audit trail keeps it.
type Revision struct {
	// Rule is the rule after the change; as it was before, when it was deleted.
	Rule rule.Rule
	// Number counts the changes of the rule, its deletion among them: a rule that
	// is made again counts on.
	Number int64
	Change
	Time time.Time
	// Changes are the fields that changed, as rule.Changes says them; none of a
	// rule that is new or gone.
	Changes []string
}

// builtIn reports whether the rule was the built-in one from then on.
func (r Revision) builtIn() bool {
	return r.Rule.BuiltIn && (!r.Rule.Overridden || r.Action == ActionDelete)
}

// Step is one change that the store makes, with the revision that tells of it.
type Step struct {
	Entry Entry
	// Gone means that the entry is deleted; else it is put.
	Gone     bool
	Revision Revision
	// Before is the rule that was there, nil when there was none.
	Before *rule.Rule
}

// Takes reports whether the step takes a rule away, or the override of one.
func (s Step) Takes() bool { return s.Gone || s.Entry.Deleted }
