package rightsize

import (
	"cmp"
	"math"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// Facts are what is known of a job type at one moment.
type Facts struct {
	Parts []Evidence
	// Fresh counts the successes since Sizing.Counted that had what runs have now,
	// and Newest is the end of the newest success.
	Fresh  int
	Newest time.Time
	Since  int    // successes since Sizing.Doubted; at most history.MaxAttempts
	Active string // the patch that applies to the type, whoever made it; empty for none
	Note   string // why there are no parts
}

// Alike reports whether recent runs have what is sized.
func (f Facts) Alike() bool {
	for _, e := range f.Parts {
		if e.Alike > 0 {
			return true
		}
	}
	return false
}

// Evidence is what runs say of one part.
type Evidence struct {
	Part engine.Part
	// Own and Present are bytes: by the jobs' own configuration, and what runs have
	// with the patch that applies.
	Own, Present int64
	Total        int64   // bytes that are paid for with Present
	Cores        float64 // that are paid for; 0 counts as one
	Copies       float64 // of the part that a run has at once, such as executors; 0 counts as one
	Seconds      float64 // mean run time
	// Needs are the distributions of the need, one for each of some recent inputs.
	Needs []need.Quantiles
	// Bounded says that the need is known at most. What was in use says then when
	// less would do, and never that more is needed.
	Bounded    bool
	Peak       int64 // bytes: the most that was measured
	Runs       int   // measured
	RunsPerDay float64
	// Alike is the share of the newest successes that had Own or Present; 1 where
	// there are too few to tell.
	Alike float64
	// Short is the most that a recent run had and lacked; 0 for none.
	Short int64
	// Least is what the rest of the configuration asks of the part.
	Least int64
	// Most bounds what it may be given, and Allowed, where only some totals are,
	// is all that it may be: bytes, ascending. Less than Present may be above Most.
	Most    int64
	Allowed []int64
}

// mib is what sizes are whole numbers of.
const mib = 1 << 20

func ceil(bytes float64) int64 { return int64(math.Ceil(bytes/mib)) * mib }

func floor(bytes float64) int64 { return int64(math.Floor(bytes/mib)) * mib }

// risk returns the probability that a run lacks memory when the part has bytes,
// in the mean over the inputs. It never rises with bytes.
func (e *Evidence) risk(bytes int64) float64 {
	sum := 0.0
	for _, q := range e.Needs {
		sum += q.Exceeds(float64(bytes))
	}
	return sum / float64(len(e.Needs))
}

// dollars returns what a run costs when the part has bytes, in the mean over the
// inputs: a run that lacks memory is paid for, and so is the retry after it, with
// the most that is foreseen, and a failure itself costs its weight.
func (e *Evidence) dollars(bytes int64, s Settings) float64 {
	sum, run := 0.0, e.run(bytes, s)
	for _, q := range e.Needs {
		p := q.Exceeds(float64(bytes))
		retry := e.run(max(bytes, q[len(q)-1].Bytes), s)
		sum += (1-p)*run + p*(s.FailedShare*run+retry+s.Weight)
	}
	return sum / float64(len(e.Needs))
}

// run returns what one whole run costs when the part has bytes.
func (e *Evidence) run(bytes int64, s Settings) float64 {
	hours := max(e.Seconds, s.MinSeconds) / 3600
	gib := float64(max(e.Total+bytes-e.Present, bytes)) / (1 << 30)
	return hours * cmp.Or(e.Copies, 1) * (gib*s.PerGiBHour + cmp.Or(e.Cores, 1)*s.PerCoreHour)
}

// month is that of a saving, in days.
const month = 30

// saving returns what it brings that the part has after instead of before.
func (e *Evidence) saving(before, after int64, s Settings) Saving {
	return Saving{
		DollarsPerMonth: (e.dollars(before, s) - e.dollars(after, s)) * e.RunsPerDay * month,
		Before:          before, After: after, FailBefore: e.risk(before), FailAfter: e.risk(after), Runs: e.Runs,
	}
}
