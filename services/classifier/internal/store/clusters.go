package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/gather"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

const (
	clusterKind = Service + ".cluster"
	cursorKind  = Service + ".cluster_cursor"
	cursorID    = "unknown"
)

// The indexes of clusters, by cost: of all, and of those on the list.
const (
	byCost     = "cost"
	byOpenCost = "open_cost"
)

// Clusters keeps the clusters of failures that no rule knew.
type Clusters struct {
	store    docstore.Store
	failures *Failures
	clusters docstore.Collection[*cluster.Cluster]
	cursors  docstore.Collection[gather.Cursor]
}

// NewClusters returns the clusters in s, of the failures f.
func NewClusters(s docstore.Store, f *Failures) *Clusters {
	return &Clusters{
		store: s, failures: f,
		clusters: docstore.NewCollection(s, clusterKind, docstore.Codec[*cluster.Cluster]{
			Encode: func(c *cluster.Cluster) ([]byte, error) { return proto.Marshal(wire.ClusterRecord(c)) },
			Decode: func(doc docstore.Doc) (*cluster.Cluster, error) {
				var r redrivev1.ClusterRecord
				if err := proto.Unmarshal(doc.Value, &r); err != nil {
					return nil, err
				}
				return wire.ClusterFromRecord(&r, doc.Revision), nil
			},
			Index: clusterIndex,
		}),
		cursors: docstore.NewCollection(s, cursorKind, docstore.Codec[gather.Cursor]{
			Encode: func(c gather.Cursor) ([]byte, error) {
				return proto.Marshal(&redrivev1.ClusterCursor{
					After: []byte(c.After), CountedTime: wellknown.Timestamp(c.Time), Sequence: c.Sequence, Counted: c.Counted, Forgotten: c.Forgotten,
				})
			},
			Decode: func(doc docstore.Doc) (gather.Cursor, error) {
				var p redrivev1.ClusterCursor
				err := proto.Unmarshal(doc.Value, &p)
				return gather.Cursor{
					After: string(p.GetAfter()), Time: wellknown.Time(p.GetCountedTime()), Sequence: p.GetSequence(), Counted: p.GetCounted(),
					Forgotten: p.GetForgotten(), Revision: doc.Revision,
				}, err
			},
		}),
	}
}

func clusterIndex(c *cluster.Cluster) []docstore.Entry {
	const most = 1e15
	cost := fmt.Sprintf("%020.3f", min(c.Cost, most))
	all := []docstore.Entry{{Name: byCost, Value: cost}}
	if c.State == cluster.Open {
		all = append(all, docstore.Entry{Name: byOpenCost, Value: cost})
	}
	return all
}

// Get returns one cluster, or errs.NotFound.
func (s *Clusters) Get(ctx context.Context, id string) (*cluster.Cluster, error) {
	c, err := s.clusters.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "%s does not exist: it never did, or made room for another one", wire.ClusterName(id))
	}
	return c, err
}

// List returns clusters, the most expensive first, and the cursor of the next
// page; without all only those that are open.
func (s *Clusters) List(ctx context.Context, all bool, p docstore.Paging) ([]*cluster.Cluster, string, error) {
	q := docstore.Query{Index: byOpenCost, Descending: true}
	if all {
		q.Index = byCost
	}
	found, next, err := s.clusters.List(ctx, p.Query(q))
	return found, p.Token(next), err
}

// Put stores a cluster over its revision; errs.Conflict when another one is
// there, or any cluster changes at the same time.
func (s *Clusters) Put(ctx context.Context, c *cluster.Cluster) error {
	at, err := s.Cursor(ctx)
	if err != nil {
		return err
	}
	return s.Commit(ctx, at, []*cluster.Cluster{c}, nil)
}

// Cursor implements gather.Store; it is zero before the first.
func (s *Clusters) Cursor(ctx context.Context) (gather.Cursor, error) {
	c, err := s.cursors.Get(ctx, cursorID)
	if errs.Is(err, errs.NotFound) {
		return gather.Cursor{}, nil
	}
	return c, err
}

// Load implements gather.Store.
func (s *Clusters) Load(ctx context.Context) (all []*cluster.Cluster, err error) {
	for q := (docstore.Query{}); ; {
		found, next, err := s.clusters.List(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if next == "" {
			return all, nil
		}
		q.After = next
	}
}

// Unknown implements gather.Store.
func (s *Clusters) Unknown(ctx context.Context, after string, until time.Time, limit int) (found []cluster.Failure, looked int, place string, err error) {
	class := string(failure.Unknown) + sep
	page, err := s.store.List(ctx, docstore.Query{
		Kind: failureKind, Index: byClass, From: class, Until: class + docstore.TimeKey(until), After: after, Limit: limit,
	})
	for _, doc := range page.Docs {
		var p redrivev1.Failure
		if err := proto.Unmarshal(doc.Value, &p); err != nil {
			return nil, 0, after, errs.New(errs.Internal, "decode failure %q: %w", doc.ID, err)
		}
		if f, ok := wire.UnknownFailure(&p); ok {
			found = append(found, f)
		}
		after = doc.Cursor
	}
	return found, len(page.Docs), after, err
}

// Commit implements gather.Store.
func (s *Clusters) Commit(ctx context.Context, at gather.Cursor, changed, gone []*cluster.Cluster) error {
	write, err := s.cursors.Write(cursorID, at.Revision, at)
	writes, all := []docstore.Write{write}, []error{err}
	for _, c := range changed {
		write, err := s.clusters.Write(c.ID, c.Revision, c)
		writes, all = append(writes, write), append(all, err)
	}
	for _, c := range gone {
		writes = append(writes, s.clusters.Delete(c.ID, c.Revision))
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	return s.store.Commit(ctx, writes...)
}

// Input implements gather.Store.
func (s *Clusters) Input(ctx context.Context, id string) (rule.Input, error) {
	p, err := s.failures.Read(ctx, id)
	if err != nil {
		return rule.Input{}, err
	}
	return rule.NewInput(failure.FromProto(p.GetEvidence()), p.GetType().GetEngine()), nil
}
