package store

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/backtest"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// remarkKind has what later rules say of failures, by the failure's id; a
// failure for which they say what was decided has none.
const remarkKind = Service + ".reclassification"

func remarkOf(doc docstore.Doc) (*redrivev1.Reclassification, error) {
	p := &redrivev1.Reclassification{}
	if err := proto.Unmarshal(doc.Value, p); err != nil {
		return nil, errs.New(errs.Internal, "decode what is noted of failure %q: %w", doc.ID, err)
	}
	return p, nil
}

// remark returns what later rules said of a failure last; nil for nothing.
func (s *Failures) remark(ctx context.Context, id string) (*redrivev1.Reclassification, error) {
	doc, err := s.store.Get(ctx, remarkKind, id)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return remarkOf(doc)
}

// remarked adds to failures what later rules say of them. While nothing is
// noted of any failure, it costs one small question.
func (s *Failures) remarked(ctx context.Context, all ...*redrivev1.Failure) error {
	n, err := s.store.Count(ctx, docstore.Query{Kind: remarkKind}, 1)
	if err != nil || n == 0 {
		return err
	}
	for _, p := range all {
		if p.Reclassification, err = s.remark(ctx, failure.AttemptFromProto(p.GetAttempt()).FailureID()); err != nil {
			return err
		}
	}
	return nil
}

// Count implements backtest.Failures.
func (s *Failures) Count(ctx context.Context, sel backtest.Selection, most int) (int, error) {
	return s.store.Count(ctx, selected(sel), most)
}

// Page implements backtest.Failures.
func (s *Failures) Page(ctx context.Context, sel backtest.Selection, cursor string, limit int) ([]backtest.Found, error) {
	q := selected(sel)
	q.After, q.Limit = cursor, limit
	page, err := s.store.List(ctx, q)
	if err != nil {
		return nil, err
	}
	all := make([]backtest.Found, len(page.Docs))
	for i, doc := range page.Docs {
		all[i] = backtest.Found{ID: doc.ID, Cursor: doc.Cursor}
	}
	return all, nil
}

func selected(sel backtest.Selection) docstore.Query {
	q := docstore.Query{Kind: failureKind, Index: byTime, Descending: true, Until: docstore.TimeKey(sel.Until)}
	if !sel.Since.IsZero() {
		q.From = docstore.TimeKey(sel.Since)
	}
	if sel.Class != "" {
		q.Index, q.From, q.Until = byClass, string(sel.Class)+sep+q.From, string(sel.Class)+sep+q.Until
	}
	return q
}

// Whole implements backtest.Failures.
func (s *Failures) Whole(ctx context.Context, id string) (record.Failure, backtest.Said, error) {
	p, err := s.Read(ctx, id)
	if err != nil {
		return record.Failure{}, backtest.Said{}, err
	}
	f, err := wire.FailureFromProto(p)
	f.Result.Rule = wire.Decided(p)
	last := backtest.Said{Rule: f.Result.Rule, Class: f.Result.Class, Verdict: f.Result.Verdict}
	if r := p.GetReclassification(); r != nil {
		last = wire.Said(r.GetRule(), r.GetClass(), r.GetVerdict())
	}
	return f, last, err
}
