package server

import (
	"cmp"
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/backtest"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Proofs are what says whether rules are right.
type Proofs struct {
	Runner    *backtest.Runner
	Backtests *store.Backtests
	Stats     *store.Stats
}

// allowed completes the change of before, nil for a new rule, to after by what
// lets it be.
func (s *Server) allowed(ctx context.Context, before *rule.Rule, after rule.Rule, force bool, c book.Change) (book.Change, error) {
	var err error
	c.Backtest, c.Forced, err = s.proofs.Runner.Allow(ctx, before, after, force)
	return c, err
}

// BacktestRule implements redrivev1.ClassifierServiceServer.
func (s *Server) BacktestRule(ctx context.Context, req *redrivev1.BacktestRuleRequest) (*redrivev1.Backtest, error) {
	r, err := s.named(ctx, req.GetName(), req.GetRule())
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, backtest.Question{Rule: &r, Window: req.GetWindow().AsDuration(), Most: int(req.GetMaxFailures())})
}

// named returns the stored rule, or the one that is given with its name.
func (s *Server) named(ctx context.Context, name string, p *redrivev1.Rule) (rule.Rule, error) {
	if (name == "") == (p == nil) {
		return rule.Rule{}, errs.Field("name", "give either name or rule")
	}
	if p == nil {
		e, err := s.rule(ctx, "name", name)
		return e.Rule, err
	}
	_, err := wire.RuleID("rule.name", p.GetName())
	return wire.RuleFromProto(p), err
}

func (s *Server) begin(ctx context.Context, q backtest.Question) (*redrivev1.Backtest, error) {
	b, err := s.proofs.Runner.Begin(ctx, q, time.Now())
	if err != nil {
		return nil, err
	}
	return wire.Backtest(b), nil
}

// ReclassifyFailures implements redrivev1.ClassifierServiceServer.
func (s *Server) ReclassifyFailures(ctx context.Context, req *redrivev1.ReclassifyFailuresRequest) (*redrivev1.Backtest, error) {
	if err := checkClass("class", req.GetClass()); err != nil {
		return nil, err
	}
	return s.begin(ctx, backtest.Question{
		Class: cmp.Or(failure.Class(req.GetClass()), failure.Unknown), DryRun: req.GetValidateOnly(),
		Window: req.GetWindow().AsDuration(), Most: int(req.GetMaxFailures()),
	})
}

// GetBacktest implements redrivev1.ClassifierServiceServer.
func (s *Server) GetBacktest(ctx context.Context, req *redrivev1.GetBacktestRequest) (*redrivev1.Backtest, error) {
	id, err := wire.BacktestID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	b, err := s.proofs.Runner.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return wire.Backtest(b), nil
}

// CancelBacktest implements redrivev1.ClassifierServiceServer.
func (s *Server) CancelBacktest(ctx context.Context, req *redrivev1.CancelBacktestRequest) (*redrivev1.Backtest, error) {
	id, err := wire.BacktestID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	b, err := s.proofs.Runner.Cancel(ctx, id, time.Now())
	if err != nil {
		return nil, err
	}
	return wire.Backtest(b), nil
}

// ListBacktests implements redrivev1.ClassifierServiceServer.
func (s *Server) ListBacktests(ctx context.Context, req *redrivev1.ListBacktestsRequest) (*redrivev1.ListBacktestsResponse, error) {
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "backtests")
	if err != nil {
		return nil, err
	}
	found, next, err := s.proofs.Backtests.List(ctx, paging)
	if err != nil {
		return nil, err
	}
	resp := &redrivev1.ListBacktestsResponse{NextPageToken: next}
	for _, b := range found {
		resp.Backtests = append(resp.Backtests, wire.Backtest(b))
	}
	return resp, nil
}

// ListRuleStats implements redrivev1.ClassifierServiceServer.
func (s *Server) ListRuleStats(ctx context.Context, req *redrivev1.ListRuleStatsRequest) (*redrivev1.ListRuleStatsResponse, error) {
	only, staleFor := "", req.GetStaleFor().AsDuration()
	if staleFor < 0 {
		return nil, errs.Field("stale_for", "%v is negative", staleFor)
	}
	if req.GetRule() != "" {
		e, err := s.rule(ctx, "rule", req.GetRule())
		if err != nil {
			return nil, err
		}
		only = e.Rule.ID
	}
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "ruleStats", only, staleFor.String())
	if err != nil {
		return nil, err
	}
	last, err := cursor(paging.After())
	if err != nil {
		return nil, err
	}
	counted, err := s.proofs.Stats.All(ctx)
	if err != nil {
		return nil, err
	}
	place, err := s.proofs.Stats.Place(ctx)
	if err != nil {
		return nil, err
	}
	since := time.Now().Add(-staleFor)
	stale := func(r *rule.Rule) bool {
		return staleFor > 0 && counted[r.ID].Stale(since, r.CreateTime, place.Since)
	}
	found, more := s.book.Page(func(r *rule.Rule) bool {
		return (last == nil || last.Before(r)) && (only == "" || r.ID == only) && (staleFor == 0 || stale(r))
	}, paging.Limit())
	resp := &redrivev1.ListRuleStatsResponse{CountedSince: wellknown.Timestamp(place.Since), CountedUntil: wellknown.Timestamp(place.Until)}
	for _, r := range found {
		p := wire.RuleStats(r.ID, counted[r.ID])
		p.Mode, p.Stale = redrivev1.Rule_Mode(r.Mode), stale(&r)
		resp.Stats = append(resp.Stats, p)
	}
	if more {
		resp.NextPageToken = paging.Token(cursorAt(found[len(found)-1]))
	}
	return resp, nil
}
