package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// Filter selects jobs; zero fields select all.
type Filter struct {
	State    job.State
	Workflow string
}

// List returns a page of jobs, newest first, and the cursor of the next.
func (s *Store) List(ctx context.Context, f Filter, page docstore.Paging) ([]job.Job, string, error) {
	q := docstore.Query{Index: byCreated, Descending: true}
	var keep func(job.Job) bool
	switch {
	case f.Workflow != "":
		q.Index, q.From, q.Until = byWorkflow, f.Workflow+"\x00", f.Workflow+"\x01"
		if f.State != job.None {
			keep = func(j job.Job) bool { return j.State == f.State }
		}
	case f.State != job.None:
		q.Index, q.From, q.Until = byState, f.State.String()+"/", f.State.String()+"0" // '0' follows '/'
	}
	items, next, err := s.jobs.Find(ctx, page.Query(q), keep)
	return items, page.Token(next), err
}

// Decisions returns a page of a job's decisions in the order of its attempts,
// and the cursor of the next.
func (s *Store) Decisions(ctx context.Context, jobID string, page docstore.Paging) ([]policy.Decision, string, error) {
	items, next, err := s.decisions.List(ctx, page.Query(docstore.Query{From: jobID + "/", Until: jobID + "0"}))
	return items, page.Token(next), err
}

// Due returns at most limit own jobs whose next attempt is due at a time,
// earliest first, and when the next one after them is; zero when there is none.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) (due []job.Job, next time.Time, err error) {
	jobs, _, err := s.jobs.List(ctx, docstore.Query{Index: byDue, Limit: limit + 1})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list due jobs: %w", err)
	}
	for _, j := range jobs {
		if j.Due.After(at) || len(due) == limit {
			return due, j.Due, nil
		}
		due = append(due, j)
	}
	return due, time.Time{}, nil
}

// Overdue returns at most limit own jobs whose next attempt has been due since
// before a time, a page after cursor.
func (s *Store) Overdue(ctx context.Context, before time.Time, after string, limit int) ([]job.Job, string, error) {
	return s.jobs.List(ctx, docstore.Query{Index: byDue, Until: docstore.TimeKey(before), After: after, Limit: limit})
}

// Standing returns at most limit jobs that have been classified without a change
// since before a time.
func (s *Store) Standing(ctx context.Context, before time.Time, limit int) ([]job.Job, error) {
	jobs, _, err := s.jobs.List(ctx, docstore.Query{Index: byStanding, Until: docstore.TimeKey(before), Limit: limit})
	return jobs, err
}

// Running returns a page of the jobs that run, after cursor.
func (s *Store) Running(ctx context.Context, after string) ([]job.Job, string, error) {
	state := job.Running.String()
	return s.jobs.List(ctx, docstore.Query{Index: byState, From: state + "/", Until: state + "0", After: after, Limit: 200})
}

// CountEnded counts the jobs that ended.
func (s *Store) CountEnded(ctx context.Context) (int, error) {
	count := 0
	for q := (docstore.Query{Kind: s.jobs.Kind(), Index: byEnd}); ; {
		page, err := s.db.List(ctx, q)
		if err != nil {
			return 0, fmt.Errorf("count ended jobs: %w", err)
		}
		count += len(page.Docs)
		if page.Next == "" {
			return count, nil
		}
		q.After = page.Next
	}
}
