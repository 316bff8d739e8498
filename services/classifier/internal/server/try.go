package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// triedID is the id of a rule that has no name yet.
const triedID = "tried"

// TestRule implements redrivev1.ClassifierServiceServer. The text is looked at
// as a failure's log would be, with secrets masked; no rule is kept from it by
// its sources. Those of a stored failure count.
func (s *Server) TestRule(ctx context.Context, req *redrivev1.TestRuleRequest) (*redrivev1.TestRuleResponse, error) {
	r, err := s.tried(ctx, req)
	if err != nil {
		return nil, err
	}
	// The sample is another text: whether the rule matches it is for whoever
	// stores the rule.
	r.Sample, r.NearMisses = "", nil
	c, err := rule.Compile("rule", r)
	if err != nil {
		return nil, err
	}
	in, err := s.input(ctx, req)
	if err != nil {
		return nil, err
	}
	m, missing := c.Explain(in)
	if len(missing) > 0 {
		return &redrivev1.TestRuleResponse{Missing: missing}, nil
	}
	return &redrivev1.TestRuleResponse{Matched: true, Match: wire.Match(m)}, nil
}

// input is what the rule is tried on: a stored failure as it was matched, or
// what the request has.
func (s *Server) input(ctx context.Context, req *redrivev1.TestRuleRequest) (rule.Input, error) {
	if req.GetFailure() == "" {
		e := failure.FromProto(req.GetEvidence())
		if req.GetText() != "" {
			e.Logs = []failure.Log{{Head: req.GetText()}}
		}
		// No file is read for a trial.
		e, _ = collect.Inline(e)
		return rule.NewInput(e, req.GetEngine()), nil
	}
	if req.GetText() != "" || req.GetEvidence() != nil || req.GetEngine() != "" {
		return rule.Input{}, errs.Field("failure", "a stored failure has its own text, evidence and engine: leave them out")
	}
	id, err := wire.FailureID("failure", req.GetFailure())
	if err != nil {
		return rule.Input{}, err
	}
	f, _, err := s.failures.Whole(ctx, id)
	return rule.NewInput(f.Evidence, f.Type.Engine), err
}

func (s *Server) tried(ctx context.Context, req *redrivev1.TestRuleRequest) (rule.Rule, error) {
	switch {
	case (req.GetName() == "") == (req.GetRule() == nil):
		return rule.Rule{}, errs.Field("name", "give either name or rule")
	case req.GetName() != "":
		e, err := s.rule(ctx, "name", req.GetName())
		return e.Rule, err
	}
	p := proto.CloneOf(req.GetRule())
	if p.GetName() == "" {
		p.Name = wire.RuleName(triedID)
	}
	return wire.RuleFromProto(p), nil
}
