// Package record is what one attempt taught, and what was known and decided
// after it: the rows that models are trained and audited on. A record is written
// once and never changed.
package record

import (
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// Record is one attempt, and what was decided when it had failed.
type Record struct {
	history.Attempt
	Type   failure.Type
	Number int    // of the attempt, from 1
	Owner  string // known of failures alone
	// Told is when the event that taught it was sent. Records are learnt in this
	// order, so that one that was long under way is not missed.
	Told  time.Time
	Cores float64 // that it had; 0 when unknown
	Exit  *int32  // nil when it did not exit by itself
	// Recommended is Change, Keep or NotFeasible, empty where nothing was asked.
	Recommended string
	Model       string             // Recommendation.model_version
	Features    *features.Features // what was known then; nil where nothing was asked
}

// The values of Recommended.
const (
	Change      = "change"
	Keep        = "keep"
	NotFeasible = "not_feasible"
)

// RanOut reports whether it failed for memory.
func (r Record) RanOut() bool {
	return r.Outcome == history.Failed && (r.Killed || r.Class.Memory())
}

// Again reports whether r, a retry after p, failed as p did. It is not told when
// r failed of something else.
func (r Record) Again(p Record) (again, told bool) {
	switch {
	case r.Outcome == history.Succeeded:
		return false, true
	case r.Fingerprint != "" && r.Fingerprint == p.Fingerprint, r.RanOut() && p.RanOut():
		return true, true
	}
	return false, false
}
