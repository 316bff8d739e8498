package events

import (
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// maxName bounds names in a record, in bytes: longer ones are cut.
const maxName = 128

// record is what an event tells for trainings, besides what the history learns
// of the attempt; told is when it was sent.
func (o observation) record(a history.Attempt, told time.Time) record.Record {
	r := record.Record{Attempt: a, Type: o.kind, Number: o.attempt.Number, Told: told.UTC(), Cores: o.cores(), Owner: cut(o.owner)}
	r.Fingerprint = cut(r.Fingerprint)
	if o.evidence.ExitCode != nil {
		code := int32(*o.evidence.ExitCode)
		r.Exit = &code
	}
	if p := o.recommendation; p != nil {
		r.Recommended = recommended(p.GetOutcome())
		r.Model = cut(p.GetModelVersion())
		if p.GetFeatures() != nil {
			f := wire.FeaturesFromProto(p.GetFeatures())
			r.Features = &f
		}
	}
	return r
}

func recommended(o redrivev1.Recommendation_Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

// cores returns the most cores that any part of the job had.
func (o observation) cores() float64 {
	if s := o.evidence.Shape; s.Nodes > 0 {
		return s.Cores()
	}
	profile, err := engine.Lookup(o.kind.Engine)
	if err != nil {
		return 0
	}
	sizes, err := profile.Sizes(wire.Config(o.config))
	if err != nil {
		return 0
	}
	var most float64
	for _, size := range sizes {
		most = max(most, size.Cores)
	}
	return most
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxName)], "") }
