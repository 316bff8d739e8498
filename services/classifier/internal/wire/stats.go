package wire

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/stats"
)

// Decided returns the id of the rule that decided a failure, or empty.
func Decided(p *redrivev1.Failure) string { return strings.TrimPrefix(p.GetRule(), rulePrefix) }

// Outcomes writes counts of outcomes for the wire.
func Outcomes(c outcome.Counts) *redrivev1.RetryOutcomes {
	return &redrivev1.RetryOutcomes{
		Succeeded: int32(c.Succeeded), SucceededChanged: int32(c.SucceededChanged), Failed: int32(c.Failed),
		Stopped: int32(c.Stopped), Unknown: int32(c.Unknown),
	}
}

// OutcomesFromProto reads counts of outcomes off the wire.
func OutcomesFromProto(p *redrivev1.RetryOutcomes) outcome.Counts {
	return outcome.Counts{
		Succeeded: int64(p.GetSucceeded()), SucceededChanged: int64(p.GetSucceededChanged()), Failed: int64(p.GetFailed()),
		Stopped: int64(p.GetStopped()), Unknown: int64(p.GetUnknown()),
	}
}

// CountersRecord writes the counters of a rule for the store.
func CountersRecord(id string, c stats.Counters) *redrivev1.RuleStatsRecord {
	return &redrivev1.RuleStatsRecord{Right: c.Right, Wrong: c.Wrong, Stats: &redrivev1.RuleStats{
		Rule: RuleName(id), Matches: c.Matches, Wins: c.Wins, ShadowWins: c.ShadowWins, ShadowDisagreements: c.ShadowDisagreements,
		FirstMatchTime: wellknown.Timestamp(c.First), LastMatchTime: wellknown.Timestamp(c.Last), Outcomes: Outcomes(c.Outcomes),
	}}
}

// Counters reads the counters of a rule from the store; nil has none.
func Counters(p *redrivev1.RuleStatsRecord) stats.Counters {
	s := p.GetStats()
	return stats.Counters{
		Matches: s.GetMatches(), Wins: s.GetWins(), ShadowWins: s.GetShadowWins(), ShadowDisagreements: s.GetShadowDisagreements(),
		First: wellknown.Time(s.GetFirstMatchTime()), Last: wellknown.Time(s.GetLastMatchTime()),
		Outcomes: OutcomesFromProto(s.GetOutcomes()), Right: p.GetRight(), Wrong: p.GetWrong(),
	}
}

// RuleStats writes the counters of a rule as the API shows them, without mode
// and stale.
func RuleStats(id string, c stats.Counters) *redrivev1.RuleStats {
	known := c.Outcomes.Succeeded + c.Outcomes.SucceededChanged + c.Outcomes.Failed + c.Outcomes.Stopped
	c.Outcomes.Unknown = max(c.Wins+c.ShadowWins-known, 0)
	p := CountersRecord(id, c).GetStats()
	if part, ok := c.Precision(); ok {
		p.Precision = &part
	}
	return p
}
