package server

import (
	"context"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// ApplyRules implements redrivev1.ClassifierServiceServer.
func (s *Server) ApplyRules(ctx context.Context, req *redrivev1.ApplyRulesRequest) (*redrivev1.ApplyRulesResponse, error) {
	packs, err := rule.ParsePacks("yaml", []byte(req.GetYaml()))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	plan, err := s.book.Plan(ctx, "yaml", packs, req.GetPrune(), change(req), now)
	if err != nil {
		return nil, err
	}
	refusals, err := s.allow(ctx, plan.Steps, req.GetForce())
	if err != nil {
		return nil, err
	}
	if !req.GetValidateOnly() {
		if len(refusals) > 0 {
			return nil, errs.New(errs.FailedPrecondition, "nothing was applied:\n  %s", strings.Join(refusals, "\n  "))
		}
		if err := s.book.Apply(ctx, plan, now); err != nil {
			return nil, err
		}
	}
	resp := &redrivev1.ApplyRulesResponse{Unchanged: int32(plan.Unchanged), Refusals: refusals}
	for _, step := range plan.Steps {
		resp.Revisions = append(resp.Revisions, wire.Revision(step.Revision))
	}
	return resp, nil
}

// allow notes in each step what lets its rule be enforced, and returns why others
// may not be.
func (s *Server) allow(ctx context.Context, steps []book.Step, force bool) (refusals []string, err error) {
	for i := range steps {
		step := &steps[i]
		if step.Takes() {
			continue
		}
		step.Revision.Change, err = s.allowed(ctx, step.Before, step.Entry.Rule, force, step.Revision.Change)
		if errs.Is(err, errs.FailedPrecondition) {
			refusals = append(refusals, err.Error())
		} else if err != nil {
			return nil, err
		}
	}
	return refusals, nil
}

// ExportRules implements redrivev1.ClassifierServiceServer.
func (s *Server) ExportRules(ctx context.Context, req *redrivev1.ExportRulesRequest) (*redrivev1.ExportRulesResponse, error) {
	all, err := s.book.All(ctx)
	if err != nil {
		return nil, err
	}
	var wanted []rule.Rule
	for _, r := range all {
		if (req.GetPack() == "" || r.Pack == req.GetPack()) && (req.GetBuiltIn() || !r.BuiltIn || r.Overridden) {
			wanted = append(wanted, r)
		}
	}
	text, err := rule.WritePacks(wanted)
	if err != nil {
		return nil, err
	}
	return &redrivev1.ExportRulesResponse{Yaml: string(text), Count: int32(len(wanted))}, nil
}
