package store

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Late returns the ids of failures whose logs were to be read once more before
// a time, the oldest first.
func (s *Failures) Late(ctx context.Context, before time.Time, limit int) ([]string, error) {
	found, _, err := s.progress.List(ctx, docstore.Query{Index: byLate, Until: docstore.TimeKey(before), Limit: limit})
	var all []string
	for _, p := range found {
		all = append(all, p.id)
	}
	return all, err
}

// PutLate implements record.LateStore. What the failure was decided by stays.
func (s *Failures) PutLate(ctx context.Context, r record.Record, late []failure.Log, says *record.Says) error {
	logs, err := proto.Marshal(&redrivev1.FailureLogs{Logs: r.Evidence.Proto().GetLogs(), LateLogs: failure.Evidence{Logs: late}.Proto().GetLogs()})
	if err != nil {
		return errs.New(errs.Internal, "encode the logs: %w", err)
	}
	if logs == nil {
		logs = []byte{} // nil would delete
	}
	now, err := s.progress.Get(ctx, r.ID())
	if err != nil {
		return missing(r.ID(), err)
	}
	now.Warnings, now.LateTime = r.Warnings, wellknown.Timestamp(r.LateTime)
	write, err := s.progress.Write(r.ID(), r.Revision, now)
	if err != nil {
		return err
	}
	writes := []docstore.Write{write, {Kind: logsKind, ID: r.ID(), Revision: docstore.AnyRevision, Value: logs}}
	if says != nil {
		p := &redrivev1.Reclassification{
			Class: string(says.Class), RuleRevision: says.Revision, Verdict: redrivev1.Verdict(says.Verdict), Time: wellknown.Timestamp(says.Time),
		}
		if says.Rule != "" {
			p.Rule = wire.RuleName(says.Rule)
		}
		value, err := proto.Marshal(p)
		if err != nil {
			return errs.New(errs.Internal, "encode what is noted of failure %q: %w", r.ID(), err)
		}
		writes = append(writes, docstore.Write{Kind: remarkKind, ID: r.ID(), Revision: docstore.AnyRevision, Value: value})
	}
	return s.store.Commit(ctx, writes...)
}
