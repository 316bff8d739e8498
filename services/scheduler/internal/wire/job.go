// Package wire translates the scheduler's jobs, decisions and events to and
// from protobuf. Store, server and events use it.
package wire

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// Job writes a job for callers: all of it, and the facts of its attempts. What
// is written is theirs to change.
func Job(j job.Job) (*redrivev1.Job, error) {
	p := jobProto(j)
	p.Labels = maps.Clone(p.GetLabels())
	var err error
	if p.Config, err = j.Config.Struct(); err != nil {
		return nil, err
	}
	for i, a := range j.Attempts {
		if p.Attempts[i].Config, err = a.Config.Struct(); err != nil {
			return nil, err
		}
		if e := p.Attempts[i].Evidence; e != nil {
			e.Logs, e.PartPeakBytes = nil, maps.Clone(e.GetPartPeakBytes())
		}
	}
	return p, nil
}

// jobProto writes a job without its configurations.
func jobProto(j job.Job) *redrivev1.Job {
	p := &redrivev1.Job{
		Name: j.Name(), Source: j.Source, Type: j.Type.Proto(),
		RetryPolicy: Overrides(j.Overrides), Labels: j.Labels, Owner: j.Owner, InputBytes: j.InputBytes,
		State: redrivev1.Job_State(j.State), DueTime: wellknown.Timestamp(j.Due), StateReason: j.Reason,
		CreateTime: wellknown.Timestamp(j.Created), UpdateTime: wellknown.Timestamp(j.Updated), EndTime: wellknown.Timestamp(j.Ended),
		Revision: j.Revision, Etag: Etag(j.Revision), CancelRequested: j.CancelRequested,
	}
	p.Process, p.Spark = taskProto(j.Task)
	for _, a := range j.Attempts {
		p.Attempts = append(p.Attempts, attemptProto(a))
	}
	return p
}

// Etag names a revision for callers.
func Etag(revision int64) string { return strconv.FormatInt(revision, 10) }

func attemptProto(a job.Attempt) *redrivev1.Attempt {
	p := &redrivev1.Attempt{
		Number: int32(a.Number), StartTime: wellknown.Timestamp(a.Start), EndTime: wellknown.Timestamp(a.End),
		Succeeded: a.Succeeded, Failure: a.Failure, Decision: a.Decision, AppliedPatches: a.Applied,
		Replica: a.Replica,
	}
	if !a.End.IsZero() {
		p.Evidence = a.Evidence.Proto()
	}
	for _, s := range a.Skipped {
		p.SkippedPatches = append(p.SkippedPatches, &redrivev1.SkippedPatch{Patch: s.Patch, Reason: s.Reason})
	}
	return p
}

// Record writes a job for the store.
func Record(j job.Job) *redrivev1.JobRecord {
	r := &redrivev1.JobRecord{
		Job: jobProto(j), SourceJob: j.SourceJob, ConsecutiveFailures: int32(j.Consecutive), StateTime: wellknown.Timestamp(j.StateSince),
		Emissions: int32(j.Emissions), BudgetTime: wellknown.Timestamp(j.BudgetStart), CancelReason: j.CancelReason,
		RequiredPatch: j.RequiredPatch, Starter: j.Starter, Traceparent: j.Trace, PostponedTime: wellknown.Timestamp(j.PostponedSince), FailuresByClass: counts(j.FailuresByClass),
	}
	r.Config = keep(r, j.Config)
	for _, a := range j.Attempts {
		r.AttemptConfigs = append(r.AttemptConfigs, keep(r, a.Config))
	}
	return r
}

// keep puts a configuration into the record, unless it is there, and returns its
// place, counted from 1; 0 for none at all.
func keep(r *redrivev1.JobRecord, c job.Config) int32 {
	if c.None() {
		return 0
	}
	for i, kept := range r.Configs {
		if bytes.Equal(kept, c.Encoded()) {
			return int32(i + 1)
		}
	}
	r.Configs = append(r.Configs, c.Encoded())
	return int32(len(r.Configs))
}

// kept returns the configuration at a place in the record.
func kept(r *redrivev1.JobRecord, place int32) (job.Config, error) {
	switch {
	case place == 0:
		return job.Config{}, nil
	case place < 0 || int(place) > len(r.GetConfigs()):
		return job.Config{}, fmt.Errorf("there is no configuration %d", place)
	}
	return job.EncodedConfig(r.GetConfigs()[place-1]), nil
}

