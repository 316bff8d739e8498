// Package wire translates between the recommender's own words and the messages
// of its API, its events and its documents.
package wire

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

const (
	failures = "failures/"
	models   = "models/"
)

// Request reads a request off the wire and checks it; field names it in errors,
// empty when it is the whole call.
func Request(p *redrivev1.RecommendRequest) (advice.Request, error) {
	id, ok := strings.CutPrefix(p.GetFailure(), failures)
	if p.GetFailure() != "" && (!ok || len(id) > 128) {
		return advice.Request{}, errs.Field("failure", "%.140q is not %q with an id of at most 128 characters", p.GetFailure(), failures+"{failure}")
	}
	r := advice.Request{
		FailureID: id, Type: failure.TypeFromProto(p.GetType()), Config: p.GetConfig().AsMap(), AttemptConfig: Config(p.GetAttemptConfig()),
		Evidence: failure.FromProto(p.GetEvidence()), Class: failure.Class(p.GetClass()), Fingerprint: p.GetFingerprint(),
		SameFailures: int(p.GetSameFailures()), Attempt: int(p.GetAttempt()), Setting: p.GetSetting(),
		Owner: p.GetOwner(), Shapes: shapesFromProto(p.GetShapes()), Failed: failedFromProto(p.GetFailedShapes()),
	}
	return r, r.Validate()
}

// SizeRequest writes a question about a first attempt as one about a failure of
// which nothing but the size of the input is known: that is how it is recorded.
func SizeRequest(p *redrivev1.RecommendSizeRequest) *redrivev1.RecommendRequest {
	return &redrivev1.RecommendRequest{
		Type: p.GetType(), Config: p.GetConfig(), Owner: p.GetOwner(), Class: string(failure.Unknown),
		Evidence: &redrivev1.Evidence{InputBytes: p.GetInputBytes()},
	}
}

// Config reads a configuration; it is nil when nothing is set in it.
func Config(p *structpb.Struct) map[string]any {
	if len(p.GetFields()) == 0 {
		return nil
	}
	return p.AsMap()
}

// Recommendation writes an answer, with the inputs that it was made from.
func Recommendation(r *redrivev1.RecommendRequest, rec advice.Record, a advice.Answer) (*redrivev1.Recommendation, error) {
	p := &redrivev1.Recommendation{
		Outcome: redrivev1.Recommendation_Outcome(a.Outcome), Reason: a.Reason, Current: candidate(a.Current),
		CandidateCount: int32(a.Count), Inputs: inputs(r, rec), ModelVersion: modelVersion(rec),
		Features: Features(a.Features), Factors: factors(rec.Factors),
	}
	if a.Chosen != nil {
		p.Chosen = candidate(*a.Chosen)
	}
	for _, c := range a.Best {
		p.Candidates = append(p.Candidates, candidate(c))
	}
	var err error
	p.Operations, err = Operations(a.Operations)
	return p, err
}

// Operations writes a change of a configuration.
func Operations(ops []engine.Operation) ([]*redrivev1.PatchOperation, error) {
	var all []*redrivev1.PatchOperation
	for _, op := range ops {
		o := &redrivev1.PatchOperation{Op: op.Op, Path: op.Path}
		if op.Op != "remove" {
			value, err := structpb.NewValue(op.Value)
			if err != nil {
				return nil, fmt.Errorf("write the value of %s: %w", op.Path, err)
			}
			o.Value = value
		}
		all = append(all, o)
	}
	return all, nil
}

func candidate(c search.Candidate) *redrivev1.Candidate {
	return &redrivev1.Candidate{
		MemoryBytes: c.Memory, Cores: c.Cores, FailProbability: c.FailProbability, ExpectedCost: c.ExpectedCost,
		Objective: c.Objective, TotalMemoryBytes: c.Total, Seconds: c.Seconds,
		Shape: c.Shape.Proto(), TaskCpus: c.TaskCPUs, Instances: int32(c.Instances), ShufflePartitions: int32(c.Partitions),
	}
}

// inputs keeps what the search saw. Log text is none of it.
func inputs(r *redrivev1.RecommendRequest, rec advice.Record) *redrivev1.RecommendationInputs {
	if len(r.GetEvidence().GetLogs()) > 0 {
		r = proto.CloneOf(r)
		r.Evidence.Logs = nil
	}
	return &redrivev1.RecommendationInputs{
		Request: r, MemoryNeed: Quantiles(rec.Need), PermanentProbability: rec.Permanent, ExpectedSeconds: rec.Seconds,
		Observations: int32(rec.Observations), Part: string(rec.Part), ProvenBytes: rec.Proven, SeenBytes: rec.Seen,
		Considered: int32(rec.Considered), First: rec.First, FailedShare: rec.FailedShare, Dice: rec.Dice, Model: models + rec.Model,
		Time: wellknown.Timestamp(rec.Time), Settings: settings(rec.Settings),
		ReachBytes: rec.Reach, Shapes: clusters(rec.Clusters), BeyondProbability: rec.Beyond, Calibration: corrections(rec.Calibration),
		Features: Features(rec.Features), Factors: factors(rec.Factors),
	}
}

// Quantiles writes a distribution.
func Quantiles(q need.Quantiles) []*redrivev1.Quantile {
	var all []*redrivev1.Quantile
	for _, point := range q {
		all = append(all, &redrivev1.Quantile{Probability: point.Probability, Bytes: point.Bytes})
	}
	return all
}

// Record reads back what a search saw and checks it: the request among it is
// for the caller to read.
func Record(p *redrivev1.RecommendationInputs) (advice.Record, error) {
	rec := advice.Record{
		Part: engine.Part(p.GetPart()), Proven: p.GetProvenBytes(), Seen: p.GetSeenBytes(), Permanent: p.GetPermanentProbability(),
		Seconds: p.GetExpectedSeconds(), Observations: int(p.GetObservations()), Considered: int(p.GetConsidered()),
		First: p.GetFirst(), FailedShare: p.GetFailedShare(), Dice: p.GetDice(), Model: strings.TrimPrefix(p.GetModel(), models), Time: wellknown.Time(p.GetTime()),
		Settings: settingsFromProto(p.GetSettings()),
		Reach:    p.GetReachBytes(), Beyond: p.GetBeyondProbability(), Clusters: clustersFromProto(p.GetShapes()), Features: FeaturesFromProto(p.GetFeatures()),
	}
	for _, c := range p.GetCalibration() {
		rec.Calibration = append(rec.Calibration, model.Point{Predicted: c.GetPredicted(), Observed: c.GetObserved()})
	}
	for _, f := range p.GetFactors() {
		rec.Factors = append(rec.Factors, advice.Factor{
			Name: f.GetName(), Value: f.GetValue(), Without: f.GetFailProbabilityWithout(), MemoryWithout: f.GetMemoryBytesWithout(),
		})
	}
	for _, q := range p.GetMemoryNeed() {
		rec.Need = append(rec.Need, need.Quantile{Probability: q.GetProbability(), Bytes: q.GetBytes()})
	}
	return rec, rec.Validate("inputs")
}

func corrections(c model.Calibration) (all []*redrivev1.CalibrationBin) {
	for _, p := range c {
		all = append(all, &redrivev1.CalibrationBin{Predicted: p.Predicted, Observed: p.Observed})
	}
	return all
}

func factors(of []advice.Factor) (all []*redrivev1.Factor) {
	for _, f := range of {
		all = append(all, &redrivev1.Factor{
			Name: f.Name, Value: f.Value, FailProbabilityWithout: f.Without, MemoryBytesWithout: f.MemoryWithout,
		})
	}
	return all
}
