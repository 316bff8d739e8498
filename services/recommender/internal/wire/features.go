package wire

import (
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
)

// Features writes what was known when a decision was made.
func Features(f features.Features) *redrivev1.Features {
	return &redrivev1.Features{
		Version: int32(f.Version), Time: wellknown.Timestamp(f.Time), Observations: int32(f.Observations), Successes: int32(f.Successes),
		MemoryFailures: int32(f.MemoryFailures), RetriesFailed: int32(f.RetriesFailed), RetriesSucceeded: int32(f.RetriesSucceeded),
		SameFailures: int32(f.SameFailures), Attempt: int32(f.Attempt), InputBytes: f.InputBytes, ProvenBytes: f.Proven,
		SeenBytes: f.Seen, MedianBytes: f.Median, ExpectedSeconds: f.Seconds, PermanentProbability: f.Permanent,
		Predictor: f.Predictor, Part: string(f.Part), ChosenBytes: f.Chosen, ChosenCores: f.Cores,
		FailProbability: f.FailProbability, ExpectedCost: f.ExpectedCost, Propensity: f.Propensity, Explored: f.Explored, RawProbability: f.Raw,
	}
}

// FeaturesFromProto reads what was known when a decision was made.
func FeaturesFromProto(p *redrivev1.Features) features.Features {
	return features.Features{
		Version: int(p.GetVersion()), Time: wellknown.Time(p.GetTime()), Observations: int(p.GetObservations()),
		Successes: int(p.GetSuccesses()), MemoryFailures: int(p.GetMemoryFailures()), RetriesFailed: int(p.GetRetriesFailed()),
		RetriesSucceeded: int(p.GetRetriesSucceeded()), SameFailures: int(p.GetSameFailures()), Attempt: int(p.GetAttempt()),
		InputBytes: p.GetInputBytes(), Proven: p.GetProvenBytes(), Seen: p.GetSeenBytes(), Median: p.GetMedianBytes(),
		Seconds: p.GetExpectedSeconds(), Permanent: p.GetPermanentProbability(), Predictor: p.GetPredictor(),
		Part: engine.Part(p.GetPart()), Chosen: p.GetChosenBytes(), Cores: p.GetChosenCores(),
		FailProbability: p.GetFailProbability(), ExpectedCost: p.GetExpectedCost(), Propensity: p.GetPropensity(), Explored: p.GetExplored(), Raw: p.GetRawProbability(),
	}
}
