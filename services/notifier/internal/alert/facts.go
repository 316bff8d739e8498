package alert

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Point is a place in the life of a job: an attempt, and a revision of the job.
type Point struct {
	Attempt  int
	Revision int64
}

// Through is the point after everything that belongs to an attempt.
func Through(attempt int) Point { return Point{attempt, math.MaxInt64} }

// start is the point before everything.
var start = Point{Attempt: -1}

// Compare orders points by attempt, then by revision.
func (p Point) Compare(q Point) int {
	return cmp.Or(cmp.Compare(p.Attempt, q.Attempt), cmp.Compare(p.Revision, q.Revision))
}

// Failure is one failed attempt and the decision on it.
type Failure struct {
	Attempt  int
	Revision int64 // of the job, when the decision was made

	Name     string // "failures/{failure}"
	Source   string // who ran the attempt
	Type     failure.Type
	Owner    string
	Class    failure.Class
	Category failure.Category
	Verdict  failure.Verdict

	Attention   Attention
	Stopped     bool // no retry follows
	Cancelled   bool // the job was being cancelled
	Degraded    bool
	Consecutive int // failures in a row, this one included
	RetriesUsed int
	RetryLimit  int
	NextRetry   time.Time // zero when Stopped

	Reason  string // of the decision
	Summary string // what happened
	Runbook string
	Patch   string // "patches/{patch}" or empty
	Excerpt []string
	Time    time.Time // of the decision
}

// Stop says that a job stopped for good. Usually a Failure with the same
// attempt says why; a deadline may stop a job without one.
type Stop struct {
	Point  Point
	Reason string
	Source string
	Type   failure.Type
	Time   time.Time
	// Attention is what it is worth; unset is what a job that stopped is worth.
	Attention Attention
}

// End says that whatever was wrong up to a point is over. It covers failures by
// their attempt, and stops by the whole point: a failure belongs to its attempt
// however late the decision on it is made, while a job may stop again, for
// another reason, without a new attempt.
type End struct {
	Point Point
	Cause Cause
	By    string
	Time  time.Time
}

func (e End) coversFailure(attempt int) bool { return attempt <= e.Point.Attempt }

func (e End) coversStop(p Point) bool { return p.Compare(e.Point) <= 0 }

// Bounds of what is remembered of one job. Beyond them the oldest details are
// forgotten and only counted.
const (
	MaxFailures = 64
	maxStops    = 32
	maxEnds     = 64
)

// Facts is everything known about one job that its alerts are made from. The
// zero value, with its Job, knows nothing. Adding facts in any order, any
// number of times, gives the same Facts, as long as no more than MaxFailures
// are out of order.
type Facts struct {
	Job      string    // "jobs/{job}", or Models
	Failures []Failure // by attempt, one an attempt
	Stops    []Stop    // by point
	Ends     []End     // by point

	// Floor is the end of the last episode that was forgotten; what is at or
	// before it is ignored. Nil when nothing was forgotten.
	Floor *Point
	// Folded counts failures of the oldest episode that are known no more in
	// detail, FoldedThrough is the last of them, and FoldedReached what they
	// and forgotten stops were worth.
	Folded        int
	FoldedThrough int
	FoldedReached []Severity

	// Open are the alerts of this job that are not resolved, by what names them.
	Open []Point

	Updated time.Time
}

// Rate says what a failure is worth. It must be pure.
type Rate func(Failure) Severity

// AddFailure adds a failure. Of two about the same attempt the one with the
// later revision is kept.
func (f *Facts) AddFailure(add Failure, rate Rate) {
	if f.Floor != nil && add.Attempt <= f.Floor.Attempt || add.Attempt <= f.FoldedThrough {
		return
	}
	i, known := slices.BinarySearchFunc(f.Failures, add.Attempt, func(x Failure, attempt int) int { return cmp.Compare(x.Attempt, attempt) })
	switch {
	case !known:
		f.Failures = slices.Insert(slices.Clone(f.Failures), i, add)
	case add.Revision > f.Failures[i].Revision:
		f.Failures = slices.Clone(f.Failures)
		f.Failures[i] = add
	}
	f.bound(rate)
}

