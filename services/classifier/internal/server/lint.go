package server

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/lint"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// LintRules implements redrivev1.ClassifierServiceServer.
func (s *Server) LintRules(ctx context.Context, req *redrivev1.LintRulesRequest) (*redrivev1.LintRulesResponse, error) {
	set, wanted, err := s.looked(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &redrivev1.LintRulesResponse{Rules: int32(len(wanted))}
	keep := func(id string) bool { return wanted[id] }
	if wanted == nil {
		resp.Rules, keep = int32(len(set.Rules())), nil
	}
	for _, f := range lint.Rules(set, keep) {
		resp.Findings = append(resp.Findings, &redrivev1.LintFinding{
			Rule: wire.RuleName(f.Rule), Severity: redrivev1.LintFinding_Severity(f.Severity), Check: f.Check, Message: f.Message,
			Other: wire.RuleName(f.Other), Field: f.Field,
		})
	}
	return resp, nil
}

// looked returns the rules at work with those of the request in their places,
// and which are looked at; nil is all.
func (s *Server) looked(ctx context.Context, req *redrivev1.LintRulesRequest) (*rule.Set, map[string]bool, error) {
	var given []*rule.Compiled
	switch named, one, many := req.GetName() != "", req.GetRule() != nil, req.GetYaml() != ""; {
	case named && one, named && many, one && many:
		return nil, nil, errs.Field("name", "give one of name, rule and yaml, or none for all rules")
	case named:
		e, err := s.rule(ctx, "name", req.GetName())
		return s.book.Set(), map[string]bool{e.Rule.ID: true}, err
	case one:
		r, err := s.tried(ctx, &redrivev1.TestRuleRequest{Rule: req.GetRule()})
		if err != nil {
			return nil, nil, err
		}
		c, err := rule.Compile("rule", r)
		if err != nil {
			return nil, nil, err
		}
		given = append(given, c)
	case many:
		packs, err := rule.ParsePacks("yaml", []byte(req.GetYaml()))
		if err != nil {
			return nil, nil, err
		}
		for _, p := range packs {
			given = append(given, p.Rules...)
		}
	default:
		return s.book.Set(), nil, nil
	}
	wanted := map[string]bool{}
	for _, c := range given {
		wanted[c.Rule.ID] = true
	}
	all := given
	for _, c := range s.book.Set().Rules() {
		if !wanted[c.Rule.ID] {
			all = append(all, c)
		}
	}
	set, err := rule.NewSet(all...)
	return set, wanted, err
}
