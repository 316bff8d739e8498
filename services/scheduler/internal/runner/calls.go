package runner

import (
	"context"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// Submission is a job to accept.
type Submission struct {
	Job       job.Job // what to run; the runner fills in the rest
	JobID     string  // empty: one is made
	RequestID string  // empty: the submission is not idempotent
	CheckOnly bool
}

// Submit accepts a job. The same request returns the first job.
func (r *Runner) Submit(ctx context.Context, s Submission) (job.Job, error) {
	j := s.Job
	id := s.JobID
	if id == "" {
		id = "j-" + uuid.NewString()
	}
	err := errs.Fields(job.ValidateID(id), j.Validate(), validateEngine(j))
	if err != nil {
		return job.Job{}, err
	}
	if s.RequestID != "" {
		first, err := r.store.Requested(ctx, s.RequestID)
		if err == nil || !errs.Is(err, errs.NotFound) {
			return first, err
		}
	}
	now := time.Now().UTC()
	j.ID, j.Source, j.SourceJob = id, failure.Own, id
	j.State, j.Reason, j.StateSince, j.Due = job.Queued, "accepted", now, now
	j.Created, j.Updated, j.BudgetStart = now, now, now
	if s.CheckOnly {
		_, err := r.store.Job(ctx, id)
		switch {
		case err == nil:
			return job.Job{}, taken(id)
		case !errs.Is(err, errs.NotFound):
			return job.Job{}, err
		}
		return j, nil
	}
	j.Starter = r.starter(j, now)
	after, err := r.store.Put(ctx, store.Put{Job: j, RequestID: s.RequestID}, now)
	if errs.Is(err, errs.Conflict) {
		// Either the same request at the same time, or the id is taken.
		if first, err := r.store.Requested(ctx, s.RequestID); s.RequestID != "" && err == nil {
			return first, nil
		}
		return job.Job{}, taken(id)
	}
	if err != nil {
		return job.Job{}, err
	}
	r.moved(job.Job{}, after, nil)
	return after, nil
}

func taken(id string) error {
	return errs.New(errs.AlreadyExists, "job %q exists already; leave job_id out to get a new one", id)
}

func validateEngine(j job.Job) error {
	if j.Type.Engine == "" {
		return nil // told by Validate
	}
	p, err := engine.Lookup(j.Type.Engine)
	if err != nil {
		return errs.Within("job", err)
	}
	config, err := j.Config.Object()
	if err != nil {
		return err
	}
	return errs.Within("job", p.Validate(config))
}

// Cancel stops a job. The etag, when not empty, must be the job's.
func (r *Runner) Cancel(ctx context.Context, id, reason, etag string, tag func(int64) string) (job.Job, error) {
	j, err := r.call(ctx, id, job.CancelAsked{Reason: reason}, etag, tag)
	if err == nil && j.CancelRequested && r.runsHere(j) {
		// The cancel is accepted, whether the caller stays or not; what does not
		// work now is done by takeUp, and so is what runs at another replica.
		if err := r.kill(context.WithoutCancel(ctx), j); err != nil {
			r.log.Error("cancel attempt", "job", id, "error", err)
		}
	}
	return j, err
}

// Retry puts a job back to work. The etag, when not empty, must be the job's.
func (r *Runner) Retry(ctx context.Context, id string, e job.Unblocked, etag string, tag func(int64) string) (job.Job, error) {
	if e.Task != nil {
		if err := e.Task.Validate(e.Task.Field()); err != nil {
			return job.Job{}, err
		}
	}
	return r.call(ctx, id, e, etag, tag)
}

func (r *Runner) call(ctx context.Context, id string, e job.Event, etag string, tag func(int64) string) (job.Job, error) {
	return r.transition(ctx, id, func(j job.Job, now time.Time) (store.Put, bool, error) {
		switch {
		case j.Revision == 0:
			return store.Put{}, false, errs.New(errs.NotFound, "job %q does not exist", id)
		case etag != "" && etag != tag(j.Revision):
			return store.Put{}, false, errs.New(errs.Conflict, "job %q has changed since etag %q; read it again", id, etag)
		}
		return one(j, e, now)
	})
}

// Report is what another scheduler says of one of its attempts.
type Report struct {
	Ref       failure.Attempt
	Job       job.Job          // type, overrides, labels, owner
	Original  map[string]any   // the job's configuration
	Config    map[string]any   // the attempt's; nil for the job's
	Evidence  failure.Evidence // redacted
	Succeeded bool
	Told      bool // by an event that everybody gets
}

// Validate names all that is wrong with a report.
func (p Report) Validate() error {
	own := error(nil)
	if p.Ref.Source == failure.Own {
		own = errs.Field("attempt.source", "%q is Redrive's own name; use the name of your scheduler", failure.Own)
	}
	return errs.Fields(p.Ref.Validate("attempt"), own, p.Job.ValidateReport(),
		job.ValidateConfig("config", p.Original), job.ValidateConfig("attempt_config", p.Config), validateEvidence(p.Evidence))
}

func validateEvidence(e failure.Evidence) error {
	reason, duration, input := error(nil), error(nil), error(nil)
	if e.Reason < failure.ReasonNone || e.Reason > failure.Lost {
		reason = errs.Field("evidence.termination_reason", "%d is no termination reason", int(e.Reason))
	}
	if e.Duration < 0 {
		duration = errs.Field("evidence.duration", "%v is negative", e.Duration)
	}
	if e.InputBytes < 0 {
		input = errs.Field("evidence.input_bytes", "%d is negative; 0 is unknown", e.InputBytes)
	}
	return errs.Fields(reason, duration, input, e.Shape.Validate("evidence.shape"))
}

// Report records the end of an attempt of another scheduler, once. It is
// errs.FailedPrecondition when the attempt was told to have ended otherwise.
func (r *Runner) Report(ctx context.Context, p Report) (job.Job, error) {
	if err := p.Validate(); err != nil {
		return job.Job{}, err
	}
	return r.transition(ctx, p.Ref.JobID(), func(j job.Job, now time.Time) (store.Put, bool, error) {
		if err := belongs(p.Ref, j); err != nil {
			return store.Put{}, false, err
		}
		j, ended, err := p.onto(j, now)
		if err != nil {
			return store.Put{}, false, err
		}
		return one(j, ended, now)
	})
}

// onto returns the job that the report is about, j or a new one, and what the
// report says of it. Nothing here runs with the configurations: what is kept of
// them has no secrets.
func (p Report) onto(j job.Job, now time.Time) (job.Job, job.Ended, error) {
	ended := job.Ended{Attempt: p.Ref.Number, Succeeded: p.Succeeded, Evidence: p.Evidence, Told: p.Told}
	var err error
	if j.Revision == 0 {
		j = p.begun(now)
		if j.Config, err = job.NewConfig(redact.Config(p.Original)); err != nil {
			return j, ended, err
		}
	}
	if _, known := j.Attempt(p.Ref.Number); known {
		return j, ended, nil
	}
	told := p.Config
	if told == nil {
		told = p.Original
	}
	ended.Config, err = job.NewConfig(redact.Config(told))
	return j, ended, err
}

// begun returns the job of the report as it was before.
func (p Report) begun(now time.Time) job.Job {
	j := p.Job
	j.Labels = maps.Clone(j.Labels) // the caller's
	j.ID, j.Source, j.SourceJob = p.Ref.JobID(), p.Ref.Source, p.Ref.Job
	j.State, j.Reason, j.StateSince = job.Running, "run by "+p.Ref.Source, now
	j.Created, j.BudgetStart = now, now
	return j
}

// belongs is errs.Invalid when the attempt is not one of the job that has its id:
// somebody submitted a job under an id like those of another scheduler's jobs.
func belongs(ref failure.Attempt, j job.Job) error {
	if j.Revision != 0 && (j.Source != ref.Source || j.SourceJob != ref.Job) {
		return errs.Field("attempt", "%s is job %q of %q, not job %q of %q", j.Name(), j.SourceJob, j.Source, ref.Job, ref.Source)
	}
	return nil
}

// Classified is what the classifier says of one failure. It carries the report
// of the failure, because it may come before it.
type Classified struct {
	Report  Report
	Verdict policy.Verdict
	Summary string
	Runbook string
	Excerpt []string
}

// Decide makes the decision on a classified failure, once. It is errs.NotFound
// while Redrive's own attempt is not known to have failed.
func (r *Runner) Decide(ctx context.Context, c Classified) (after job.Job, err error) {
	ref := c.Report.Ref
	seed := rand.Uint64()
	ctx, span := deciding(ctx, c)
	defer func() { span.End(err) }()
	return r.transition(ctx, ref.JobID(), func(j job.Job, now time.Time) (store.Put, bool, error) {
		if err := belongs(ref, j); err != nil {
			return store.Put{}, false, err
		}
		if ref.Source != failure.Own {
			told, ended, err := c.Report.onto(j, now)
			if err != nil {
				return store.Put{}, false, err
			}
			next, _, _, err := job.Step(told, ended, now)
			if err != nil && !errs.Is(err, errs.FailedPrecondition) {
				return store.Put{}, false, err
			}
			if a, ok := next.Attempt(ref.Number); !ok || a.Succeeded {
				return store.Put{}, false, nil // forgotten long ago, or there is nothing to decide
			}
			j = next
		} else if a, ok := j.Attempt(ref.Number); !ok || a.End.IsZero() {
			return store.Put{}, false, errs.New(errs.NotFound, "job %q has no failed attempt %d", ref.Job, ref.Number)
		}
		class := r.table.Of(c.Verdict.Class, c.Verdict.Verdict)
		d := policy.Decide(j.PolicyInputs(ref.Number, c.Verdict, class, seed, now))
		d.Job, d.Attempt = ref.JobID(), ref.Number
		tellDecision(span, d)
		p, changed, err := one(j, job.Decided{Decision: d}, now)
		p.Attempt, p.Decision, p.Summary, p.Runbook, p.Excerpt = ref.Number, &d, c.Summary, c.Runbook, c.Excerpt
		return p, changed, err
	})
}

// Decision waits for the decision on an attempt of j until ctx ends: then ok is
// false. The changes are those of the job since before it was j.
func (r *Runner) Decision(ctx context.Context, j job.Job, attempt int, changes <-chan Change) (d policy.Decision, ok bool, err error) {
	a, known := j.Attempt(attempt)
	for look := !known || a.Decision != ""; ; {
		if look {
			d, err := r.store.Decision(ctx, j.ID, attempt)
			switch {
			case err == nil:
				return d, true, nil
			case ctx.Err() != nil:
				return d, false, nil
			case !errs.Is(err, errs.NotFound):
				return d, false, err
			}
		}
		select {
		case <-ctx.Done():
			return d, false, nil
		case c := <-changes:
			if c.Decision != nil && c.Decision.Attempt == attempt {
				return *c.Decision, true, nil
			}
			look = c.Revision == 0 || c.Revision > j.Revision
		}
	}
}
