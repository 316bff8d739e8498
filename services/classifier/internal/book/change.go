package book

import "github.com/redrive-io/redrive/pkg/errs"

// Action is what was done to a rule.
type Action int

// The actions, as in proto/redrive/v1/rule_revision.proto.
const (
	ActionNone Action = iota
	ActionCreate
	ActionUpdate
	ActionDelete // the rule, or the override of a built-in one
	ActionRollback
	ActionApply
	ActionAccept // a suggestion was accepted
)

// Change is what the audit trail says of a change besides the rule itself.
type Change struct {
	Author, Reason string
	// Action is what was done; without one it is what the method does.
	Action Action
	// Forced says that the rule was enforced without a backtest, and Backtest
	// names the one that let it be: "backtests/{backtest}".
	Forced   bool
	Backtest string
}

// Limits of a change, in bytes.
const (
	MaxAuthor = 128
	MaxReason = 1000
)

// Check says what is wrong with the words of a change.
func (c Change) Check() error {
	var author, reason error
	if len(c.Author) > MaxAuthor {
		author = errs.Field("author", "has %d bytes, at most %d are allowed", len(c.Author), MaxAuthor)
	}
	if len(c.Reason) > MaxReason {
		reason = errs.Field("reason", "has %d bytes, at most %d are allowed", len(c.Reason), MaxReason)
	}
	return errs.Fields(author, reason)
}

// as returns c with the action a, unless it has one.
func (c Change) as(a Action) Change {
	if c.Action == ActionNone {
		c.Action = a
	}
	return c
}