// FromRecord reads a job off the store.
func FromRecord(r *redrivev1.JobRecord, revision int64) (job.Job, error) {
	p := r.GetJob()
	if len(r.GetAttemptConfigs()) != len(p.GetAttempts()) {
		return job.Job{}, fmt.Errorf("%d attempts have %d configurations", len(p.GetAttempts()), len(r.GetAttemptConfigs()))
	}
	j := told(p)
	var err error
	if j.Config, err = kept(r, r.GetConfig()); err != nil {
		return job.Job{}, err
	}
	j.ID, j.SourceJob, j.Revision = strings.TrimPrefix(p.GetName(), "jobs/"), r.GetSourceJob(), revision
	j.Source, j.State, j.Reason = p.GetSource(), job.State(p.GetState()), p.GetStateReason()
	j.Due, j.Created, j.Updated, j.Ended = wellknown.Time(p.GetDueTime()), wellknown.Time(p.GetCreateTime()), wellknown.Time(p.GetUpdateTime()), wellknown.Time(p.GetEndTime())
	j.CancelRequested, j.CancelReason = p.GetCancelRequested(), r.GetCancelReason()
	j.Consecutive, j.Emissions = int(r.GetConsecutiveFailures()), int(r.GetEmissions())
	j.StateSince, j.BudgetStart, j.PostponedSince = wellknown.Time(r.GetStateTime()), wellknown.Time(r.GetBudgetTime()), wellknown.Time(r.GetPostponedTime())
	j.RequiredPatch, j.Starter, j.Trace = r.GetRequiredPatch(), r.GetStarter(), r.GetTraceparent()
	j.FailuresByClass = classCounts(r.GetFailuresByClass())
	for i, p := range p.GetAttempts() {
		a := attemptFrom(p)
		if a.Config, err = kept(r, r.GetAttemptConfigs()[i]); err != nil {
			return job.Job{}, err
		}
		j.Attempts = append(j.Attempts, a)
	}
	return j, nil
}

func attemptFrom(p *redrivev1.Attempt) job.Attempt {
	a := job.Attempt{
		Number: int(p.GetNumber()), Start: wellknown.Time(p.GetStartTime()), End: wellknown.Time(p.GetEndTime()),
		Succeeded: p.GetSucceeded(), Failure: p.GetFailure(), Decision: p.GetDecision(), Applied: p.GetAppliedPatches(),
		Evidence: failure.FromProto(p.GetEvidence()), Replica: p.GetReplica(),
	}
	for _, s := range p.GetSkippedPatches() {
		a.Skipped = append(a.Skipped, job.Skip{Patch: s.GetPatch(), Reason: s.GetReason()})
	}
	return a
}

// FromJob reads what a caller may say of a job; output-only fields are left out.
func FromJob(p *redrivev1.Job) (j job.Job, err error) {
	j = told(p)
	j.Config, err = job.ConfigOf(p.GetConfig())
	return j, err
}

// told reads what a caller may say, but for the configuration.
func told(p *redrivev1.Job) job.Job {
	return job.Job{
		Type: failure.TypeFromProto(p.GetType()), Task: FromTask(p.GetProcess(), p.GetSpark()),
		Overrides: FromOverrides(p.GetRetryPolicy()), Labels: p.GetLabels(), Owner: p.GetOwner(), InputBytes: p.GetInputBytes(),
	}
}

// Overrides writes a job's retry policy; nil when it has none.
func Overrides(o policy.Overrides) *redrivev1.RetryPolicy {
	p := &redrivev1.RetryPolicy{
		UserRetries: int32p(o.UserRetries), SystemRetries: int32p(o.SystemRetries),
		MemoryRetries: int32p(o.MemoryRetries), TimeoutRetries: int32p(o.TimeoutRetries), AlertAfter: int32p(o.AlertAfter),
		MinBackoff: wellknown.Duration(o.MinBackoff), MaxBackoff: wellknown.Duration(o.MaxBackoff), RunTimeout: wellknown.Duration(o.RunTimeout),
		QueueTimeout: wellknown.Duration(o.QueueTimeout), Deadline: wellknown.Duration(o.Deadline),
	}
	if o == (policy.Overrides{}) {
		return nil
	}
	return p
}

// FromOverrides reads a job's retry policy; nil is none.
func FromOverrides(p *redrivev1.RetryPolicy) policy.Overrides {
	if p == nil {
		return policy.Overrides{}
	}
	return policy.Overrides{
		UserRetries: intp(p.UserRetries), SystemRetries: intp(p.SystemRetries),
		MemoryRetries: intp(p.MemoryRetries), TimeoutRetries: intp(p.TimeoutRetries), AlertAfter: intp(p.AlertAfter),
		MinBackoff: p.GetMinBackoff().AsDuration(), MaxBackoff: p.GetMaxBackoff().AsDuration(), RunTimeout: p.GetRunTimeout().AsDuration(),
		QueueTimeout: p.GetQueueTimeout().AsDuration(), Deadline: p.GetDeadline().AsDuration(),
	}
}

// Map reads a JSON object; nil stays nil.
func Map(s *structpb.Struct) map[string]any {
	if s == nil {
		return nil
	}
	return s.AsMap()
}

func counts(m map[failure.Class]int) map[string]int32 {
	out := make(map[string]int32, len(m))
	for c, n := range m {
		out[string(c)] = int32(n)
	}
	return out
}

func classCounts(m map[string]int32) map[failure.Class]int {
	out := make(map[failure.Class]int, len(m))
	for c, n := range m {
		out[failure.Class(c)] = int(n)
	}
	return out
}

func int32p(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := int32(*n)
	return &v
}

func intp(n *int32) *int {
	if n == nil {
		return nil
	}
	v := int(*n)
	return &v
}
