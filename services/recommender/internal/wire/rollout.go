package wire

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
)

const trainings = "trainings/"

// Model writes a model for the API while another one, or it, serves.
func Model(m rollout.Model, serving string) *redrivev1.Model {
	p := StoredModel(m)
	p.State = redrivev1.Model_State(m.State(serving))
	return p
}

// StoredModel writes a model as it is kept.
func StoredModel(m rollout.Model) *redrivev1.Model {
	p := &redrivev1.Model{
		Name: rollout.Name(m.Name), CreateTime: wellknown.Timestamp(m.Created), Content: ModelContent(m.Content),
		PromoteTime: wellknown.Timestamp(m.Promoted), PromoteReason: m.Reason, Forced: m.Forced,
	}
	if m.Training != "" {
		p.Training = trainings + m.Training
	}
	if m.Audit != nil {
		p.Audit = Audit(*m.Audit)
	}
	return p
}

// StoredModelFromProto reads a model as it is kept.
func StoredModelFromProto(p *redrivev1.Model) rollout.Model {
	m := rollout.Model{
		Model:   model.New(strings.TrimPrefix(p.GetName(), rollout.Name("")), ModelContentFromProto(p.GetContent())),
		Created: wellknown.Time(p.GetCreateTime()), Training: strings.TrimPrefix(p.GetTraining(), trainings),
		Promoted: wellknown.Time(p.GetPromoteTime()), Reason: p.GetPromoteReason(), Forced: p.GetForced(),
	}
	if p.GetAudit() != nil {
		r := AuditFromProto(p.GetAudit())
		m.Audit = &r
	}
	return m
}

// Training writes a training.
func Training(t rollout.Training) *redrivev1.Training {
	p := &redrivev1.Training{
		Name: trainings + t.ID, State: redrivev1.Training_State(t.State), CreateTime: wellknown.Timestamp(t.Created),
		EndTime: wellknown.Timestamp(t.Ended), Full: t.Full, Records: t.Records, Error: t.Error, Reason: t.Reason,
		Promoted: t.Promoted, Promote: t.Promote, Begun: int32(t.Begun),
	}
	if t.Model != "" {
		p.Model = rollout.Name(t.Model)
	}
	return p
}

// TrainingFromProto reads a training.
func TrainingFromProto(p *redrivev1.Training) rollout.Training {
	return rollout.Training{
		ID: strings.TrimPrefix(p.GetName(), trainings), State: rollout.TrainingState(p.GetState()), Created: wellknown.Time(p.GetCreateTime()),
		Ended: wellknown.Time(p.GetEndTime()), Full: p.GetFull(), Promote: p.GetPromote(), Reason: p.GetReason(), Records: p.GetRecords(),
		Model: strings.TrimPrefix(p.GetModel(), rollout.Name("")), Error: p.GetError(), Promoted: p.GetPromoted(),
		Begun: int(p.GetBegun()),
	}
}

// Failed returns the event training.failed about a training that failed: a
// training fails once, so it is told once.
func Failed(t rollout.Training) (bus.Event, error) {
	p := Training(t)
	return bus.NewEvent(bus.TrainingFailed, p.GetName(), Source, p.GetName(), t.Ended, &redrivev1.TrainingFailed{Training: p})
}
