package store

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

const revisionKind = Service + ".rule_revision"

// mostRevisions are kept of one rule, the newest: each takes the place of the
// one that many before it, in the same commit.
const mostRevisions = 100

func newRevisions(s docstore.Store) docstore.Collection[*redrivev1.RuleRevision] {
	return docstore.NewCollection(s, revisionKind, docstore.Codec[*redrivev1.RuleRevision]{
		Encode: func(p *redrivev1.RuleRevision) ([]byte, error) { return proto.Marshal(p) },
		Decode: func(doc docstore.Doc) (*redrivev1.RuleRevision, error) {
			p := &redrivev1.RuleRevision{}
			return p, proto.Unmarshal(doc.Value, p)
		},
		Index: func(p *redrivev1.RuleRevision) []docstore.Entry {
			return []docstore.Entry{{Name: byTime, Value: docstore.TimeKey(p.GetCreateTime().AsTime())}}
		},
	})
}

// revisionID orders the revisions of a rule by number. No id of a rule has the
// slash.
func revisionID(rule string, number int64) string { return fmt.Sprintf("%s/%012d", rule, number) }

// ofRule selects the revisions of a rule, the newest first.
func ofRule(id string) docstore.Query {
	return docstore.Query{From: id + "/", Until: id + "0", Descending: true} // 0 follows the slash
}

// noted are the writes that keep a revision, and no more of its rule than
// mostRevisions.
func (s *Rules) noted(r book.Revision) ([]docstore.Write, error) {
	write, err := s.revisions.Write(revisionID(r.Rule.ID, r.Number), docstore.Absent, wire.Revision(r))
	if err != nil {
		return nil, err
	}
	writes := []docstore.Write{write}
	if old := r.Number - mostRevisions; old > 0 {
		writes = append(writes, s.revisions.Delete(revisionID(r.Rule.ID, old), docstore.AnyRevision))
	}
	return writes, nil
}

// Revision implements book.Store.
func (s *Rules) Revision(ctx context.Context, id string, number int64) (book.Revision, error) {
	p, err := s.ReadRevision(ctx, id, number)
	return wire.RevisionFromProto(p), err
}

// ReadRevision returns a revision of a rule, the newest for 0, or errs.NotFound.
func (s *Rules) ReadRevision(ctx context.Context, id string, number int64) (*redrivev1.RuleRevision, error) {
	if number > 0 {
		p, err := s.revisions.Get(ctx, revisionID(id, number))
		if errs.Is(err, errs.NotFound) {
			err = errs.New(errs.NotFound, "%s does not exist, or is not kept any more", wire.RevisionName(id, number))
		}
		return p, err
	}
	q := ofRule(id)
	q.Limit = 1
	found, _, err := s.revisions.List(ctx, q)
	if err == nil && len(found) == 0 {
		err = errs.New(errs.NotFound, "no revision of %s is kept", wire.RuleName(id))
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// ListRevisions returns revisions of a rule, or of all with an empty id, newest
// first, and the token of the next page.
func (s *Rules) ListRevisions(ctx context.Context, id string, p docstore.Paging) ([]*redrivev1.RuleRevision, string, error) {
	q := docstore.Query{Index: byTime, Descending: true}
	if id != "" {
		q = ofRule(id)
	}
	found, next, err := s.revisions.List(ctx, p.Query(q))
	return found, p.Token(next), err
}

// PurgeRevisions deletes the revisions that were made before a time, and the
// oldest beyond the newest most, in small steps. It returns how many.
func (s *Rules) PurgeRevisions(ctx context.Context, before time.Time, most int) (purged int, err error) {
	for {
		n, err := s.purgeRevisions(ctx, docstore.TimeKey(before), purgeBatch)
		purged += n
		if err != nil {
			return purged, err
		}
		if n == 0 {
			break
		}
	}
	for {
		n, err := s.store.Count(ctx, docstore.Query{Kind: revisionKind, Index: byTime}, most+purgeBatch)
		if err != nil || n <= most {
			return purged, err
		}
		deleted, err := s.purgeRevisions(ctx, "", n-most)
		purged += deleted
		if err != nil || deleted == 0 {
			return purged, err
		}
	}
}

// purgeRevisions deletes at most limit revisions that were made before until,
// the oldest.
func (s *Rules) purgeRevisions(ctx context.Context, until string, limit int) (int, error) {
	page, err := s.store.List(ctx, docstore.Query{Kind: revisionKind, Index: byTime, Until: until, Limit: limit})
	if err != nil || len(page.Docs) == 0 {
		return 0, err
	}
	writes := make([]docstore.Write, len(page.Docs))
	for i, doc := range page.Docs {
		writes[i] = s.revisions.Delete(doc.ID, docstore.AnyRevision)
	}
	return len(writes), s.store.Commit(ctx, writes...)
}
