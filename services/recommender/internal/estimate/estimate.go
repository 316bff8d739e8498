// Package estimate keeps what estimators have learnt of the job types that are
// asked about, so that a question costs what was learnt since the last one and
// not the whole history again.
package estimate

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"

	"github.com/redrive-io/redrive/pkg/recent"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// mostKept bounds the job types whose estimators are kept: the ones that were
// asked about last, at most twice as many. Each has two of some 100 KiB.
const mostKept = 128

// Estimators keeps estimators by job type. What it returns depends on the
// history and the prices alone, never on what was asked before. Its methods may
// be called concurrently.
type Estimators struct {
	kept  *recent.Values[state]
	alone bool
}

// New returns estimators that have learnt nothing.
func New() *Estimators { return &Estimators{kept: recent.New[state](mostKept)} }

// Alone is New for one caller alone, who lets go of what Of returned before
// asking about the same job type again: that one is taught on, where others
// would need a copy.
func Alone() *Estimators { return &Estimators{kept: recent.New[state](mostKept), alone: true} }

// state is what was learnt of one job type, for these prices.
type state struct {
	prices  need.Prices
	history history.History // that newest has learnt
	// newest has learnt all runs that there were; settled those that were no longer
	// among the newest attempts. An attempt that is heard of late comes in between
	// the newest ones: then learning begins again from settled.
	newest, settled learnt
}

// learnt is an estimator that learns no more, and which runs it has learnt.
type learnt struct {
	*need.Estimator
	runs   int
	digest uint64 // of the runs in their order
}

// Of returns an estimator that has learnt all runs of a history, which nobody
// may teach more; nil when there are none.
func (e *Estimators) Of(h history.History, p need.Prices) *need.Estimator {
	key := h.Type.Key()
	known, ok := e.kept.Get(key)
	if !ok || known.prices != p {
		known = state{prices: p}
	}
	if identical(known.history, h) {
		return known.newest.Estimator
	}
	told := tellings.Get().(*telling)
	defer tellings.Put(told)
	told.of(h)
	runs, digests := told.runs, told.digests
	if len(runs) == 0 {
		return nil
	}
	known.history = h
	switch {
	case known.newest.learntFirst(digests):
		if !e.alone && known.newest.runs < len(runs) { // an attempt may have taught nothing
			known.newest = known.newest.copied()
		}
		known.newest = known.newest.with(runs, digests)
	default:
		if !known.settled.learntFirst(digests) {
			known.settled = learnt{Estimator: need.NewEstimator(p)}
		}
		past := len(h.Past.Runs)
		known.settled = known.settled.copied().with(runs[:past], digests)
		known.newest = known.settled.copied().with(runs, digests)
	}
	e.kept.Put(key, known)
	return known.newest.Estimator
}

// learntFirst reports whether l has learnt the first of the runs with these
// digests, and no others.
func (l learnt) learntFirst(digests []uint64) bool {
	return l.Estimator != nil && (l.runs == 0 || l.runs <= len(digests) && digests[l.runs-1] == l.digest)
}

// copied returns l with an estimator of its own.
func (l learnt) copied() learnt {
	l.Estimator = l.Clone()
	return l
}

// with returns l after its estimator has learnt the rest of runs.
func (l learnt) with(runs []history.Run, digests []uint64) learnt {
	if l.runs >= len(runs) {
		return l
	}
	for _, r := range runs[l.runs:] {
		l.Learn(need.Run{Input: r.Input, Peak: r.Peak, Seconds: float64(r.Seconds)})
	}
	return learnt{l.Estimator, len(runs), digests[len(runs)-1]}
}

// identical reports whether g and h are one, not only alike. Histories are not
// changed once they are made, so that this holds of what they say.
func identical(g, h history.History) bool {
	same := func(n, m int, equal func() bool) bool { return n == m && (n == 0 || equal()) }
	return len(g.Attempts) > 0 &&
		same(len(g.Attempts), len(h.Attempts), func() bool { return &g.Attempts[0] == &h.Attempts[0] }) &&
		same(len(g.Past.Runs), len(h.Past.Runs), func() bool { return &g.Past.Runs[0] == &h.Past.Runs[0] })
}

// telling is all runs of a history, and of each a digest of it and all before
// it. It is kept for the next question: what a history is asked for most.
type telling struct {
	runs    []history.Run
	digests []uint64
}

var tellings = sync.Pool{New: func() any { return new(telling) }}

func (t *telling) of(h history.History) {
	t.runs, t.digests = h.AppendRuns(t.runs[:0]), t.digests[:0]
	d := seed
	for _, r := range t.runs {
		d = mix(d, uint64(r.Nanos), uint64(r.ID)<<32|uint64(math.Float32bits(r.Seconds)))
		d = mix(d, uint64(r.Input), uint64(r.Peak))
		t.digests = append(t.digests, d)
	}
}

var seed = rand.Uint64()

// mix returns a digest of three numbers, by a product of 128 bits folded.
func mix(d, a, b uint64) uint64 {
	high, low := bits.Mul64(d^a^0x9e3779b97f4a7c15, bits.RotateLeft64(d, 32)^b^0xbf58476d1ce4e5b9)
	return high ^ low
}
