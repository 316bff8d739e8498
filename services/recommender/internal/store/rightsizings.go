package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// The indexes of right-sizings.
const (
	rightsizings = Service + ".rightsizing"
	bySaving     = "saving" // all: the saving, the largest last
	byDue        = "due"    // those that are to be looked at: when
	byStep       = "step"   // those with a step: the saving
)

// Rightsizings keeps the right-sizing of job types, one document each of some
// 5 KiB at most; as many, and as long, as histories.
type Rightsizings struct {
	store     docstore.Store
	documents docstore.Collection[rightsize.Sizing]
	maxTypes  int // MaxTypes, and less in tests
}

// NewRightsizings returns the right-sizings in s.
func NewRightsizings(s docstore.Store) *Rightsizings {
	return &Rightsizings{store: s, maxTypes: MaxTypes, documents: docstore.NewCollection(s, rightsizings, docstore.Codec[rightsize.Sizing]{
		Encode: func(z rightsize.Sizing) ([]byte, error) {
			p, err := wire.StoredRightsizing(z)
			if err != nil {
				return nil, err
			}
			return proto.MarshalOptions{Deterministic: true}.Marshal(p)
		},
		Decode: func(doc docstore.Doc) (rightsize.Sizing, error) {
			var p redrivev1.StoredRightsizing
			err := proto.Unmarshal(doc.Value, &p)
			return wire.RightsizingFromProto(&p, doc.Revision), err
		},
		Index: func(z rightsize.Sizing) []docstore.Entry {
			saving := savingKey(z.Saving.DollarsPerMonth + z.AppliedDollars)
			entries := []docstore.Entry{
				{Name: bySaving, Value: saving}, {Name: byUpdated, Value: docstore.TimeKey(z.Updated.Truncate(time.Hour))},
			}
			if !z.Due.IsZero() {
				entries = append(entries, docstore.Entry{Name: byDue, Value: docstore.TimeKey(z.Due)})
			}
			if z.Waiting != nil || z.Working != nil {
				entries = append(entries, docstore.Entry{Name: byStep, Value: saving})
			}
			return entries
		},
	})}
}

// savingKey returns an amount as an index value: keys sort as their amounts do.
func savingKey(dollars float64) string {
	bits := math.Float64bits(dollars)
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return fmt.Sprintf("%016x", bits)
}

// Get returns the right-sizing of a job type; errs.NotFound when there is none.
func (s *Rightsizings) Get(ctx context.Context, t failure.Type) (rightsize.Sizing, error) {
	return s.documents.Get(ctx, t.Key())
}

// Put writes z where its revision is the stored one: errs.Conflict otherwise.
func (s *Rightsizings) Put(ctx context.Context, z rightsize.Sizing) error {
	w, err := s.documents.Write(z.Type.Key(), z.Revision, z)
	if err != nil {
		return err
	}
	return s.store.Commit(ctx, w)
}

// Due returns those that are to be looked at, the longest due first; at most
// most.
func (s *Rightsizings) Due(ctx context.Context, now time.Time, most int) ([]rightsize.Sizing, error) {
	all, _, err := s.documents.List(ctx, docstore.Query{Index: byDue, Until: docstore.TimeKey(now.Add(1)), Limit: most})
	return all, err
}

// List returns a page of those in a state and of a workflow, the largest saving
// first; NoState and no workflow are all.
func (s *Rightsizings) List(ctx context.Context, state rightsize.State, workflow string, page docstore.Paging) ([]rightsize.Sizing, string, error) {
	all, next, err := s.documents.Find(ctx, page.Query(docstore.Query{Index: bySaving, Descending: true}), func(z rightsize.Sizing) bool {
		return (state == rightsize.NoState || z.State == state) && (workflow == "" || z.Type.Workflow == workflow)
	})
	return all, page.Token(next), err
}

// mostSummed bounds what Totals reads: those with the largest savings.
const mostSummed = 10_000

// Totals returns the dollars a month of all that is proposed, and of all that
// applies.
func (s *Rightsizings) Totals(ctx context.Context) (proposed, applied float64, err error) {
	q := docstore.Query{Index: byStep, Descending: true, Limit: purgeBatch}
	for read := 0; read < mostSummed; {
		all, next, err := s.documents.List(ctx, q)
		if err != nil {
			return 0, 0, err
		}
		for _, z := range all {
			if z.Waiting != nil {
				proposed += z.Waiting.Saving.DollarsPerMonth
			}
			applied += z.AppliedDollars
		}
		if next == "" {
			break
		}
		read, q.After = read+len(all), next
	}
	return proposed, applied, nil
}
