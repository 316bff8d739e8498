package store

import (
	"context"
	"math"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Filter selects failures; what is empty selects all.
type Filter struct {
	Class, Job, Workflow string // Job is "jobs/{job}"
}

// List returns failures, newest first, without the text of their logs, and the
// cursor of the next page. A page may be short and still have a next one.
func (s *Failures) List(ctx context.Context, f Filter, p docstore.Paging) ([]*redrivev1.Failure, string, error) {
	q := docstore.Query{Index: byTime, Descending: true}
	// The index that selects fewest leads; the rest is looked at one by one.
	switch {
	case f.Job != "":
		q.Index, q.From, q.Until = byJob, f.Job+sep, f.Job+"\x01"
	case f.Workflow != "":
		q.Index, q.From, q.Until = byWorkflow, f.Workflow+sep, f.Workflow+"\x01"
	case f.Class != "":
		q.Index, q.From, q.Until = byClass, f.Class+sep, f.Class+"\x01"
	}
	found, next, err := s.failures.Find(ctx, p.Query(q), func(p *redrivev1.Failure) bool {
		return (f.Class == "" || p.GetClass() == f.Class) && (f.Workflow == "" || p.GetType().GetWorkflow() == f.Workflow) &&
			(f.Job == "" || jobName(p) == f.Job)
	})
	if err != nil {
		return nil, "", err
	}
	all := make([]*redrivev1.Failure, 0, len(found))
	for _, f := range found {
		switch f, err = s.current(ctx, f); {
		case err == nil:
			all = append(all, f)
		case !errs.Is(err, errs.NotFound): // purged just now
			return nil, "", err
		}
	}
	return all, p.Token(next), s.remarked(ctx, all...)
}

// current makes of a failure as it was classified what it is now. One that was
// final at once does not change.
func (s *Failures) current(ctx context.Context, p *redrivev1.Failure) (*redrivev1.Failure, error) {
	if p.GetState() == redrivev1.Failure_STATE_FINAL {
		wire.Whole(p)
		return p, nil
	}
	now, err := s.progress.Get(ctx, failure.AttemptFromProto(p.GetAttempt()).FailureID())
	if err != nil {
		return nil, err
	}
	return now.of(p), nil
}

func jobName(p *redrivev1.Failure) string {
	return failure.AttemptFromProto(p.GetAttempt()).JobName()
}

// Open is a failure that is not final.
type Open struct {
	ID         string
	CreateTime time.Time
}

// Open returns failures that stand as they do, short of final, since before a
// time; the oldest first, at most limit.
func (s *Failures) Open(ctx context.Context, before time.Time, limit int) ([]Open, error) {
	found, _, err := s.progress.List(ctx, docstore.Query{Index: byOpen, Until: docstore.TimeKey(before), Limit: limit})
	var all []Open
	for _, p := range found {
		all = append(all, Open{p.id, p.GetCreateTime().AsTime()})
	}
	return all, err
}

// mostCounted bounds what a count of failures costs.
const mostCounted = 100_000

// CountOpen returns how many failures are not final; at most 100,000 are
// counted.
func (s *Failures) CountOpen(ctx context.Context) (int, error) {
	return s.store.Count(ctx, docstore.Query{Kind: progressKind, Index: byOpen}, mostCounted)
}

// purgeBatch failures are deleted at a time, five documents each, and
// purgeMost are counted beyond the number that is kept.
const (
	purgeBatch = 200
	purgeMost  = 10_000
)

// Purge deletes the failures that were made before a time, and the oldest
// beyond the newest most, in small steps. It returns how many. It reads no more
// than it deletes.
func (s *Failures) Purge(ctx context.Context, before time.Time, most int) (purged int, err error) {
	purged, err = s.purge(ctx, docstore.TimeKey(before), math.MaxInt)
	for err == nil {
		var n, deleted int
		if n, err = s.store.Count(ctx, docstore.Query{Kind: progressKind, Index: byTime}, most+purgeMost); err != nil || n <= most {
			break
		}
		deleted, err = s.purge(ctx, "", n-most)
		purged += deleted
		if deleted == 0 {
			break
		}
	}
	return purged, err
}

// purge deletes at most limit failures that were made before until, the oldest.
func (s *Failures) purge(ctx context.Context, until string, limit int) (purged int, err error) {
	for purged < limit {
		page, err := s.store.List(ctx, docstore.Query{
			Kind: progressKind, Index: byTime, Until: until, Limit: min(limit-purged, purgeBatch),
		})
		if err != nil || len(page.Docs) == 0 {
			return purged, err
		}
		if err := s.delete(ctx, page.Docs); err != nil {
			return purged, err
		}
		purged += len(page.Docs)
	}
	return purged, nil
}

func (s *Failures) delete(ctx context.Context, docs []docstore.Doc) error {
	var writes []docstore.Write
	for _, doc := range docs {
		for _, kind := range []string{progressKind, logsKind, failureKind, outcomeKind, remarkKind} {
			writes = append(writes, docstore.Write{Kind: kind, ID: doc.ID, Revision: docstore.AnyRevision})
		}
	}
	return s.store.Commit(ctx, writes...)
}
