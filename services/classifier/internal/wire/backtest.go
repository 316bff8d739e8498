package wire

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/backtest"
)

// BacktestID reads the resource name of a backtest; field names it in the error.
func BacktestID(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, backtest.Name(""))
	if !ok || id == "" || len(id) > 64 || strings.Contains(id, "/") {
		return "", errs.Field(field, "%q is not backtests/{backtest}", name)
	}
	return id, nil
}

// Backtest writes a backtest for the wire, and for the store but its cursor.
func Backtest(b backtest.Backtest) *redrivev1.Backtest {
	p := &redrivev1.Backtest{
		Name: backtest.Name(b.ID), State: redrivev1.Backtest_State(b.State), Digest: b.Digest,
		CreateTime: wellknown.Timestamp(b.Create), EndTime: wellknown.Timestamp(b.End), Since: wellknown.Timestamp(b.Since), Error: b.Error,
		Examined: int32(b.Examined), Total: int32(b.Total), Matched: int32(b.Matched), Won: int32(b.Won),
		Outcomes: Outcomes(b.Outcomes), OtherOutcomes: Outcomes(b.Others), SavedSeconds: b.SavedSeconds,
		LostSuccesses: int32(b.LostSuccesses), Unreadable: int32(b.Unreadable), OtherChanges: int32(b.OtherChanges),
		Class: string(b.Class), ValidateOnly: b.DryRun,
	}
	if b.Rule != nil {
		p.Rule = Rule(*b.Rule)
	}
	for _, c := range b.Changes {
		q := &redrivev1.BacktestChange{
			FromRule: RuleName(c.From.Rule), FromClass: string(c.From.Class), FromVerdict: redrivev1.Verdict(c.From.Verdict),
			ToRule: RuleName(c.To.Rule), ToClass: string(c.To.Class), ToVerdict: redrivev1.Verdict(c.To.Verdict), Count: int32(c.Count),
		}
		for _, id := range c.Failures {
			q.Failures = append(q.Failures, FailureName(id))
		}
		p.Changes = append(p.Changes, q)
	}
	return p
}

// BacktestFromProto reads a backtest from the store, without its cursor.
func BacktestFromProto(p *redrivev1.Backtest) backtest.Backtest {
	b := backtest.Backtest{
		ID: strings.TrimPrefix(p.GetName(), backtest.Name("")), State: backtest.State(p.GetState()), Digest: p.GetDigest(),
		Class: failure.Class(p.GetClass()), DryRun: p.GetValidateOnly(), Error: p.GetError(),
		Create: wellknown.Time(p.GetCreateTime()), End: wellknown.Time(p.GetEndTime()), Since: wellknown.Time(p.GetSince()),
		Tally: backtest.Tally{
			Examined: int(p.GetExamined()), Total: int(p.GetTotal()), Matched: int(p.GetMatched()), Won: int(p.GetWon()),
			Outcomes: OutcomesFromProto(p.GetOutcomes()), Others: OutcomesFromProto(p.GetOtherOutcomes()), SavedSeconds: p.GetSavedSeconds(),
			LostSuccesses: int(p.GetLostSuccesses()), Unreadable: int(p.GetUnreadable()), OtherChanges: int(p.GetOtherChanges()),
		},
	}
	if p.GetRule() != nil {
		r := RuleFromProto(p.GetRule())
		b.Rule = &r
	}
	for _, c := range p.GetChanges() {
		change := backtest.Change{
			From: Said(c.GetFromRule(), c.GetFromClass(), c.GetFromVerdict()), To: Said(c.GetToRule(), c.GetToClass(), c.GetToVerdict()),
			Count: int(c.GetCount()),
		}
		for _, name := range c.GetFailures() {
			change.Failures = append(change.Failures, strings.TrimPrefix(name, failurePrefix))
		}
		b.Changes = append(b.Changes, change)
	}
	return b
}

// Said reads what rules say of a failure.
func Said(rule, class string, verdict redrivev1.Verdict) backtest.Said {
	return backtest.Said{Rule: strings.TrimPrefix(rule, rulePrefix), Class: failure.Class(class), Verdict: failure.Verdict(verdict)}
}
