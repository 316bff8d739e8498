// Package server translates the calls of the classifier's API.
package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Server implements redrivev1.ClassifierServiceServer.
type Server struct {
	redrivev1.UnimplementedClassifierServiceServer
	driver      *record.Driver
	failures    *store.Failures
	book        *book.Book
	rules       *store.Rules
	proofs      Proofs
	clusters    Clusters
	recommender redrivev1.RecommenderServiceClient
	timeout     time.Duration
}

var _ redrivev1.ClassifierServiceServer = (*Server)(nil)

// New returns a server. It asks the recommender for replays alone, for at most
// timeout.
func New(d *record.Driver, f *store.Failures, b *book.Book, rules *store.Rules, p Proofs, c Clusters, r redrivev1.RecommenderServiceClient, timeout time.Duration) *Server {
	return &Server{driver: d, failures: f, book: b, rules: rules, proofs: p, clusters: c, recommender: r, timeout: timeout}
}

// Classify implements redrivev1.ClassifierServiceServer.
func (s *Server) Classify(ctx context.Context, req *redrivev1.ClassifyRequest) (*redrivev1.Failure, error) {
	r, err := wire.Report(req)
	if err != nil {
		return nil, err
	}
	if r.Attempt.Source == failure.Own {
		return nil, errs.Field("attempt.source", "%q is Redrive's own: its scheduler tells of its attempts", failure.Own)
	}
	f, err := s.driver.Classify(ctx, r)
	if err != nil {
		return nil, err
	}
	p, err := wire.Failure(f)
	if err != nil {
		return nil, err
	}
	wire.Whole(p)
	return p, nil
}

// GetFailure implements redrivev1.ClassifierServiceServer.
func (s *Server) GetFailure(ctx context.Context, req *redrivev1.GetFailureRequest) (*redrivev1.Failure, error) {
	id, err := wire.FailureID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	return s.failures.Read(ctx, id)
}

// ListFailures implements redrivev1.ClassifierServiceServer.
func (s *Server) ListFailures(ctx context.Context, req *redrivev1.ListFailuresRequest) (*redrivev1.ListFailuresResponse, error) {
	job, err := wire.JobName("job", req.GetJob())
	if err != nil {
		return nil, err
	}
	if err := checkClass("class", req.GetClass()); err != nil {
		return nil, err
	}
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "failures", req.GetClass(), job, req.GetWorkflow())
	if err != nil {
		return nil, err
	}
	found, next, err := s.failures.List(ctx, store.Filter{Class: req.GetClass(), Job: job, Workflow: req.GetWorkflow()}, paging)
	if err != nil {
		return nil, err
	}
	return &redrivev1.ListFailuresResponse{Failures: found, NextPageToken: next}, nil
}

func checkClass(field, class string) error {
	if _, ok := failure.MeaningOf(failure.Class(class)); class != "" && !ok {
		return errs.Field(field, "%q is no class, such as memory.driver or unknown", class)
	}
	return nil
}
