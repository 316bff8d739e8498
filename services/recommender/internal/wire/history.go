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
	p.Runs = runs(h.Past)
	return p
}

// HistoryFromProto reads what is stored of a job type.
func HistoryFromProto(p *redrivev1.JobTypeHistory) history.History {
	h := history.History{Type: failure.TypeFromProto(p.GetType()), Updated: p.GetUpdateTime().AsTime(), Past: past(p.GetRuns())}
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

// runs writes what was measured before the newest attempts; nil for nothing.
func runs(p history.Past) *redrivev1.MeasuredRuns {
	n := len(p.Runs)
	if n == 0 {
		return nil
	}
	m := &redrivev1.MeasuredRuns{
		EndNanos: make([]int64, n), Ids: make([]uint32, n), InputBytes: make([]int64, n), PeakBytes: make([]int64, n), Seconds: make([]float32, n),
		DroppedNanos: p.Dropped.Nanos, DroppedId: p.Dropped.ID,
	}
	before := int64(0)
	for i, r := range p.Runs {
		m.EndNanos[i], m.Ids[i], m.InputBytes[i], m.PeakBytes[i], m.Seconds[i] = r.Nanos-before, r.ID, r.Input, r.Peak, r.Seconds
		before = r.Nanos
	}
	return m
}

// past reads what was measured before the newest attempts. Runs of which a
// member is missing are left out.
func past(m *redrivev1.MeasuredRuns) history.Past {
	p := history.Past{Dropped: history.Mark{Nanos: m.GetDroppedNanos(), ID: m.GetDroppedId()}}
	n := min(len(m.GetEndNanos()), len(m.GetIds()), len(m.GetInputBytes()), len(m.GetPeakBytes()), len(m.GetSeconds()))
	if n == 0 {
		return p
	}
	p.Runs = make([]history.Run, n)
	nanos := int64(0)
	for i := range p.Runs {
		nanos += m.GetEndNanos()[i]
		p.Runs[i] = history.Run{
			Mark: history.Mark{Nanos: nanos, ID: m.GetIds()[i]}, Input: m.GetInputBytes()[i], Peak: m.GetPeakBytes()[i], Seconds: m.GetSeconds()[i],
		}
	}
	return p
}
