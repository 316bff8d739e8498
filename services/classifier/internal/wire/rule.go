// Package wire translates between the classifier's own types and those of its
// API, and calls the services that it asks.
package wire

import (
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

const (
	rulePrefix    = "rules/"
	failurePrefix = "failures/"
)

// RuleName returns the resource name of a rule; empty for none.
func RuleName(id string) string {
	if id == "" {
		return ""
	}
	return rulePrefix + id
}

// RuleID reads the resource name of a rule; field names it in the error.
func RuleID(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, rulePrefix)
	if !ok || rule.CheckID(field, id) != nil {
		return "", errs.Field(field, "%q is not rules/{rule}", name)
	}
	return id, nil
}

// FailureName returns the resource name of a failure.
func FailureName(id string) string { return failurePrefix + id }

// FailureID reads the resource name of a failure; field names it in the error.
func FailureID(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, failurePrefix)
	if !ok || id == "" || len(id) > 128 || strings.Contains(id, "/") {
		return "", errs.Field(field, "%q is not failures/{failure}", name)
	}
	return id, nil
}

// Rule writes a rule for the wire, without its etag.
func Rule(r rule.Rule) *redrivev1.Rule {
	p := &redrivev1.Rule{
		Name: RuleName(r.ID), Order: int32(r.Order), Sources: r.Sources, Any: r.Any, All: r.All, None: r.None,
		Class: string(r.Class), Verdict: redrivev1.Verdict(r.Verdict), Summary: r.Summary, Runbook: r.Runbook,
		RetryAfter: wellknown.Duration(r.RetryAfter), Remedy: Operations(r.Remedy), Owner: r.Owner, Mode: redrivev1.Rule_Mode(r.Mode),
		Revision: r.Revision, BuiltIn: r.BuiltIn, Overridden: r.Overridden,
		CreateTime: wellknown.Timestamp(r.CreateTime), UpdateTime: wellknown.Timestamp(r.UpdateTime),
		Sample: r.Sample, NearMisses: r.NearMisses, Pack: r.Pack, YieldsTo: r.YieldsTo, Author: r.Author,
	}
	if !r.Facts.Empty() {
		p.Facts = &redrivev1.RuleFacts{Engines: r.Facts.Engines, PeakPercent: int32(r.Facts.PeakPercent)}
		for _, c := range r.Facts.ExitCodes {
			p.Facts.ExitCodes = append(p.Facts.ExitCodes, int32(c))
		}
		for _, s := range r.Facts.Signals {
			p.Facts.Signals = append(p.Facts.Signals, int32(s))
		}
		for _, reason := range r.Facts.Reasons {
			p.Facts.TerminationReasons = append(p.Facts.TerminationReasons, redrivev1.TerminationReason(reason))
		}
	}
	return p
}

// RuleFromProto reads a rule off the wire, its id from the name. A rule without
// a mode is enforced.
func RuleFromProto(p *redrivev1.Rule) rule.Rule {
	r := rule.Rule{
		ID: strings.TrimPrefix(p.GetName(), rulePrefix), Order: int(p.GetOrder()), Sources: p.GetSources(),
		Any: p.GetAny(), All: p.GetAll(), None: p.GetNone(), Class: failure.Class(p.GetClass()), Verdict: failure.Verdict(p.GetVerdict()),
		Facts:   rule.Facts{Engines: p.GetFacts().GetEngines(), PeakPercent: int(p.GetFacts().GetPeakPercent())},
		Summary: p.GetSummary(), Runbook: p.GetRunbook(), RetryAfter: p.GetRetryAfter().AsDuration(), Remedy: OperationsFromProto(p.GetRemedy()),
		Owner: p.GetOwner(), Mode: rule.Mode(p.GetMode()), Revision: p.GetRevision(), BuiltIn: p.GetBuiltIn(), Overridden: p.GetOverridden(),
		CreateTime: wellknown.Time(p.GetCreateTime()), UpdateTime: wellknown.Time(p.GetUpdateTime()),
		Sample: p.GetSample(), NearMisses: p.GetNearMisses(), Pack: p.GetPack(), YieldsTo: p.GetYieldsTo(), Author: p.GetAuthor(),
	}
	if r.Mode == rule.ModeNone {
		r.Mode = rule.Enforce
	}
	for _, c := range p.GetFacts().GetExitCodes() {
		r.Facts.ExitCodes = append(r.Facts.ExitCodes, int(c))
	}
	for _, s := range p.GetFacts().GetSignals() {
		r.Facts.Signals = append(r.Facts.Signals, int(s))
	}
	for _, reason := range p.GetFacts().GetTerminationReasons() {
		r.Facts.Reasons = append(r.Facts.Reasons, failure.Reason(reason))
	}
	return r
}

