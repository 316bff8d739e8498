package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/proposal"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Clusters is what the calls about clusters need.
type Clusters struct {
	Kept     *store.Clusters
	Proposer *proposal.Proposer
}

// ListClusters implements redrivev1.ClassifierServiceServer.
func (s *Server) ListClusters(ctx context.Context, req *redrivev1.ListClustersRequest) (*redrivev1.ListClustersResponse, error) {
	all := map[bool]string{true: "all", false: "open"}[req.GetAll()]
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "clusters", all)
	if err != nil {
		return nil, err
	}
	found, next, err := s.clusters.Kept.List(ctx, req.GetAll(), paging)
	if err != nil {
		return nil, err
	}
	at, err := s.clusters.Kept.Cursor(ctx)
	if err != nil {
		return nil, err
	}
	resp := &redrivev1.ListClustersResponse{NextPageToken: next, CountedTime: wellknown.Timestamp(at.Time), Forgotten: at.Forgotten}
	for _, c := range found {
		resp.Clusters = append(resp.Clusters, wire.Cluster(c))
	}
	return resp, nil
}

// GetCluster implements redrivev1.ClassifierServiceServer.
func (s *Server) GetCluster(ctx context.Context, req *redrivev1.GetClusterRequest) (*redrivev1.Cluster, error) {
	c, err := s.cluster(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return wire.Cluster(c), nil
}

func (s *Server) cluster(ctx context.Context, name string) (*cluster.Cluster, error) {
	id, err := wire.ClusterID("name", name)
	if err != nil {
		return nil, err
	}
	return s.clusters.Kept.Get(ctx, id)
}

// SuggestRule implements redrivev1.ClassifierServiceServer.
func (s *Server) SuggestRule(ctx context.Context, req *redrivev1.SuggestRuleRequest) (*redrivev1.RuleSuggestion, error) {
	c, err := s.cluster(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	made, err := s.clusters.Proposer.Suggest(ctx, c)
	if err != nil {
		return nil, err
	}
	return wire.Suggestion(made), nil
}

// AcceptSuggestion implements redrivev1.ClassifierServiceServer.
func (s *Server) AcceptSuggestion(ctx context.Context, req *redrivev1.AcceptSuggestionRequest) (*redrivev1.Rule, error) {
	id, err := wire.ClusterID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	if err := checkAcceptance(req); err != nil {
		return nil, err
	}
	r, err := s.clusters.Proposer.Accept(ctx, s.clusters.Kept, s.book, id, proposal.Acceptance{
		RuleID: req.GetRuleId(), Class: failure.Class(req.GetClass()), Verdict: failure.Verdict(req.GetVerdict()),
		Summary: req.GetSummary(), Runbook: req.GetRunbook(), Force: req.GetForce(), Author: req.GetAuthor(), Reason: req.GetReason(),
		Expected: func(c *cluster.Cluster) error {
			if now := wire.ClusterEtag(c); req.GetEtag() != "" && req.GetEtag() != now {
				return errs.New(errs.Conflict, "clusters/%s has changed: its etag is %s, not %q; read it again", id, now, req.GetEtag())
			}
			return nil
		},
	}, time.Now())
	if err != nil {
		return nil, err
	}
	return withEtag(r), nil
}

func checkAcceptance(req *redrivev1.AcceptSuggestionRequest) error {
	var id, verdict error
	if req.GetRuleId() != "" {
		id = rule.CheckID("rule_id", req.GetRuleId())
	}
	if _, known := redrivev1.Verdict_name[int32(req.GetVerdict())]; !known {
		verdict = errs.Field("verdict", "%d is no verdict", int32(req.GetVerdict()))
	}
	return errs.Fields(id, checkClass("class", req.GetClass()), verdict)
}

// DismissCluster implements redrivev1.ClassifierServiceServer.
func (s *Server) DismissCluster(ctx context.Context, req *redrivev1.DismissClusterRequest) (*redrivev1.Cluster, error) {
	id, err := wire.ClusterID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	if n := len(req.GetReason()); n > cluster.MaxReason {
		return nil, errs.Field("reason", "has %d bytes, at most %d are allowed", n, cluster.MaxReason)
	}
	var after *cluster.Cluster
	err = proposal.Change(ctx, s.clusters.Kept, id, func(c *cluster.Cluster) error {
		if after = c; req.GetUndismiss() {
			c.Undismiss()
		} else {
			c.Dismiss(req.GetReason())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return wire.Cluster(after), nil
}
