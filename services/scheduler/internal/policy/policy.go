// Package policy decides what happens after a failed attempt: whether there is
// a retry, when, and whether a human should look. It is pure: everything that
// it sees is in Inputs, which is recorded with the Decision.
package policy

import (
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Action is what happens.
type Action int

// The actions, as in proto/redrive/v1/scheduler.proto.
const (
	NoAction Action = iota
	Retry
	RetryWithConfig
	Stop
)

// Attention says whether a human should look.
type Attention int

// The degrees of attention, as in proto/redrive/v1/scheduler.proto.
const (
	AttentionUnset Attention = iota
	Nobody
	BeforeCap
	Permanent
)

// Overrides are a job's deviations from the default policy; nil and 0 keep the
// default.
type Overrides struct {
	UserRetries, SystemRetries, MemoryRetries, TimeoutRetries *int

	MinBackoff, MaxBackoff             time.Duration
	RunTimeout, QueueTimeout, Deadline time.Duration
	AlertAfter                         *int
}

// MaxRetries bounds every retry limit.
const MaxRetries = 99

// Bounds of delays.
const (
	DefaultMaxBackoff = time.Hour
	MaxRetryAfter     = 24 * time.Hour
)

// Verdict is what the classifier said of one failure.
type Verdict struct {
	Failure           string // "failures/{failure}"
	Class             failure.Class
	Category          failure.Category
	Verdict           failure.Verdict
	Patch             string // "patches/{patch}" or empty
	NotFeasible       bool
	NotFeasibleReason string
	RetryAfter        time.Duration
	// Degraded is true when no verdict came in time.
	Degraded bool
}

// Inputs is everything that Decide sees.
type Inputs struct {
	Now     time.Time
	Verdict Verdict
	// Class is what the class means here.
	Class Class
	// FailuresByClass counts failed attempts since the last human intervention,
	// this one included.
	FailuresByClass map[failure.Class]int
	Consecutive     int
	Overrides       Overrides
	BudgetStart     time.Time // since when the deadline counts
	Seed            uint64    // of the jitter
	Cancelled       bool
}

// Decision is what happens after one failed attempt, when, and why.
type Decision struct {
	Job         string // id
	Attempt     int
	Action      Action
	Due         time.Time // zero for Stop
	Reason      string
	Attention   Attention
	RetriesUsed int
	RetryLimit  int
	Inputs      Inputs
	Created     time.Time
}

// Decide is the retry policy. The same inputs give the same decision.
func Decide(in Inputs) Decision {
	d := Decision{Inputs: in, Created: in.Now}
	v := in.Verdict
	d.RetryLimit = in.limit()
	count := in.FailuresByClass[v.Class]
	d.RetriesUsed = min(count, d.RetryLimit)

	switch {
	case in.Cancelled:
		return d.stop(Nobody, "the job was cancelled")
	case v.Verdict == failure.DoNotRetry:
		return d.stop(in.permanent(), "a retry does not cure %s", v.Class)
	case v.NotFeasible:
		return d.stop(in.permanent(), "no configuration is worth a retry: %s", v.NotFeasibleReason)
	case v.Verdict == failure.RetryWithConfig && v.Patch == "":
		return d.stop(in.permanent(), "%s needs another configuration, and none could be made", v.Class)
	case d.RetryLimit == 0:
		return d.stop(in.permanent(), "no retry is allowed after %s", v.Class)
	case count > d.RetryLimit:
		return d.stop(in.permanent(), "all %d retries after %s are used up", d.RetryLimit, v.Class)
	}
	if used, limit := in.categoryUse(); used > limit {
		d.RetriesUsed, d.RetryLimit = limit, limit
		return d.stop(in.permanent(), "all %d retries after %s failures are used up", limit, v.Category)
	}

	d.Due = in.Now.Add(in.delay(count))
	if end := in.deadline(); !end.IsZero() && d.Due.After(end) {
		d.Due = time.Time{}
		return d.stop(in.permanent(), "the next retry would start after the job's deadline, %s", end.UTC().Format(time.RFC3339))
	}
	d.Action, d.Attention = Retry, in.attention(count, d.RetryLimit)
	d.Reason = fmt.Sprintf("retry %d of %d after %s", count, d.RetryLimit, v.Class)
	if v.Patch != "" && v.Verdict != failure.Retry && v.Verdict != failure.RetrySlowly {
		d.Action = RetryWithConfig
		d.Reason += ", with the configuration of " + v.Patch
	}
	if v.Degraded {
		d.Reason += "; no verdict came in time, so the plain policy decided"
	}
	return d
}

func (d Decision) stop(a Attention, format string, args ...any) Decision {
	d.Action, d.Attention, d.Reason = Stop, a, fmt.Sprintf(format, args...)
	return d
}

// permanent is the attention of a stop: everybody's, but for classes that are
// never told.
func (in Inputs) permanent() Attention {
	if in.alertAfter() == failure.NeverAlert {
		return Nobody
	}
	return Permanent
}

func (in Inputs) alertAfter() int {
	if o := in.Overrides.AlertAfter; o != nil && in.Class.AlertAfter != failure.NeverAlert {
		return *o
	}
	return in.Class.AlertAfter
}

// attention tells a human before the retries are used up, so that a fix can
// still save the job. A job with fewer retries than its class is told at its
// last one.
func (in Inputs) attention(count, limit int) Attention {
	after := in.alertAfter()
	if after == failure.NeverAlert {
		return Nobody
	}
	if after <= in.Class.Retries {
		after = min(after, limit)
	}
	if count >= after {
		return BeforeCap
	}
	return Nobody
}

// limit is the number of retries after failures of this class.
func (in Inputs) limit() int {
	if o := in.override(in.Verdict.Category); o != nil {
		return *o
	}
	return in.Class.Retries
}

// override is the job's own limit for a category; nil when it has none.
func (in Inputs) override(c failure.Category) *int {
	return [...]*int{nil, in.Overrides.UserRetries, in.Overrides.SystemRetries, in.Overrides.MemoryRetries, in.Overrides.TimeoutRetries}[budget(c)]
}

// budget says which of a job's own limits a category falls under; 0 is none.
func budget(c failure.Category) int {
	switch c {
	case failure.CategoryUser, failure.CategoryUnknown:
		return 1
	case failure.CategorySystem, failure.CategoryPreemption:
		return 2
	case failure.CategoryMemory:
		return 3
	case failure.CategoryTimeout:
		return 4
	}
	return 0
}

// DefaultCategoryRetries bounds the retries after all failures of one category,
// so that a job cannot go on for ever by failing in a new way each time.
const DefaultCategoryRetries = 10

// categoryUse returns how many failures of this category there were and how
// many may be. Failures of other categories do not burn its budget, unless the
// job has one limit for both: then it is for both together.
func (in Inputs) categoryUse() (used, limit int) {
	own := in.override(in.Verdict.Category)
	for class, n := range in.FailuresByClass {
		m, ok := failure.MeaningOf(class)
		shared := own != nil && budget(m.Category) == budget(in.Verdict.Category)
		if (ok && (m.Category == in.Verdict.Category || shared)) || class == in.Verdict.Class {
			used += n
		}
	}
	if own != nil {
		return used, *own
	}
	return used, max(DefaultCategoryRetries, in.Class.Retries)
}

func (in Inputs) deadline() time.Time {
	if in.Overrides.Deadline <= 0 {
		return time.Time{}
	}
	return in.BudgetStart.Add(in.Overrides.Deadline)
}

// delay is the time before retry n, counted from 1.
func (in Inputs) delay(n int) time.Duration {
	if after := in.Verdict.RetryAfter; after > 0 {
		// What the service asked for, and up to a tenth more, so that those who
		// were refused together do not come back together.
		after = min(after, MaxRetryAfter)
		return after + jitter(in.Seed, after/10)
	}
	b := Backoff{Base: in.Class.BaseDelay, Factor: in.Class.Factor, Cap: DefaultMaxBackoff}
	if in.Overrides.MinBackoff > 0 {
		b.Base = in.Overrides.MinBackoff
	}
	if in.Overrides.MaxBackoff > 0 {
		b.Cap = in.Overrides.MaxBackoff
	}
	return jitter(in.Seed, b.Delay(n))
}
