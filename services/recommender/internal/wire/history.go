package wire

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// History writes what is stored of a job type.
func History(h history.History) *redrivev1.JobTypeHistory {
	p := &redrivev1.JobTypeHistory{Type: h.Type.Proto(), UpdateTime: timestamppb.New(h.Updated)}
	for _, a := range h.Attempts {
		p.Attempts = append(p.Attempts, &redrivev1.ObservedAttempt{
			Id: a.ID, Previous: a.Previous, Outcome: redrivev1.ObservedAttempt_Outcome(a.Outcome), EndTime: timestamppb.New(a.End),
			Seconds: a.Seconds, InputBytes: a.Input, PartBytes: amounts(a.Sizes), PartPeakBytes: amounts(a.Peaks),
			LimitBytes: a.Limit, PeakBytes: a.Peak, Killed: a.Killed, TimedOut: a.TimedOut, Shape: a.Shape.Proto(),
			Class: string(a.Class), Fingerprint: a.Fingerprint, Setting: a.Setting,
		})
	}
	return p
}

// HistoryFromProto reads what is stored of a job type.
func HistoryFromProto(p *redrivev1.JobTypeHistory) history.History {
	h := history.History{Type: failure.TypeFromProto(p.GetType()), Updated: p.GetUpdateTime().AsTime()}
	for _, o := range p.GetAttempts() {
		h.Attempts = append(h.Attempts, history.Attempt{
			ID: o.GetId(), Previous: o.GetPrevious(), Outcome: history.Outcome(o.GetOutcome()), End: o.GetEndTime().AsTime(),
			Seconds: o.GetSeconds(), Input: o.GetInputBytes(), Sizes: Parts(o.GetPartBytes()), Peaks: Parts(o.GetPartPeakBytes()),
			Limit: o.GetLimitBytes(), Peak: o.GetPeakBytes(), Killed: o.GetKilled(), TimedOut: o.GetTimedOut(),
			Shape: failure.ShapeFromProto(o.GetShape()),
			Class: failure.Class(o.GetClass()), Fingerprint: o.GetFingerprint(), Setting: o.GetSetting(),
		})
	}
	return h
}

func amounts(of map[engine.Part]int64) map[string]int64 {
	if len(of) == 0 {
		return nil
	}
	all := make(map[string]int64, len(of))
	for part, bytes := range of {
		all[string(part)] = bytes
	}
	return all
}

// Parts reads amounts of memory by part; nil for none.
func Parts(of map[string]int64) map[engine.Part]int64 {
	if len(of) == 0 {
		return nil
	}
	all := make(map[engine.Part]int64, len(of))
	for part, bytes := range of {
		all[engine.Part(part)] = bytes
	}
	return all
}
