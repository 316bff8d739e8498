package advice

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// known returns what is known before anything is chosen.
func (k Knowledge) known(r Request, rec Record, predictor string) features.Features {
	ended, succeeded, memory := k.History.Count()
	failed, mended := k.History.Retries(r.Fingerprint)
	return features.Features{
		Version: features.Version, Time: rec.Time, Observations: ended, Successes: succeeded, MemoryFailures: memory,
		RetriesFailed: failed, RetriesSucceeded: mended, SameFailures: r.SameFailures, Attempt: r.Attempt,
		InputBytes: r.Evidence.InputBytes, Proven: rec.Proven, Seen: rec.Seen, Median: median(rec.Need), Seconds: rec.Seconds,
		Permanent: rec.Permanent, Predictor: predictor, Part: rec.Part,
	}
}

// median returns the middle of a distribution; 0 when there is none.
func median(q need.Quantiles) int64 {
	for _, p := range q {
		if p.Probability >= 0.5 {
			return p.Bytes
		}
	}
	if len(q) == 0 {
		return 0
	}
	return q[len(q)-1].Bytes
}

// chosen returns the features of a record with what a search chose.
func (rec Record) chosen(r Request, a search.Answer) features.Features {
	f := rec.Features
	if a.Chosen == nil {
		return f
	}
	f.Raw = a.Chosen.FailProbability
	if len(rec.Calibration) > 0 {
		if in, err := r.uncorrected(rec); err == nil {
			f.Raw = in.Score(a.Chosen.Size).FailProbability
		}
	}
	f.Chosen, f.Cores = a.Chosen.Memory, a.Chosen.Cores
	f.FailProbability, f.ExpectedCost = a.Chosen.FailProbability, a.Chosen.ExpectedCost
	f.Propensity, f.Explored = a.Propensity, a.Explored
	return f
}

// dice returns a number from 0 up to but not 1 that depends on the failure
// alone: asked again, the same is chosen.
func dice(failureID string) float64 {
	sum := sha256.Sum256([]byte(failureID))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
