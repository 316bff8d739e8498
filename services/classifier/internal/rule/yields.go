package rule

import (
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// Nothing is the only member of Rule.YieldsTo of a rule that yields to nothing,
// whatever its class yields to.
const Nothing = "none"

const (
	ruleTarget  = "rules/"
	groupTarget = ".*"
)

// checkYield judges one member of YieldsTo by itself.
func (r *Rule) checkYield(field, target string) error {
	id, isRule := strings.CutPrefix(target, ruleTarget)
	switch {
	case target == Nothing && len(r.YieldsTo) > 1:
		return errs.Field(field, "%q means that the rule yields to nothing: it stands alone", Nothing)
	case target == Nothing:
		return nil
	case isRule && id == r.ID:
		return errs.Field(field, "a rule cannot yield to itself")
	case isRule:
		return CheckID(field, id)
	case Covers(target, r.Class):
		return errs.Field(field, "%q has the rule itself in it: name rules of the same class as rules/ID", target)
	case !slices.ContainsFunc(failure.Classes(), func(c failure.Class) bool { return c != failure.Unknown && Covers(target, c) }):
		return errs.Field(field, "%q is no class, no group such as memory.*, no rules/ID, and not %q", cut(target, 80), Nothing)
	}
	return nil
}

// Covers reports whether class is what target names: a class, or a group of
// them such as "memory.*".
func Covers(target string, class failure.Class) bool {
	group, isGroup := strings.CutSuffix(target, groupTarget)
	return target == string(class) || isGroup && strings.HasPrefix(string(class), group+".")
}

// Yields reports whether m's rule names other as what speaks instead of it.
func (m Match) Yields(other Match) bool {
	return slices.ContainsFunc(m.YieldsTo, func(target string) bool {
		return Covers(target, other.Class) || strings.TrimPrefix(target, ruleTarget) == other.Rule && strings.HasPrefix(target, ruleTarget)
	})
}

// YieldsToNothing reports whether m's rule says so.
func (m Match) YieldsToNothing() bool { return slices.Contains(m.YieldsTo, Nothing) }

// CheckYields judges what r yields to among the rules of s, of which r is one or
// takes the place of one: a rule that is not known, and a circle of rules that
// yield to each other, are errs.Invalid.
func (s *Set) CheckYields(field string, r *Rule) error {
	field += ".yields_to"
	for _, target := range r.YieldsTo {
		if id, ok := strings.CutPrefix(target, ruleTarget); ok && s.byID[id] == nil {
			return errs.Field(field, "%s does not exist", target)
		}
	}
	// Only rules that yield to something themselves can be on a circle.
	var next []*Rule
	for _, c := range s.rules {
		if len(c.Rule.YieldsTo) > 0 && c.Rule.ID != r.ID {
			next = append(next, &c.Rule)
		}
	}
	seen := map[string]bool{}
	var circle func(from *Rule) *Rule
	circle = func(from *Rule) *Rule {
		if from != r && from.names(r) {
			return from
		}
		for _, other := range next {
			if !seen[other.ID] && from.names(other) {
				seen[other.ID] = true
				if last := circle(other); last != nil {
					return last
				}
			}
		}
		return nil
	}
	if last := circle(r); last != nil {
		return errs.Field(field, "rules/%s yields to this rule, by itself or through others: one of them must speak", last.ID)
	}
	return nil
}

// names reports whether r yields to other by its own word.
func (r *Rule) names(other *Rule) bool {
	return Match{YieldsTo: r.YieldsTo}.Yields(Match{Rule: other.ID, Class: other.Class})
}