// AddStop adds a stop.
func (f *Facts) AddStop(add Stop, rate Rate) {
	if f.forgotten(add.Point) {
		return
	}
	i, known := slices.BinarySearchFunc(f.Stops, add.Point, func(x Stop, p Point) int { return x.Point.Compare(p) })
	if !known {
		f.Stops = slices.Insert(slices.Clone(f.Stops), i, add)
	}
	f.bound(rate)
}

// AddEnd adds an end. Of two at the same point the one whose cause is smaller
// is kept.
func (f *Facts) AddEnd(add End, rate Rate) {
	if f.forgotten(add.Point) {
		return
	}
	i, known := slices.BinarySearchFunc(f.Ends, add.Point, func(x End, p Point) int { return x.Point.Compare(p) })
	switch {
	case !known:
		f.Ends = slices.Insert(slices.Clone(f.Ends), i, add)
	case add.Cause < f.Ends[i].Cause:
		f.Ends = slices.Clone(f.Ends)
		f.Ends[i] = add
	}
	f.bound(rate)
}

// Early reports whether a stop came before the failure that it may come from:
// what it is worth is not known yet.
func (f Facts) Early(s Stop) bool {
	if s.Point.Attempt < 1 || s.Point.Attempt <= f.FoldedThrough || f.forgotten(s.Point) {
		return false
	}
	if slices.ContainsFunc(f.Ends, func(e End) bool { return e.coversStop(s.Point) }) {
		return false
	}
	_, known := f.Failure(s.Point.Attempt)
	return !known
}

// Failure returns the failure of an attempt.
func (f Facts) Failure(attempt int) (Failure, bool) {
	i := slices.IndexFunc(f.Failures, func(x Failure) bool { return x.Attempt == attempt })
	if i < 0 {
		return Failure{}, false
	}
	return f.Failures[i], true
}

func (f Facts) forgotten(p Point) bool { return f.Floor != nil && p.Compare(*f.Floor) <= 0 }

// bound forgets the oldest episode while it is over and there is too much, and
// else folds what is oldest.
func (f *Facts) bound(rate Rate) {
	for len(f.Failures) > MaxFailures || len(f.Stops) > maxStops || len(f.Ends) > maxEnds {
		switch {
		case len(f.Ends) > 0:
			f.forgetEpisode()
		case len(f.Failures) > MaxFailures:
			oldest := f.Failures[0]
			if s := rate(oldest); s != None {
				f.reached(s)
				f.Folded++
			}
			f.FoldedThrough = oldest.Attempt
			f.Failures = slices.Clone(f.Failures[1:])
		default:
			f.reached(f.stopSeverity(f.Stops[0], rate))
			f.Stops = slices.Clone(f.Stops[1:])
		}
	}
}

func (f *Facts) forgetEpisode() {
	end := f.Ends[0]
	f.Failures = slices.DeleteFunc(slices.Clone(f.Failures), func(x Failure) bool { return end.coversFailure(x.Attempt) })
	f.Stops = slices.DeleteFunc(slices.Clone(f.Stops), func(x Stop) bool { return end.coversStop(x.Point) })
	f.Ends = slices.Clone(f.Ends[1:])
	f.Floor = &end.Point
	f.Folded, f.FoldedThrough, f.FoldedReached = 0, 0, nil
}

func (f *Facts) reached(s Severity) {
	if s != None && !slices.Contains(f.FoldedReached, s) {
		f.FoldedReached = append(slices.Clone(f.FoldedReached), s)
		slices.Sort(f.FoldedReached)
	}
}

// stopSeverity is what a stop is worth: as much as a failure after which no
// retry follows, unless nobody wants to know of the failure that it comes from.
func (f Facts) stopSeverity(s Stop, rate Rate) Severity {
	from, known := f.Failure(s.Point.Attempt)
	if !known {
		from = Failure{Source: s.Source, Type: s.Type, Class: failure.Unknown}
	} else if rate(from) == None {
		return None
	}
	from.Attention, from.Stopped = cmp.Or(s.Attention, Permanent), true
	return rate(from)
}
