// Package store keeps the scheduler's documents: jobs, decisions, and the
// requests that made jobs.
package store

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/trace"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

// The indexes of jobs.
const (
	byCreated  = "created"  // all: creation time
	byState    = "state"    // all: state, creation time
	byWorkflow = "workflow" // all: workflow, creation time
	byDue      = "due"      // own jobs that wait: due time
	byExpiry   = "expiry"   // own jobs that wait, and not for ever: when they are given up
	byStanding = "standing" // jobs with an undecided failure: last change
	byResting  = "resting"  // jobs that nothing drives on: since when
	byReplica  = "replica"  // jobs that run at a named replica: its name, creation time
)

// byJob is the index of requests: the job that they made.
const byJob = "job"

// Outbox is where transitions go: documents and events in one commit.
// *outbox.Outbox is one. Its errors are those of docstore.Store.Commit.
type Outbox interface {
	Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error
}

// Store keeps the scheduler's documents.
type Store struct {
	out       Outbox
	jobs      docstore.Collection[job.Job]
	decisions docstore.Collection[policy.Decision]
	requests  docstore.Collection[string] // the ids of the jobs that they made
	db        docstore.Store
	recent    recent
}

// New returns the documents of db; transitions go through out.
func New(db docstore.Store, out Outbox) *Store {
	return &Store{
		out: out, db: db,
		jobs: docstore.NewCollection(db, "scheduler.job", docstore.Codec[job.Job]{
			Encode: func(j job.Job) ([]byte, error) { return proto.Marshal(wire.Record(j)) },
			Decode: func(d docstore.Doc) (job.Job, error) {
				r := &redrivev1.JobRecord{}
				if err := proto.Unmarshal(d.Value, r); err != nil {
					return job.Job{}, err
				}
				return wire.FromRecord(r, d.Revision)
			},
			Index: jobIndex,
		}),
		decisions: docstore.NewCollection(db, "scheduler.decision", docstore.Codec[policy.Decision]{
			Encode: func(d policy.Decision) ([]byte, error) {
				return proto.Marshal(wire.Decision(DecisionName(d.Job, d.Attempt), d))
			},
			Decode: func(d docstore.Doc) (policy.Decision, error) {
				p := &redrivev1.Decision{}
				err := proto.Unmarshal(d.Value, p)
				return wire.FromDecision(p), err
			},
		}),
		requests: docstore.NewCollection(db, "scheduler.request", docstore.Codec[string]{
			Encode: func(jobID string) ([]byte, error) { return []byte(jobID), nil },
			Decode: func(d docstore.Doc) (string, error) { return string(d.Value), nil },
			Index:  func(jobID string) []docstore.Entry { return []docstore.Entry{{Name: byJob, Value: jobID}} },
		}),
	}
}

func jobIndex(j job.Job) []docstore.Entry {
	created := docstore.TimeKey(j.Created)
	all := []docstore.Entry{
		{Name: byCreated, Value: created},
		{Name: byState, Value: j.State.String() + "/" + created},
		{Name: byWorkflow, Value: j.Type.Workflow + "\x00" + created},
	}
	if j.Waits() {
		all = append(all, docstore.Entry{Name: byDue, Value: docstore.TimeKey(j.Due)})
	}
	if at, _ := j.Expires(); !at.IsZero() {
		all = append(all, docstore.Entry{Name: byExpiry, Value: docstore.TimeKey(at)})
	}
	if _, ok := j.Undecided(); ok {
		all = append(all, docstore.Entry{Name: byStanding, Value: docstore.TimeKey(j.Updated)})
	}
	if last, ok := j.Last(); ok && j.RunsAt(last.Number, last.Replica) && last.Replica != "" {
		all = append(all, docstore.Entry{Name: byReplica, Value: last.Replica + "/" + created})
	}
	if since, ok := j.Resting(); ok {
		all = append(all, docstore.Entry{Name: byResting, Value: docstore.TimeKey(since)})
	}
	return all
}

// DecisionName returns "jobs/{job}/decisions/{attempt}".
func DecisionName(jobID string, attempt int) string {
	return fmt.Sprintf("jobs/%s/decisions/%d", jobID, attempt)
}

