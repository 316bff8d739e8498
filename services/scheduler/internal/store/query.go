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

// Waiting calls do for the own jobs that wait for their next attempt, earliest
// due first, until it returns false. It reads page of them at a time.
func (s *Store) Waiting(ctx context.Context, page int, do func(job.Job) bool) error {
	for q := (docstore.Query{Index: byDue, Limit: page}); ; {
		jobs, after, err := s.jobs.List(ctx, q)
		if err != nil {
			return fmt.Errorf("list due jobs: %w", err)
		}
		for _, j := range jobs {
			if !do(j) {
				return nil
			}
		}
		if after == "" {
			return nil
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

// RunningAt returns a page, after cursor, of the jobs that run at a named
// replica.
func (s *Store) RunningAt(ctx context.Context, replica, after string) ([]job.Job, string, error) {
	// '0' follows '/', which is in no name.
	return s.jobs.List(ctx, docstore.Query{Index: byReplica, From: replica + "/", Until: replica + "0", After: after, Limit: pageSize})
}

// Replicas returns the names of the replicas at which jobs run.
func (s *Store) Replicas(ctx context.Context) ([]string, error) {
	var names []string
	for q := (docstore.Query{Index: byReplica, Limit: 1}); ; {
		jobs, _, err := s.jobs.List(ctx, q)
		if err != nil || len(jobs) == 0 {
			return names, err
		}
		last, _ := jobs[0].Last()
		names = append(names, last.Replica)
		q.From = last.Replica + "0" // pass over the rest of this one's
	}
}

// CountResting counts the jobs that rest, up to most.
func (s *Store) CountResting(ctx context.Context, most int) (int, error) {
	n, err := s.db.Count(ctx, docstore.Query{Kind: s.jobs.Kind(), Index: byResting}, most)
	if err != nil {
		return 0, fmt.Errorf("count resting jobs: %w", err)
	}
	return n, nil
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

// purge deletes a job with its decisions and requests: a request is
// known for as long as the job that it made.
func (s *Store) purge(ctx context.Context, j job.Job) error {
	writes := []docstore.Write{s.jobs.Delete(j.ID, j.Revision)}
	for _, q := range []docstore.Query{
		{Kind: s.decisions.Kind(), From: j.ID + "/", Until: j.ID + "0"}, // '0' follows '/'
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
