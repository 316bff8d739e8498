package bus

import (
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

// action is what becomes of a delivery.
type action int

const (
	acknowledge action = iota // done
	again                     // deliver it again after a delay
	bury                      // move it to the dead letters
)

// settlement is the answer to a delivery.
type settlement struct {
	action  action
	delay   time.Duration // of again
	outcome string        // in the metrics
	pause   bool          // the consumer pauses
}

// situation is what is known when a handler has ended.
type situation struct {
	failures  int           // counted failures of this event, with this one
	conflicts int           // lost races of this event, with this one
	age       time.Duration // since the event was published
}

const (
	maxConflicts = 100
	// An event that is not there yet is tried again when it is half as old
	// again as now, within these bounds.
	notYetLeast, notYetMost = 100 * time.Millisecond, 10 * time.Second
	// A failure is tried again after least, each further one 3 times later.
	failureLeast, failureMost = 500 * time.Millisecond, 30 * time.Second
	// A lost race is tried again after least, doubled by every further one.
	conflictLeast, conflictMost = 20 * time.Millisecond, 5 * time.Second
)

// settle is the one place where the kind of a handler's error becomes the
// fate of the event. The delay of Unavailable is the consumer's pause, which
// the caller knows.
func settle(kind errs.Kind, s situation, c Consumer) settlement {
	switch kind {
	case errs.None:
		return settlement{action: acknowledge, outcome: "done"}
	case errs.Invalid:
		return settlement{action: bury, outcome: "dead"}
	case errs.Unavailable:
		return settlement{action: again, outcome: "unavailable", pause: true}
	case errs.NotFound:
		left := c.NotYet - s.age
		if left <= 0 {
			return settlement{action: bury, outcome: "dead"}
		}
		delay := min(max(s.age/2, notYetLeast), notYetMost)
		// The last try is just behind the deadline, not long behind it.
		return settlement{action: again, outcome: "not_yet", delay: min(delay, left+notYetLeast)}
	case errs.Conflict:
		if s.conflicts >= maxConflicts {
			return settlement{action: bury, outcome: "dead"}
		}
		return settlement{action: again, outcome: "conflict", delay: grown(conflictLeast, conflictMost, 2, s.conflicts)}
	default:
		if s.failures >= c.MaxFailures {
			return settlement{action: bury, outcome: "dead"}
		}
		return settlement{action: again, outcome: "failed", delay: grown(failureLeast, failureMost, 3, s.failures)}
	}
}

// grown is least for the first time, times factor for every further one, and
// at most most.
func grown(least, most time.Duration, factor, times int) time.Duration {
	d := least
	for i := 1; i < times && d < most; i++ {
		d *= time.Duration(factor)
	}
	return min(d, most)
}
