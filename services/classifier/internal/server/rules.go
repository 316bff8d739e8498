package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// maxRequestID bounds a request_id, in bytes.
const maxRequestID = 128

// CreateRule implements redrivev1.ClassifierServiceServer.
func (s *Server) CreateRule(ctx context.Context, req *redrivev1.CreateRuleRequest) (*redrivev1.Rule, error) {
	if req.GetRule() == nil {
		return nil, errs.Field("rule", "is required")
	}
	if err := rule.CheckID("rule_id", req.GetRuleId()); err != nil {
		return nil, err
	}
	if len(req.GetRequestId()) > maxRequestID {
		return nil, errs.Field("request_id", "has %d bytes, at most %d are allowed", len(req.GetRequestId()), maxRequestID)
	}
	p := proto.CloneOf(req.GetRule())
	p.Name = wire.RuleName(req.GetRuleId())
	wants, id, why := wire.RuleFromProto(p), book.Request{ID: req.GetRequestId(), Digest: digest(wanted(p))}, change(req)
	r, err := s.book.Create(ctx, wants, id, why, true, time.Now())
	if err == nil && !req.GetValidateOnly() {
		if why, err = s.allowed(ctx, nil, wants, req.GetForce(), why); err == nil {
			r, err = s.book.Create(ctx, wants, id, why, false, time.Now())
		}
	}
	if err != nil {
		return nil, err
	}
	return withEtag(r), nil
}

// GetRule implements redrivev1.ClassifierServiceServer.
func (s *Server) GetRule(ctx context.Context, req *redrivev1.GetRuleRequest) (*redrivev1.Rule, error) {
	e, err := s.rule(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	return withEtag(e.Rule), nil
}

func (s *Server) rule(ctx context.Context, field, name string) (book.Entry, error) {
	id, err := wire.RuleID(field, name)
	if err != nil {
		return book.Entry{}, err
	}
	return s.book.Get(ctx, id)
}

// ListRules implements redrivev1.ClassifierServiceServer.
func (s *Server) ListRules(_ context.Context, req *redrivev1.ListRulesRequest) (*redrivev1.ListRulesResponse, error) {
	if err := checkClass("class", req.GetClass()); err != nil {
		return nil, err
	}
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "rules", req.GetClass())
	if err != nil {
		return nil, err
	}
	q := paging.Query(docstore.Query{})
	last, err := cursor(q.After)
	if err != nil {
		return nil, err
	}
	found, more := s.book.Page(func(r *rule.Rule) bool {
		return (last == nil || last.Before(r)) && (req.GetClass() == "" || string(r.Class) == req.GetClass())
	}, q.Limit)
	resp := &redrivev1.ListRulesResponse{}
	for _, r := range found {
		resp.Rules = append(resp.Rules, withEtag(r))
	}
	if more {
		resp.NextPageToken = paging.Token(cursorAt(found[len(found)-1]))
	}
	return resp, nil
}

// cursorAt writes the place of the last rule of a page.
func cursorAt(end rule.Rule) string { return strconv.Itoa(end.Order) + " " + end.ID }

// cursor reads the place of the last rule of a page.
func cursor(after string) (*rule.Rule, error) {
	if after == "" {
		return nil, nil
	}
	order, id, ok := strings.Cut(after, " ")
	n, err := strconv.Atoi(order)
	if !ok || err != nil {
		return nil, errs.Field("page_token", "is none of this list's")
	}
	return &rule.Rule{ID: id, Order: n}, nil
}

// UpdateRule implements redrivev1.ClassifierServiceServer.
func (s *Server) UpdateRule(ctx context.Context, req *redrivev1.UpdateRuleRequest) (*redrivev1.Rule, error) {
	if req.GetRule() == nil {
		return nil, errs.Field("rule", "is required")
	}
	before, err := s.rule(ctx, "rule.name", req.GetRule().GetName())
	if err != nil {
		return nil, err
	}
	if err := checkEtag(before, req.GetRule().GetEtag()); err != nil {
		return nil, err
	}
	p := wire.Rule(before.Rule)
	if err := merge(p, req.GetRule(), req.GetUpdateMask().GetPaths()); err != nil {
		return nil, err
	}
	wants, why := wire.RuleFromProto(p), change(req)
	r, err := s.book.Update(ctx, before, wants, why, true, time.Now())
	if err == nil && !req.GetValidateOnly() {
		if why, err = s.allowed(ctx, &before.Rule, wants, req.GetForce(), why); err == nil {
			r, err = s.book.Update(ctx, before, wants, why, false, time.Now())
		}
	}
	if err != nil {
		return nil, err
	}
	return withEtag(r), nil
}

// DeleteRule implements redrivev1.ClassifierServiceServer.
func (s *Server) DeleteRule(ctx context.Context, req *redrivev1.DeleteRuleRequest) (*redrivev1.DeleteRuleResponse, error) {
	e, err := s.rule(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	if err := checkEtag(e, req.GetEtag()); err != nil {
		return nil, err
	}
	if err := s.book.Delete(ctx, e, change(req), time.Now()); err != nil {
		return nil, err
	}
	return &redrivev1.DeleteRuleResponse{}, nil
}

// explained is a request that says who makes a change, and why.
type explained interface {
	GetAuthor() string
	GetReason() string
}

func change(req explained) book.Change {
	return book.Change{Author: req.GetAuthor(), Reason: req.GetReason()}
}

// withEtag writes a rule for the wire. The etag is made of all that a caller
// may set and of the revision: a built-in rule changes with the version of
// Redrive alone.
func withEtag(r rule.Rule) *redrivev1.Rule {
	p := wire.Rule(r)
	q := wanted(p)
	q.Revision = p.GetRevision()
	p.Etag = digest(q)
	return p
}

func checkEtag(e book.Entry, etag string) error {
	if now := withEtag(e.Rule).GetEtag(); etag != "" && etag != now {
		return errs.New(errs.Conflict, "rules/%s has changed: its etag is %s, not %q; read it again", e.Rule.ID, now, etag)
	}
	return nil
}

// wanted is p without what only Redrive sets.
func wanted(p *redrivev1.Rule) *redrivev1.Rule {
	q := proto.CloneOf(p)
	for _, name := range outputOnly {
		clearField(q, name)
	}
	return q
}

func digest(p *redrivev1.Rule) string {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		raw = fmt.Append(nil, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
