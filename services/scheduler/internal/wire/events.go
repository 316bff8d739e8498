package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// Source is the ce-source of everything that the scheduler says.
const Source = "redrive/scheduler"

// Told is what an effect is about.
type Told struct {
	Job     job.Job
	Attempt int
	// Evidence has the logs of the attempt, for job.TellFailed and, in part,
	// for job.TellSucceeded.
	Evidence failure.Evidence
	// Decision and the rest are for job.TellDecided.
	Decision policy.Decision
	Summary  string
	Runbook  string
	Excerpt  []string
}

// Event writes an effect as the event that tells it, without secrets.
func Event(e job.Effect, t Told, now time.Time) (bus.Event, error) {
	a, _ := t.Job.Attempt(t.Attempt)
	ref := t.Job.Ref(t.Attempt)
	id := fmt.Sprintf("%s/%d", t.Job.ID, t.Attempt)
	revision := t.Job.Revision
	emission := 0
	var kind bus.Type
	var m proto.Message
	switch e {
	case job.TellStarted:
		kind, id = bus.AttemptStarted, id+"/started"
		m = &redrivev1.AttemptStarted{Attempt: ref.Proto(), Type: t.Job.Type.Proto(), StartTime: wellknown.Timestamp(a.Start), JobRevision: revision}
	case job.TellFailed:
		kind, id = bus.AttemptFailed, ref.FailureID()
		emission = max(t.Job.Emissions-1, 0)
		m = &redrivev1.AttemptFailed{
			Attempt: ref.Proto(), Type: t.Job.Type.Proto(), Evidence: t.Evidence.Proto(),
			Labels: t.Job.Labels, Owner: t.Job.Owner, RetryPolicy: Overrides(t.Job.Overrides), JobRevision: revision,
		}
	case job.TellSucceeded:
		kind, id = bus.AttemptSucceeded, id+"/succeeded"
		m = &redrivev1.AttemptSucceeded{
			Attempt: ref.Proto(), Type: t.Job.Type.Proto(),
			Evidence: a.Evidence.Proto(), JobRevision: revision, LogTail: logTail(ref, t.Evidence.Logs),
		}
	case job.TellDecided:
		kind, id = bus.DecisionMade, ref.DecisionName()
		d := t.Decision
		m = &redrivev1.DecisionMade{
			Decision: Decision(ref.DecisionName(), d), Attempt: ref.Proto(), Type: t.Job.Type.Proto(), Owner: t.Job.Owner,
			Summary: t.Summary, Runbook: t.Runbook, Excerpt: t.Excerpt,
			WillRetry: d.Action != policy.Stop, NextRetryTime: wellknown.Timestamp(d.Due), JobRevision: revision,
		}
	case job.TellFinished:
		kind, id = bus.JobFinished, fmt.Sprintf("%s/finished/%d", t.Job.ID, revision)
		m = &redrivev1.JobFinished{
			Job: t.Job.Name(), Attempt: ref.Proto(), Type: t.Job.Type.Proto(),
			State: redrivev1.Job_State(t.Job.State), Reason: t.Job.Reason, JobRevision: revision,
		}
	}
	event, err := bus.NewEvent(kind, id, Source, t.Job.Name(), now, m)
	if err != nil {
		return bus.Event{}, err
	}
	event.Emission = emission
	event.Data, err = appendConfigs(event.Data, m, t.Job, a)
	return event, err
}

// appendConfigs appends to an encoded message those of its fields that are
// configurations, without secrets. The fields of a message may come in any
// order, and the configurations are encoded already.
func appendConfigs(data []byte, m proto.Message, j job.Job, a job.Attempt) ([]byte, error) {
	for _, f := range []struct {
		name   protoreflect.Name
		config job.Config
	}{{"config", j.Config}, {"attempt_config", a.Config}} {
		field := m.ProtoReflect().Descriptor().Fields().ByName(f.name)
		if field == nil || f.config.None() {
			continue
		}
		told := f.config
		if j.Own() { // another scheduler's are kept without secrets
			var err error
			if told, err = told.Redacted(); err != nil {
				return nil, err
			}
		}
		data = protowire.AppendBytes(protowire.AppendTag(data, field.Number(), protowire.BytesType), told.Encoded())
	}
	return data, nil
}
