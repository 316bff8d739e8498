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
		o := &redrivev1.ObservedAttempt{
			Id: a.ID, Previous: a.Previous, Outcome: redrivev1.ObservedAttempt_Outcome(a.Outcome), EndTime: timestamppb.New(a.End),
			Seconds: a.Seconds, LimitBytes: a.Limit, PeakBytes: a.Peak, Killed: a.Killed, Class: string(a.Class), Fingerprint: a.Fingerprint, Setting: a.Setting,
		}
		for part, bytes := range a.Sizes {
			if o.PartBytes == nil {
				o.PartBytes = map[string]int64{}
			}
			o.PartBytes[string(part)] = bytes
		}
		p.Attempts = append(p.Attempts, o)
	}
	return p
}

// HistoryFromProto reads what is stored of a job type.
func HistoryFromProto(p *redrivev1.JobTypeHistory) history.History {
	h := history.History{Type: failure.TypeFromProto(p.GetType()), Updated: p.GetUpdateTime().AsTime()}
	for _, o := range p.GetAttempts() {
		a := history.Attempt{
			ID: o.GetId(), Previous: o.GetPrevious(), Outcome: history.Outcome(o.GetOutcome()), End: o.GetEndTime().AsTime(),
			Seconds: o.GetSeconds(), Limit: o.GetLimitBytes(), Peak: o.GetPeakBytes(), Killed: o.GetKilled(),
			Class: failure.Class(o.GetClass()), Fingerprint: o.GetFingerprint(), Setting: o.GetSetting(),
		}
		for part, bytes := range o.GetPartBytes() {
			if a.Sizes == nil {
				a.Sizes = map[engine.Part]int64{}
			}
			a.Sizes[engine.Part(part)] = bytes
		}
		h.Attempts = append(h.Attempts, a)
	}
	return h
}
