package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// anyRule is the parent of the revisions of all rules.
const anyRule = "rules/-"

// ListRuleRevisions implements redrivev1.ClassifierServiceServer.
func (s *Server) ListRuleRevisions(ctx context.Context, req *redrivev1.ListRuleRevisionsRequest) (*redrivev1.ListRuleRevisionsResponse, error) {
	id := ""
	if req.GetParent() != anyRule {
		var err error
		if id, err = wire.RuleID("parent", req.GetParent()); err != nil {
			return nil, errs.Field("parent", "%q is neither rules/{rule} nor %s", req.GetParent(), anyRule)
		}
	}
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "revisions", req.GetParent())
	if err != nil {
		return nil, err
	}
	found, next, err := s.rules.ListRevisions(ctx, id, paging)
	if err != nil {
		return nil, err
	}
	return &redrivev1.ListRuleRevisionsResponse{Revisions: found, NextPageToken: next}, nil
}

// GetRuleRevision implements redrivev1.ClassifierServiceServer.
func (s *Server) GetRuleRevision(ctx context.Context, req *redrivev1.GetRuleRevisionRequest) (*redrivev1.RuleRevision, error) {
	id, number, err := wire.RevisionID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	return s.rules.ReadRevision(ctx, id, number)
}

// DiffRule implements redrivev1.ClassifierServiceServer.
func (s *Server) DiffRule(ctx context.Context, req *redrivev1.DiffRuleRequest) (*redrivev1.DiffRuleResponse, error) {
	id, err := wire.RuleID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	d, err := s.book.Diff(ctx, id, req.GetFrom(), req.GetTo())
	if err != nil {
		return nil, err
	}
	return &redrivev1.DiffRuleResponse{Before: wroteRule(d.Before), After: wroteRule(d.After), Changes: d.Changes}, nil
}

func wroteRule(r *rule.Rule) *redrivev1.Rule {
	if r == nil {
		return nil
	}
	return wire.Rule(*r)
}

// RollbackRule implements redrivev1.ClassifierServiceServer.
func (s *Server) RollbackRule(ctx context.Context, req *redrivev1.RollbackRuleRequest) (*redrivev1.Rule, error) {
	id, err := wire.RuleID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	before, err := s.book.Get(ctx, id)
	switch {
	case errs.Is(err, errs.NotFound):
		before = book.Entry{Rule: rule.Rule{ID: id}} // it may have been deleted
	case err != nil:
		return nil, err
	}
	if err := checkEtag(before, req.GetEtag()); err != nil {
		return nil, err
	}
	r, err := s.book.Rollback(ctx, before, req.GetRevision(), change(req), req.GetValidateOnly(), time.Now())
	if err != nil {
		return nil, err
	}
	return withEtag(r), nil
}
