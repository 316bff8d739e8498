package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

const (
	byWorkflow = "workflow" // all: workflow, NUL, step
	byShape    = "shape"    // those that ran on clusters: engine, NUL, hour of the last update
)

// Bounds of what is read for one answer.
const (
	// MaxUses is how many other types of a workflow say how they use their requests.
	MaxUses = 100
	// MaxShaped is how many job types say how run times depend on clusters.
	MaxShaped = 200
)

func kinIndex(h stored, hour string) []docstore.Entry {
	entries := []docstore.Entry{{Name: byWorkflow, Value: h.Type.Workflow + "\x00" + h.Type.Step}}
	if slices.ContainsFunc(h.Attempts, func(a history.Attempt) bool { return a.Shape != failure.Shape{} }) {
		entries = append(entries, docstore.Entry{Name: byShape, Value: h.Type.Engine + "\x00" + hour})
	}
	return entries
}

// Uses returns which share of their requested memory other types of the
// workflow and of the same engine used at most, those with a measured run among
// the first MaxUses by step, in ascending order.
func (s *Histories) Uses(ctx context.Context, t failure.Type) ([]float64, error) {
	kin, err := s.list(ctx, docstore.Query{
		Kind: kind, Index: byWorkflow, From: t.Workflow + "\x00", Until: t.Workflow + "\x01", Limit: MaxUses,
	})
	if err != nil {
		return nil, fmt.Errorf("read what the workflow %q uses: %w", t.Workflow, err)
	}
	var uses []float64
	for _, h := range kin {
		if use := h.Use(); h.Type != t && h.Type.Engine == t.Engine && use > 0 {
			uses = append(uses, use)
		}
	}
	slices.Sort(uses)
	return uses, nil
}

// Shaped returns the histories of the job types of an engine that ran on
// clusters: at most MaxShaped, those of which was heard last.
func (s *Histories) Shaped(ctx context.Context, engine string) ([]history.History, error) {
	all, err := s.list(ctx, docstore.Query{
		Kind: kind, Index: byShape, From: engine + "\x00", Until: engine + "\x01", Descending: true, Limit: MaxShaped,
	})
	if err != nil {
		return nil, fmt.Errorf("read what ran on clusters: %w", err)
	}
	return all, nil
}

// list returns the histories that a query finds, at most as many as its limit.
func (s *Histories) list(ctx context.Context, q docstore.Query) ([]history.History, error) {
	var all []history.History
	for want := q.Limit; want > 0; {
		q.Limit = want
		page, err := s.store.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, doc := range page.Docs {
			h, err := s.decoded(doc)
			if err != nil {
				return nil, err
			}
			all = append(all, h.History)
		}
		if page.Next == "" {
			break
		}
		want, q.After = want-len(page.Docs), page.Next
	}
	return all, nil
}
