// Package features is what was known at the moment of a decision. It is logged
// with the decision, and that log is the row that a training sees: there is no
// second code that works it out later, and nothing in it comes from later.
package features

import (
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
)

// Version counts the changes of what the members mean.
const Version = 1

// Features is one row; proto/redrive/v1/features.proto says what each is. Bytes
// and seconds are 0 when unknown.
type Features struct {
	Version int
	Time    time.Time
	// Attempts of the job type that had ended; of them successes and failures for
	// memory.
	Observations, Successes, MemoryFailures int
	// Retries after this fingerprint.
	RetriesFailed, RetriesSucceeded int
	SameFailures                    int // failed attempts of the job with this fingerprint
	Attempt                         int
	InputBytes                      int64
	Proven, Seen, Median            int64 // bytes of Part
	Seconds                         float64
	Permanent                       float64
	Predictor                       string
	Part                            engine.Part
	// The chosen candidate.
	Chosen          int64 // bytes of Part
	Cores           float64
	FailProbability float64
	Raw             float64 // FailProbability before the model's calibration
	ExpectedCost    float64
	// Propensity is the probability with which it was to be chosen.
	Propensity float64
	Explored   bool
}
