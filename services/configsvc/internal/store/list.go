package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
)

// Filter selects patches; zero fields select all.
type Filter struct {
	State    patch.State // as of the time of the question
	Job      string      // "jobs/{job}": the scope
	Workflow string
}

// List returns a page of patches as they are at a time, newest first, and the
// token of the next page. Since a state may follow from the time alone, a page
// may be short and still have a next one.
func (s *Store) List(ctx context.Context, f Filter, page docstore.Paging, now time.Time) ([]patch.Patch, string, error) {
	q := docstore.Query{Index: byCreated, Descending: true}
	switch {
	case f.Job != "":
		q.Index, q.From, q.Until = byJob, f.Job+"\x00", f.Job+"\x01"
	case f.Workflow != "":
		q.Index, q.From, q.Until = byWorkflow, f.Workflow+"\x00", f.Workflow+"\x01"
	}
	items, next, err := s.patches.Find(ctx, page.Query(q), func(p patch.Patch) bool {
		return (f.State == patch.NoState || p.At(now).State == f.State) && (f.Workflow == "" || p.Type.Workflow == f.Workflow)
	})
	for i := range items {
		items[i] = items[i].At(now)
	}
	return items, page.Token(next), err
}

// mostCounted bounds what a count of patches costs.
const mostCounted = 100_000

// CountActive returns how many patches are written down as active; at most
// 100,000 are counted.
func (s *Store) CountActive(ctx context.Context) (int, error) {
	return s.docs.Count(ctx, docstore.Query{Kind: s.patches.Kind(), Index: byExpiry}, mostCounted)
}

// CountProposed returns how many patches are written down as proposed; at most
// 100,000 are counted.
func (s *Store) CountProposed(ctx context.Context) (int, error) {
	return s.docs.Count(ctx, docstore.Query{Kind: s.patches.Kind(), Index: byProposal}, mostCounted)
}

// pageSize is how many documents a sweep reads at once.
const pageSize = 200

// Due returns the patches that are past their expiry at a time and still
// written down as active or proposed. Each is returned once, changed meanwhile
// or not.
func (s *Store) Due(ctx context.Context, now time.Time) iter.Seq2[patch.Patch, error] {
	return func(yield func(patch.Patch, error) bool) {
		for _, index := range []string{byExpiry, byProposal} {
			// Until is exclusive; a patch that expires exactly now is expired.
			for p, err := range s.all(ctx, docstore.Query{Index: index, Until: docstore.TimeKey(now.Add(1))}) {
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

// Ended returns the patches that ended before a time.
func (s *Store) Ended(ctx context.Context, before time.Time) iter.Seq2[patch.Patch, error] {
	return s.all(ctx, docstore.Query{Index: byEnd, Until: docstore.TimeKey(before)})
}

// Older returns the patches beyond the newest keep, the oldest first. It reads
// no others.
func (s *Store) Older(ctx context.Context, keep int) iter.Seq2[patch.Patch, error] {
	return func(yield func(patch.Patch, error) bool) {
		n, err := s.docs.Count(ctx, docstore.Query{Kind: s.patches.Kind(), Index: byCreated}, 0)
		if err != nil {
			yield(patch.Patch{}, fmt.Errorf("count patches: %w", err))
			return
		}
		if n <= keep {
			return
		}
		for p, err := range s.all(ctx, docstore.Query{Index: byCreated}) {
			if !yield(p, err) {
				return
			}
			if n--; n <= keep {
				return
			}
		}
	}
}

func (s *Store) all(ctx context.Context, q docstore.Query) iter.Seq2[patch.Patch, error] {
	return func(yield func(patch.Patch, error) bool) {
		q.Limit = pageSize
		for {
			items, next, err := s.patches.List(ctx, q)
			if err != nil {
				yield(patch.Patch{}, err)
				return
			}
			for _, p := range items {
				if !yield(p, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.After = next
		}
	}
}