// attemptID orders the attempts of a job by number.
func attemptID(jobID string, attempt int) string { return fmt.Sprintf("%s/%06d", jobID, attempt) }

// Put is one transition: the job as it is now, what the world is told of it, and
// what is kept with it.
type Put struct {
	// Job has the revision that it was read at; 0 when it is new.
	Job     job.Job
	Effects []job.Effect
	// Attempt is what the effects are about.
	Attempt int
	// Evidence is what is told of an attempt that ended; nil is what is kept.
	Evidence *failure.Evidence
	// Decision is kept for good.
	Decision *policy.Decision
	Summary  string
	Runbook  string
	Excerpt  []string
	// RequestID, of a submission, makes it idempotent.
	RequestID string
}

// Put commits a transition and returns the job with its new revision. It is
// errs.Conflict when the job is not at its revision any more.
func (s *Store) Put(ctx context.Context, p Put, now time.Time) (job.Job, error) {
	read := p.Job.Revision
	p.Job.Revision++
	if at := trace.Parent(ctx); at != "" {
		p.Job.Trace = at
	}
	var writes []docstore.Write
	add := func(w docstore.Write, err error) error {
		writes = append(writes, w)
		return err
	}
	if err := add(s.jobs.Write(p.Job.ID, read, p.Job)); err != nil {
		return job.Job{}, err
	}
	if p.RequestID != "" {
		if err := add(s.requests.Write(p.RequestID, docstore.Absent, p.Job.ID)); err != nil {
			return job.Job{}, err
		}
	}
	if p.Decision != nil {
		if err := add(s.decisions.Write(attemptID(p.Job.ID, p.Attempt), docstore.Absent, *p.Decision)); err != nil {
			return job.Job{}, err
		}
	}
	events, err := events(p, now)
	if err != nil {
		return job.Job{}, err
	}
	if err := s.out.Commit(ctx, events, writes...); err != nil {
		s.recent.forget(p.Job.ID)
		return job.Job{}, fmt.Errorf("put job %q: %w", p.Job.ID, err)
	}
	s.recent.put(p.Job, len(writes[0].Value))
	return p.Job, nil
}

// events returns what the world is told of a transition.
func events(p Put, now time.Time) ([]bus.Event, error) {
	told := wire.Told{Job: p.Job, Attempt: p.Attempt, Summary: p.Summary, Runbook: p.Runbook, Excerpt: p.Excerpt}
	if p.Decision != nil {
		told.Decision = *p.Decision
	}
	if p.Evidence != nil {
		told.Evidence = *p.Evidence
	} else if a, ok := p.Job.Attempt(p.Attempt); ok {
		told.Evidence = a.Evidence
	}
	var all []bus.Event
	for _, effect := range p.Effects {
		event, err := wire.Event(effect, told, now)
		if err != nil {
			return nil, err
		}
		all = append(all, event)
	}
	return all, nil
}

// Job returns one job, or errs.NotFound.
func (s *Store) Job(ctx context.Context, id string) (job.Job, error) {
	j, err := s.jobs.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return j, errs.New(errs.NotFound, "job %q does not exist", id)
	}
	return j, err
}

// Recent returns a job of another scheduler as it was when it was last put here,
// if that was not long ago. Since then it may have changed elsewhere: a put of what was made from it
// says so, and anything else that follows from it is to be checked with Job.
func (s *Store) Recent(id string) (j job.Job, ok bool) { return s.recent.get(id) }

// Requested returns the job that a request made, or errs.NotFound.
func (s *Store) Requested(ctx context.Context, requestID string) (job.Job, error) {
	id, err := s.requests.Get(ctx, requestID)
	if err != nil {
		return job.Job{}, err
	}
	return s.Job(ctx, id)
}

// Decision returns the decision on one attempt, or errs.NotFound.
func (s *Store) Decision(ctx context.Context, jobID string, attempt int) (policy.Decision, error) {
	d, err := s.decisions.Get(ctx, attemptID(jobID, attempt))
	if errs.Is(err, errs.NotFound) {
		return d, errs.New(errs.NotFound, "decision %q does not exist", DecisionName(jobID, attempt))
	}
	return d, err
}