// Operations writes patch operations for the wire.
func Operations(ops []rule.Operation) []*redrivev1.PatchOperation {
	all := make([]*redrivev1.PatchOperation, 0, len(ops))
	for _, op := range ops {
		p := &redrivev1.PatchOperation{Op: op.Op, Path: op.Path}
		if len(op.Value) > 0 {
			p.Value = &structpb.Value{}
			if err := protojson.Unmarshal(op.Value, p.Value); err != nil {
				p.Value = structpb.NewNullValue() // not JSON: whoever checks the patch refuses it
			}
		}
		all = append(all, p)
	}
	return all
}

// OperationsFromProto reads patch operations off the wire.
func OperationsFromProto(ps []*redrivev1.PatchOperation) []rule.Operation {
	var all []rule.Operation
	for _, p := range ps {
		op := rule.Operation{Op: p.GetOp(), Path: p.GetPath()}
		if p.GetValue() != nil {
			if value, err := p.GetValue().MarshalJSON(); err == nil {
				op.Value = value
			}
		}
		all = append(all, op)
	}
	return all
}

// Match writes a match for the wire.
func Match(m rule.Match) *redrivev1.RuleMatch {
	return &redrivev1.RuleMatch{
		Rule: RuleName(m.Rule), RuleRevision: m.Revision, Order: int32(m.Order), Class: string(m.Class), Verdict: redrivev1.Verdict(m.Verdict),
		Mode: redrivev1.Rule_Mode(m.Mode), Source: m.Source, Line: int32(m.Line), Offset: int32(m.Offset), Tail: m.Tail, Text: m.Text, Captures: m.Captures,
		Summary: m.Summary, Runbook: m.Runbook, RetryAfter: wellknown.Duration(m.RetryAfter), Remedy: Operations(m.Remedy),
		YieldsTo: m.YieldsTo, Aftermath: redrivev1.RuleMatch_Aftermath(m.Aftermath), AftermathLine: int32(m.AfterLine),
	}
}

// MatchFromProto reads a match off the wire.
func MatchFromProto(p *redrivev1.RuleMatch) rule.Match {
	return rule.Match{
		Rule: strings.TrimPrefix(p.GetRule(), rulePrefix), Revision: p.GetRuleRevision(), Order: int(p.GetOrder()), Class: failure.Class(p.GetClass()),
		Verdict: failure.Verdict(p.GetVerdict()), Mode: rule.Mode(p.GetMode()), Source: p.GetSource(), Line: int(p.GetLine()), Offset: int(p.GetOffset()), Tail: p.GetTail(),
		Text: p.GetText(), Captures: p.GetCaptures(), Summary: p.GetSummary(), Runbook: p.GetRunbook(),
		RetryAfter: p.GetRetryAfter().AsDuration(), Remedy: OperationsFromProto(p.GetRemedy()),
		YieldsTo: p.GetYieldsTo(), Aftermath: rule.Aftermath(p.GetAftermath()), AfterLine: int(p.GetAftermathLine()),
	}
}
