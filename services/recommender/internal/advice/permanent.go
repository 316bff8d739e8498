package advice

import (
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// beta counts retries that failed and that succeeded; the prior's counts need
// not be whole.
type beta struct{ failed, succeeded float64 }

func (b beta) mean() float64 { return b.failed / (b.failed + b.succeeded) }

// The priors, before any retry.
var (
	// A failure that nobody can explain mostly either always comes back or never
	// does: a U-shaped prior, with the mean one half.
	unexplained = beta{0.2, 0.2}
	// A kill for memory with proof is mended by memory, 1 in 20 excepted.
	provenMemory = beta{0.2, 4}
	// A rule that read it in a log may be mistaken a little more often.
	readMemory = beta{0.5, 4}
)

// memoryRepeat is what one more failure of a memory class counts. Each retry
// had more memory, so that the same words again say less of the next one than
// they do where nothing was changed.
const memoryRepeat = 0.5

// permanent returns the probability that a retry fails whatever its
// configuration. The retries that this job has had already and those that the
// history tells are partly the same ones: the larger number counts.
func (r Request) permanent(h history.History, q search.Question) float64 {
	failed, succeeded := h.Retries(r.Fingerprint)
	repeats := float64(max(failed, r.SameFailures-1, 0))
	p := unexplained
	if q == search.MoreMemory {
		p, repeats = readMemory, repeats*memoryRepeat
		if r.Evidence.Reason == failure.OutOfMemory && r.Evidence.Proof != "" {
			p = provenMemory
		}
	}
	return beta{p.failed + repeats, p.succeeded + float64(succeeded)}.mean()
}
