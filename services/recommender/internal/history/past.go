package history

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// Bounds of Past.Runs. With those among the newest MaxAttempts there are some
// need.MaxRuns to look back to at least, once there were so many.
const (
	fewestRuns = need.MaxRuns - MaxAttempts
	mostRuns   = fewestRuns + 256
)

// Past is what is kept of the attempts before the newest MaxAttempts: of each
// success that was measured, its run.
type Past struct {
	Runs []Run // by Mark
	// Dropped is the newest run that was let go of, zero while none was. What
	// ended before it is not learnt again.
	Dropped Mark
}

// Run is a success whose need of memory was measured.
type Run struct {
	Mark
	Input   int64 // bytes; 0 when unknown
	Peak    int64 // bytes
	Seconds float32
}

// Mark is the place of an attempt in the order of their ends.
type Mark struct {
	Nanos int64  // of the end, since 1970
	ID    uint32 // the beginning of the attempt's id
}

func (m Mark) compare(n Mark) int {
	return cmp.Or(cmp.Compare(m.Nanos, n.Nanos), cmp.Compare(m.ID, n.ID))
}

// mark returns the place of an attempt. One without an end is before all others.
func (a Attempt) mark() Mark {
	m := Mark{ID: beginning(a.ID)}
	if a.End.After(time.Unix(0, 0)) {
		m.Nanos = a.End.UnixNano()
	}
	return m
}

// beginning returns the first 32 bits of an id, which is hexadecimal when
// failure.Attempt.FailureID made it.
func beginning(id string) uint32 {
	if n, err := strconv.ParseUint(id[:min(len(id), 8)], 16, 32); err == nil && len(id) >= 8 {
		return uint32(n)
	}
	sum := fnv.New32a()
	sum.Write([]byte(id))
	return sum.Sum32()
}

// with returns p with more runs, in any order. Those that it has, and those that
// are no newer than what it dropped, change nothing.
func (p Past) with(more []Run) Past {
	runs, own := p.Runs, false
	for _, r := range more {
		if p.Dropped != (Mark{}) && r.compare(p.Dropped) <= 0 {
			continue
		}
		i, known := slices.BinarySearchFunc(runs, r.Mark, func(a Run, m Mark) int { return a.compare(m) })
		if known {
			continue
		}
		if !own {
			runs, own = append(make([]Run, 0, len(runs)+len(more)), runs...), true
		}
		runs = slices.Insert(runs, i, r)
	}
	p.Runs = runs
	return p.bounded()
}

// bounded returns p without its oldest runs, when there are too many. Letting go
// of one at each new run would make an estimator, which learns in order, begin
// anew each time. So the first run that is kept is the one with the least id
// among all that it may be: the same one for some hundred new runs, and for
// whoever has learnt the same attempts in whatever order.
func (p Past) bounded() Past {
	if len(p.Runs) <= mostRuns && p.Dropped == (Mark{}) {
		return p
	}
	first := max(len(p.Runs)-mostRuns, 0)
	for i := first; i < len(p.Runs)-fewestRuns; i++ {
		if p.Runs[i].ID < p.Runs[first].ID {
			first = i
		}
	}
	if first > 0 {
		p.Dropped, p.Runs = p.Runs[first-1].Mark, p.Runs[first:]
	}
	return p
}

func (p Past) same(q Past) bool { return p.Dropped == q.Dropped && slices.Equal(p.Runs, q.Runs) }
