package wire

import (
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// TrainingRecord writes a record.
func TrainingRecord(r record.Record) *redrivev1.TrainingRecord {
	p := &redrivev1.TrainingRecord{
		Id: r.ID, Previous: r.Previous, Type: r.Type.Proto(), Owner: r.Owner, Attempt: int32(r.Number),
		Outcome: redrivev1.TrainingRecord_Outcome(r.Outcome), EndTime: wellknown.Timestamp(r.End), ToldTime: wellknown.Timestamp(r.Told),
		Seconds: r.Seconds, InputBytes: r.Input, PartBytes: amounts(r.Sizes), PartPeakBytes: amounts(r.Peaks), LimitBytes: r.Limit,
		PeakBytes: r.Peak, Cores: r.Cores, Shape: r.Shape.Proto(), Killed: r.Killed, TimedOut: r.TimedOut,
		ExitCode: r.Exit, Class: string(r.Class), Fingerprint: r.Fingerprint, Setting: r.Setting, Recommended: r.Recommended, Model: r.Model,
	}
	if r.Features != nil {
		p.Features = Features(*r.Features)
	}
	return p
}

// TrainingRecordFromProto reads a record.
func TrainingRecordFromProto(p *redrivev1.TrainingRecord) record.Record {
	r := record.Record{
		Attempt: history.Attempt{
			ID: p.GetId(), Previous: p.GetPrevious(), Outcome: history.Outcome(p.GetOutcome()), End: wellknown.Time(p.GetEndTime()),
			Seconds: p.GetSeconds(), Input: p.GetInputBytes(), Sizes: Parts(p.GetPartBytes()), Peaks: Parts(p.GetPartPeakBytes()),
			Limit: p.GetLimitBytes(), Peak: p.GetPeakBytes(), Killed: p.GetKilled(), TimedOut: p.GetTimedOut(),
			Shape: failure.ShapeFromProto(p.GetShape()), Class: failure.Class(p.GetClass()), Fingerprint: p.GetFingerprint(), Setting: p.GetSetting(),
		},
		Type: failure.TypeFromProto(p.GetType()), Number: int(p.GetAttempt()), Owner: p.GetOwner(), Told: wellknown.Time(p.GetToldTime()),
		Cores: p.GetCores(), Exit: p.ExitCode, Recommended: p.GetRecommended(), Model: p.GetModel(),
	}
	if p.GetFeatures() != nil {
		f := FeaturesFromProto(p.GetFeatures())
		r.Features = &f
	}
	return r
}
