package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// mostCounted bounds what a count of jobs costs.
const mostCounted = 100_000

// Count returns how many jobs are in a state; at most 100,000 are counted.
func (s *Store) Count(ctx context.Context, state job.State) (int, error) {
	name := state.String()
	n, err := s.db.Count(ctx, docstore.Query{Kind: s.jobs.Kind(), Index: byState, From: name + "/", Until: name + "0"}, mostCounted)
	if err != nil {
		return 0, fmt.Errorf("count jobs that are %s: %w", name, err)
	}
	return n, nil
}

// FirstDue returns when the job that is due first is due; zero when none waits.
func (s *Store) FirstDue(ctx context.Context) (time.Time, error) {
	jobs, _, err := s.jobs.List(ctx, docstore.Query{Index: byDue, Limit: 1})
	if err != nil || len(jobs) == 0 {
		return time.Time{}, err
	}
	return jobs[0].Due, nil
}

// OldestStanding returns when the attempt of the failure ended that waits for
// its decision and of whose job nothing was heard for longest; zero when no
// failure waits.
func (s *Store) OldestStanding(ctx context.Context) (time.Time, error) {
	jobs, _, err := s.jobs.List(ctx, docstore.Query{Index: byStanding, Limit: 1})
	if err != nil || len(jobs) == 0 {
		return time.Time{}, err
	}
	a, _ := jobs[0].Undecided()
	return a.End, nil
}
