package model

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Beta counts retries that failed and that succeeded. The counts of a prior need
// not be whole: its mean is what is expected, their sum how many retries it
// takes to believe otherwise.
type Beta struct{ Failed, Succeeded float64 }

// Mean returns the probability of failing.
func (b Beta) Mean() float64 { return b.Failed / (b.Failed + b.Succeeded) }

// The priors, before any retry of any job type.
var (
	// A failure that nobody can explain mostly either always comes back or never
	// does: a U-shaped prior, with the mean one half.
	unexplained = Beta{0.2, 0.2}
	// A kill for memory with proof is mended by memory, 1 in 20 excepted.
	provenMemory = Beta{0.2, 4}
	// A rule that read it in a log may be mistaken a little more often.
	readMemory = Beta{0.5, 4}
)

// Proof is the key of retries after a kill for memory that the executor proved.
const Proof = "proof"

// ExitKey is the key of retries after an exit code.
func ExitKey(code int32) string { return "exit=" + strconv.Itoa(int(code)) }

// OwnerKey is the key of retries of an owner's jobs.
func OwnerKey(owner string) string { return "owner=" + owner }

// The mean of Permanent is never nearer to 0 or 1 than this: no number of
// retries of other job types makes this one certain.
const leastPermanent = 0.01

// Permanent returns the prior of a job type's own retries for the probability
// that a retry fails whatever its configuration. proof says that the executor
// proved a kill for memory; a nil exit and an empty owner are unknown.
//
// The mean of the class is that of the built-in prior with the retries seen
// after it. The exit code and the owner each move its odds by as much as the
// odds of their own retries differ, the class's mean counting as one of these;
// they are taken to be independent. How much one retry of the type's own weighs
// against this stays as in the built-in prior.
func (c Content) Permanent(class failure.Class, exit *int32, owner string, proof bool) Beta {
	prior, key := unexplained, ""
	switch {
	case proof:
		prior, key = provenMemory, Proof
	case class.Memory():
		prior = readMemory
	}
	seen := c.retries(class, key)
	mean := Beta{prior.Failed + seen.Failed, prior.Succeeded + seen.Succeeded}.Mean()
	odds := logit(mean)
	if exit != nil {
		odds += c.shift(class, ExitKey(*exit), mean)
	}
	if owner != "" {
		odds += c.shift(class, OwnerKey(owner), mean)
	}
	strength := prior.Failed + prior.Succeeded
	if odds != logit(mean) || seen != (Beta{}) {
		mean = min(max(logistic(odds), leastPermanent), 1-leastPermanent)
		return Beta{mean * strength, (1 - mean) * strength}
	}
	return prior
}

// shift returns by how much the log-odds of retries with a key differ from those
// of the mean of their class.
func (c Content) shift(class failure.Class, key string, mean float64) float64 {
	seen := c.retries(class, key)
	if seen == (Beta{}) {
		return 0
	}
	return logit(Beta{mean + seen.Failed, 1 - mean + seen.Succeeded}.Mean()) - logit(mean)
}

func (c Content) retries(class failure.Class, key string) Beta {
	i, ok := slices.BinarySearchFunc(c.Retries, Retries{Class: string(class), Key: key}, CompareRetries)
	if !ok {
		return Beta{}
	}
	return Beta{c.Retries[i].Failed, c.Retries[i].Succeeded}
}

// CompareRetries is the order of Content.Retries.
func CompareRetries(a, b Retries) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Key, b.Key))
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
