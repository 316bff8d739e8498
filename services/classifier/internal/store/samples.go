package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/proposal"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

const successKind = Service + ".success_log"

// Bounds of the logs of attempts that succeeded: each has a place that its name
// decides, so that there are never more, and a new one takes the place of an
// old one.
const (
	maxSuccesses  = 500
	maxSuccessLog = 16 << 10 // bytes
)

// KeepSuccess keeps the end of the log of an attempt that succeeded. Told again
// it changes nothing.
func (s *Clusters) KeepSuccess(ctx context.Context, a failure.Attempt, text string, now time.Time) error {
	if len(text) > maxSuccessLog {
		text = text[len(text)-maxSuccessLog:]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.FailureID())) // a hash takes all
	value, err := proto.Marshal(&redrivev1.SuccessLog{
		Job: a.JobName(), Attempt: int32(a.Number), Text: redact.Text(text), Time: wellknown.Timestamp(now),
	})
	if err != nil {
		return errs.New(errs.Internal, "encode the log of %s: %w", a.JobName(), err)
	}
	return s.store.Commit(ctx, docstore.Write{Kind: successKind, ID: fmt.Sprintf("%03d", h.Sum32()%maxSuccesses), Revision: docstore.AnyRevision, Value: value})
}

// Successes implements proposal.Failures.
func (s *Clusters) Successes(ctx context.Context) ([]proposal.Success, error) {
	var all []proposal.Success
	for q := (docstore.Query{Kind: successKind}); ; {
		page, err := s.store.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, doc := range page.Docs {
			var p redrivev1.SuccessLog
			if err := proto.Unmarshal(doc.Value, &p); err != nil {
				return nil, errs.New(errs.Internal, "decode the successful log %q: %w", doc.ID, err)
			}
			all = append(all, proposal.Success{Job: p.GetJob(), Text: p.GetText(), Time: wellknown.Time(p.GetTime())})
		}
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}

// maxNewest is how many failures Newest looks at, and newestPage how many at
// once.
const (
	maxNewest  = 2000
	newestPage = 200
)

// Newest implements proposal.Failures.
func (s *Clusters) Newest(ctx context.Context, class failure.Class, keep func(record.Failure) bool, limit int) ([]record.Failure, error) {
	q := docstore.Query{Kind: failureKind, Index: byTime, Descending: true, Limit: newestPage}
	if class != "" {
		q.Index, q.From, q.Until = byClass, string(class)+sep, string(class)+"\x01"
	}
	var all []record.Failure
	for looked := 0; looked < maxNewest; looked += newestPage {
		found, next, err := s.failures.failures.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			f, err := wire.FailureFromProto(p)
			if err != nil {
				return nil, err
			}
			if !keep(f) {
				continue
			}
			if all = append(all, f); len(all) == limit {
				return all, nil
			}
		}
		if q.After = next; next == "" {
			break
		}
	}
	return all, nil
}
