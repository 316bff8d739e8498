package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// RecordStore is where the training records are.
type RecordStore interface {
	// List returns a page of the records of a job type, of all with the zero
	// type, that ended from since on, and the cursor of the next page.
	List(ctx context.Context, t failure.Type, since time.Time, p docstore.Paging) ([]record.Record, string, error)
}

// Rebuild adds the records of all events that the stream still has.
type Rebuild func(ctx context.Context) (events, added int64, err error)

// Records answers the calls about training records.
type Records struct {
	store   RecordStore
	rebuild Rebuild
}

// NewRecords returns the part of a Server that is about records.
func NewRecords(s RecordStore, r Rebuild) *Records { return &Records{s, r} }

// ListRecords implements redrivev1.RecommenderServiceServer.
func (s *Records) ListRecords(ctx context.Context, req *redrivev1.ListRecordsRequest) (*redrivev1.ListRecordsResponse, error) {
	t, since := failure.TypeFromProto(req.GetType()), wellknown.Time(req.GetSince())
	if (t != failure.Type{}) {
		if err := t.Validate("type"); err != nil {
			return nil, err
		}
		if _, err := engine.Lookup(t.Engine); err != nil {
			return nil, err
		}
	}
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "records", t.Workflow, t.Step, t.Engine, docstore.TimeKey(since))
	if err != nil {
		return nil, err
	}
	all, next, err := s.store.List(ctx, t, since, paging)
	if err != nil {
		return nil, err
	}
	answer := &redrivev1.ListRecordsResponse{NextPageToken: paging.Token(next)}
	for _, r := range all {
		answer.Records = append(answer.Records, wire.TrainingRecord(r))
	}
	return answer, nil
}

// RebuildRecords implements redrivev1.RecommenderServiceServer.
func (s *Records) RebuildRecords(ctx context.Context, _ *redrivev1.RebuildRecordsRequest) (*redrivev1.RebuildRecordsResponse, error) {
	events, added, err := s.rebuild(ctx)
	if err != nil {
		return nil, err
	}
	return &redrivev1.RebuildRecordsResponse{Events: events, Added: added}, nil
}
