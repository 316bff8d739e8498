package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
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
		keep = func(j job.Job) bool { // the name itself too: it may contain anything
			return j.Type.Workflow == f.Workflow && (f.State == job.None || j.State == f.State)
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
	for q := (docstore.Query{Index: byDue, Limit: limit + 1}); ; {
		jobs, after, err := s.jobs.List(ctx, q)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("list due jobs: %w", err)
		}
		for _, j := range jobs {
			if j.Due.After(at) || len(due) == limit {
				return due, j.Due, nil
			}
			due = append(due, j)
		}
		if after == "" {
			return due, time.Time{}, nil
		}
		q.After = after
	}
}

// pageSize is how many jobs the sweeps read at a time.
const pageSize = 200

// Expired returns a page, after cursor, of the jobs that are to be given up at a
// time.
func (s *Store) Expired(ctx context.Context, at time.Time, after string) ([]job.Job, string, error) {
	return s.jobs.List(ctx, docstore.Query{Index: byExpiry, Until: docstore.TimeKey(at), After: after, Limit: pageSize})
}

// Standing returns a page, after cursor, of the jobs with a failure that waits
// for its decision and without a change since before a time.
func (s *Store) Standing(ctx context.Context, before time.Time, after string) ([]job.Job, string, error) {
	return s.jobs.List(ctx, docstore.Query{Index: byStanding, Until: docstore.TimeKey(before), After: after, Limit: pageSize})
}

// Running returns a page of the jobs that run, after cursor.
func (s *Store) Running(ctx context.Context, after string) ([]job.Job, string, error) {
	state := job.Running.String()
	return s.jobs.List(ctx, docstore.Query{Index: byState, From: state + "/", Until: state + "0", After: after, Limit: pageSize})
}

// CountResting counts the jobs that rest.
func (s *Store) CountResting(ctx context.Context) (int, error) {
	count := 0
	for q := (docstore.Query{Kind: s.jobs.Kind(), Index: byResting}); ; {
		page, err := s.db.List(ctx, q)
		if err != nil {
			return 0, fmt.Errorf("count resting jobs: %w", err)
		}
		count += len(page.Docs)
		if page.Next == "" {
			return count, nil
		}
		q.After = page.Next
	}
}

// Purge deletes at most limit jobs that rest since before a time, those that
// rest longest first, with all that is kept of them, and returns how many.
func (s *Store) Purge(ctx context.Context, before time.Time, limit int) (purged int, err error) {
	jobs, _, err := s.jobs.List(ctx, docstore.Query{Index: byResting, Until: docstore.TimeKey(before), Limit: limit})
	if err != nil {
		return 0, err
	}
	for _, j := range jobs {
		switch err := s.purge(ctx, j); {
		case errs.Is(err, errs.Conflict): // something happens to it again
		case err != nil:
			return purged, fmt.Errorf("purge job %q: %w", j.ID, err)
		default:
			purged++
		}
	}
	return purged, nil
}

// purge deletes a job with its decisions, evidence and requests: a request is
// known for as long as the job that it made.
func (s *Store) purge(ctx context.Context, j job.Job) error {
	writes := []docstore.Write{s.jobs.Delete(j.ID, j.Revision)}
	for _, q := range []docstore.Query{
		{Kind: s.decisions.Kind(), From: j.ID + "/", Until: j.ID + "0"}, // '0' follows '/'
		{Kind: s.evidence.Kind(), From: j.ID + "/", Until: j.ID + "0"},
		{Kind: s.requests.Kind(), Index: byJob, From: j.ID, Until: j.ID + "\x00"},
	} {
		for more := true; more; {
			page, err := s.db.List(ctx, q)
			if err != nil {
				return err
			}
			for _, d := range page.Docs {
				writes = append(writes, docstore.Write{Kind: q.Kind, ID: d.ID, Revision: docstore.AnyRevision})
			}
			q.After, more = page.Next, page.Next != ""
		}
	}
	for len(writes) > docstore.MaxWrites { // the job goes with the last ones
		n := len(writes) - docstore.MaxWrites
		if err := s.db.Commit(ctx, writes[n:]...); err != nil {
			return err
		}
		writes = writes[:n]
	}
	return s.db.Commit(ctx, writes...)
}
