package stats

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
)

// Lag is how old a failure, or what is noted of one, is at least before it is
// counted: one that is stored later than the time that it says would be passed
// by. A replica whose clock is further behind than that is counted in part.
const Lag = 10 * time.Second

const (
	// stepMost bounds the failures, and the outcomes, of one step.
	stepMost = 200
	// touchedMost bounds the rules whose counters one commit writes.
	touchedMost = 600
)

// Place is how far failures are counted.
type Place struct {
	Cursor       string    // of the list of failures in order of time
	Since, Until time.Time // what is counted
	Version      int64     // of the document; 0 is not stored
}

// Ending is what is noted of the retry after one failure.
type Ending struct {
	Failure string
	Note    outcome.Note
	Counted outcome.Outcome // what the counters have of it
	Version int64
}

// Step is what one commit changes.
type Step struct {
	Place    *Place              // nil: as it was
	Counters map[string]Counters // to add, by rule
	// Failed are the failures whose retry failed, with how long it ran.
	Failed map[string]float64
	// Counted are the endings that Counters has now.
	Counted []Ending
}

// Store keeps the counters. Commit does all of a step or nothing; it is
// errs.Conflict when the place or an ending has another version, or counters
// were changed meanwhile.
type Store interface {
	Place(ctx context.Context) (Place, error)
	// After returns failures in order of time behind a cursor, until before a
	// time. One that cannot be read matched nothing, at the
	// zero time.
	After(ctx context.Context, cursor string, until time.Time, limit int) ([]Classified, error)
	// Classified returns a failure, or errs.NotFound.
	Classified(ctx context.Context, id string) (Classified, error)
	// Endings returns what was noted until a time and is not counted.
	Endings(ctx context.Context, until time.Time, limit int) ([]Ending, error)
	Commit(ctx context.Context, s Step, now time.Time) error
}

// Walker counts. One replica at a time should; two do no harm.
type Walker struct {
	Store Store
	// Reading is how long the reading of a failure's logs may take: it says the
	// time before.
	Reading time.Duration
}

// Step counts some failures and some outcomes, and reports whether there may be
// more. What another replica counted first is no error.
func (w Walker) Step(ctx context.Context, now time.Time) (more bool, err error) {
	a, err := w.failures(ctx, now)
	if err != nil {
		return false, ignoreConflict(err)
	}
	b, err := w.endings(ctx, now)
	return a || b, ignoreConflict(err)
}

func ignoreConflict(err error) error {
	if errs.Is(err, errs.Conflict) {
		return nil
	}
	return err
}

func (w Walker) failures(ctx context.Context, now time.Time) (more bool, err error) {
	place, err := w.Store.Place(ctx)
	if err != nil {
		return false, err
	}
	until := now.Add(-Lag - w.Reading)
	found, err := w.Store.After(ctx, place.Cursor, until, stepMost)
	if err != nil || len(found) == 0 && place.Version > 0 {
		return false, err
	}
	if place.Version == 0 {
		if place.Since = until; len(found) > 0 {
			place.Since = found[0].Time
		}
	}
	counted, failed := ledger{}, map[string]float64{}
	for i := range found {
		f := &found[i]
		counted.classified(f)
		if before := f.Attempt; before.Number > 1 {
			before.Number--
			failed[before.FailureID()] = f.Seconds
		}
		if place.Cursor = f.Cursor; f.Time.After(place.Until) {
			place.Until = f.Time
		}
		if more = len(counted) > touchedMost; more {
			break
		}
	}
	more = more || len(found) == stepMost
	return more, w.Store.Commit(ctx, Step{Place: &place, Counters: counted.values(), Failed: failed}, now)
}

func (w Walker) endings(ctx context.Context, now time.Time) (more bool, err error) {
	found, err := w.Store.Endings(ctx, now.Add(-Lag), stepMost)
	if err != nil || len(found) == 0 {
		return false, err
	}
	step, counted := Step{}, ledger{}
	for _, e := range found {
		f, err := w.Store.Classified(ctx, e.Failure)
		switch {
		case err == nil:
			counted.ended(&f, outcome.Result{Note: outcome.Note{Outcome: e.Counted}}, -1)
			counted.ended(&f, outcome.Result{Note: e.Note, Changed: e.Note.Changed(f.Config)}, 1)
		case !errs.Is(err, errs.NotFound): // it was never told, or is purged
			return false, err
		}
		e.Counted = e.Note.Outcome
		step.Counted = append(step.Counted, e)
		if more = len(counted) > touchedMost; more {
			break
		}
	}
	step.Counters = counted.values()
	return more || len(found) == stepMost, w.Store.Commit(ctx, step, now)
}

func (l ledger) values() map[string]Counters {
	all := make(map[string]Counters, len(l))
	for rule, c := range l {
		all[rule] = *c
	}
	return all
}

// Plus returns c with what a step counted.
func (c Counters) Plus(d Counters) Counters {
	c.add(&d)
	return c
}
