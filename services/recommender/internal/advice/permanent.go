package advice

import (
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// memoryRepeat is what one more failure of a memory class counts. Each retry
// had more memory, so that the same words again say less of the next one than
// they do where nothing was changed.
const memoryRepeat = 0.5

// permanent returns the probability that a retry fails whatever its
// configuration: what the model says of such failures, and the retries after
// this fingerprint. Those that this job has had already and those that the
// history tells are partly the same ones: the larger number counts.
func (r Request) permanent(k Knowledge, q search.Question) float64 {
	failed, succeeded := k.History.Retries(r.Fingerprint)
	repeats := float64(max(failed, r.SameFailures-1, 0))
	class, proof := r.Class, false
	switch {
	case q == search.MoreMemory:
		repeats *= memoryRepeat
		proof = r.Evidence.Reason == failure.OutOfMemory && r.Evidence.Proof != ""
		if !class.Memory() { // the evidence alone shows it
			class = failure.MemoryContainer
		}
	case class.Memory(): // there is nothing to change: memory is no remedy
		class = failure.Unknown
	}
	var exit *int32
	if r.Evidence.ExitCode != nil {
		code := int32(*r.Evidence.ExitCode)
		exit = &code
	}
	prior := k.Model.Permanent(class, exit, r.Owner, proof)
	return model.Beta{Failed: prior.Failed + repeats, Succeeded: prior.Succeeded + float64(succeeded)}.Mean()
}
