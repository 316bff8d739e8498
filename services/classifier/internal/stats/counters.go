// Package stats counts what became of rules: how often they matched and
// decided, what they would have decided in shadow, and how right they were. It
// counts from what is stored, in the background, and each failure and each
// outcome once.
package stats

import (
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Counters are what is counted of one rule, over all its revisions.
type Counters struct {
	Matches, Wins                   int64
	ShadowWins, ShadowDisagreements int64
	First, Last                     time.Time // of the failures that it matched
	Outcomes                        outcome.Counts
	// Right and Wrong count the failures that it decided, or would have, with a
	// known outcome, by what its verdict was then.
	Right, Wrong int64
}

// Precision is the part of the failures with a known outcome for which the
// verdict was right; ok is false while there are none.
func (c Counters) Precision() (part float64, ok bool) {
	known := c.Right + c.Wrong
	if known == 0 {
		return 0, false
	}
	return float64(c.Right) / float64(known), true
}

// Stale reports whether a rule has not matched since a time, and was there and
// counted all the while.
func (c Counters) Stale(since, created, counted time.Time) bool {
	return !counted.IsZero() && !counted.After(since) && !created.After(since) && c.Last.Before(since)
}

// Classified is a failure as it was classified.
type Classified struct {
	ID      string
	Attempt failure.Attempt
	Time    time.Time
	Rule    string // that decided, or empty
	Verdict failure.Verdict
	Matches []rule.Match
	Seconds float64        // that the attempt ran
	Config  map[string]any // that it ran with
	Cursor  string         // of the list that it was found in
}

// claim is a rule that decided a failure, or would have if it were enforced.
type claim struct {
	rule    string
	verdict failure.Verdict
	shadow  bool
}

// claims says which rules decided f, or would have: of those in shadow each
// alone is put to work. Which match speaks depends on the matches alone.
func (f *Classified) claims() []claim {
	var all []claim
	for i, m := range f.Matches {
		switch {
		case m.Rule == f.Rule:
			all = append(all, claim{m.Rule, m.Verdict, false})
		case m.Mode == rule.Shadow:
			enforced := slices.Clone(f.Matches)
			enforced[i].Mode = rule.Enforce
			if finalize.Finalize(enforced, rule.Input{}).Rule == m.Rule {
				all = append(all, claim{m.Rule, m.Verdict, true})
			}
		}
	}
	return all
}

// ledger has the counters of the rules that a step touches.
type ledger map[string]*Counters

func (l ledger) of(rule string) *Counters {
	if l[rule] == nil {
		l[rule] = &Counters{}
	}
	return l[rule]
}

// classified counts that rules matched f.
func (l ledger) classified(f *Classified) {
	for _, m := range f.Matches {
		c := l.of(m.Rule)
		c.Matches++
		if c.First.IsZero() || f.Time.Before(c.First) {
			c.First = f.Time
		}
		if f.Time.After(c.Last) {
			c.Last = f.Time
		}
	}
	for _, claim := range f.claims() {
		c := l.of(claim.rule)
		if !claim.shadow {
			c.Wins++
			continue
		}
		c.ShadowWins++
		if claim.verdict != f.Verdict {
			c.ShadowDisagreements++
		}
	}
}

// ended counts what came after f, n times; what was counted of it before is
// taken back with -1.
func (l ledger) ended(f *Classified, r outcome.Result, n int64) {
	if r.Outcome == outcome.Unknown {
		return
	}
	for _, claim := range f.claims() {
		c := l.of(claim.rule)
		c.Outcomes.Add(r, n)
		switch outcome.Judge(claim.verdict, r) {
		case outcome.Right:
			c.Right += n
		case outcome.Wrong:
			c.Wrong += n
		case outcome.Open:
		}
	}
}

// add adds what a step counted.
func (c *Counters) add(d *Counters) {
	c.Matches += d.Matches
	c.Wins += d.Wins
	c.ShadowWins += d.ShadowWins
	c.ShadowDisagreements += d.ShadowDisagreements
	c.Right += d.Right
	c.Wrong += d.Wrong
	c.Outcomes.Succeeded += d.Outcomes.Succeeded
	c.Outcomes.SucceededChanged += d.Outcomes.SucceededChanged
	c.Outcomes.Failed += d.Outcomes.Failed
	c.Outcomes.Stopped += d.Outcomes.Stopped
	if !d.First.IsZero() && (c.First.IsZero() || d.First.Before(c.First)) {
		c.First = d.First
	}
	if d.Last.After(c.Last) {
		c.Last = d.Last
	}
}
