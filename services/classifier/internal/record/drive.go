package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Record is a failure as it is stored.
type Record struct {
	Failure
	Revision int64 // of the document; 0 is not stored yet
	// Emission counts how often failure.classified was told again on purpose.
	Emission int
	// Made is the store's own: what it made of the record when it put it.
	Made any
}

// Store keeps records.
type Store interface {
	// Get returns a record, or errs.NotFound.
	Get(ctx context.Context, id string) (Record, error)
	// Put stores r over its revision, 0 for a new one, and returns it with the
	// new revision; errs.Conflict when another one is there. Of a record that is
	// there only what the steps change is put. With announce the event
	// failure.classified is stored in the same commit.
	Put(ctx context.Context, r Record, announce bool) (Record, error)
	// SameFailures counts the failures of earlier attempts of the job that have
	// f's fingerprint.
	SameFailures(ctx context.Context, f Failure) (int, error)
}

// Question is what the recommender is asked.
type Question struct {
	Failure
	SameFailures int // up to this attempt, it included
}

// Recommender answers questions. What it cannot answer now is
// errs.Unavailable; what it can never answer is errs.Invalid or
// errs.FailedPrecondition.
type Recommender interface {
	Recommend(ctx context.Context, q Question) (Recommendation, error)
}

// Patcher makes patches. The failure's id makes the call idempotent. What it
// cannot do now is errs.Unavailable; what it refuses is errs.Invalid or
// errs.FailedPrecondition.
type Patcher interface {
	CreatePatch(ctx context.Context, f Failure) (name string, err error)
}

// Driver takes the steps.
type Driver struct {
	Store     Store
	Rules     func() *rule.Set // the rules at work now
	Collector collect.Collector
	Recommender
	Patcher
	// Timeout bounds each call to the recommender and the patcher.
	Timeout time.Duration
	// LogDelay is after how long logs are read once more that were missing or
	// still growing.
	LogDelay time.Duration
	// Done is called once for every failure that this driver made final.
	Done func(f Failure)
	// Classified is called with the time that collecting and matching took.
	Classified func(took time.Duration)
}

// mostRaces is how many lost races over one record are gone on from at once.
const mostRaces = 10

// Classify returns the final record of the attempt, and makes it when there is
// none. When something that is asked is errs.Unavailable, the record stays as
// far as it is, and a later Classify or the sweeper drives it on.
func (d *Driver) Classify(ctx context.Context, r Report) (Failure, error) {
	rec, _, err := d.classify(ctx, r)
	return rec.Failure, err
}

// Hear is Classify for an event. A final failure that is told again is
// announced again: whoever tells it has not seen the answer.
func (d *Driver) Hear(ctx context.Context, r Report) error {
	rec, known, err := d.classify(ctx, r)
	if err != nil || !known {
		return err
	}
	rec.Emission++
	if _, err := d.Store.Put(ctx, rec, true); err != nil && !errs.Is(err, errs.Conflict) {
		return err
	}
	return nil // after a conflict another one has just announced it
}

// classify reports whether the failure was known and final before.
func (d *Driver) classify(ctx context.Context, r Report) (rec Record, known bool, err error) {
	if err := r.Validate(); err != nil {
		return rec, false, err
	}
	rec, err = d.Store.Get(ctx, r.ID())
	if errs.Is(err, errs.NotFound) {
		rec, err = d.begin(ctx, r)
	} else {
		known = err == nil && rec.State == Final
	}
	if err != nil {
		return rec, false, err
	}
	rec, err = d.finish(ctx, rec)
	return rec, known, err
}

// begin makes the record, or returns the one that another made meanwhile. Asking
// the recommender changes nothing, so its answer is stored with the rest; when
// there is none, the record waits for it.
func (d *Driver) begin(ctx context.Context, r Report) (Record, error) {
	began := time.Now()
	_, span := trace.Start(ctx, "classify")
	r = r.masked()
	collected := d.Collector.Collect(ctx, collect.Ask{Evidence: r.Evidence, Labels: r.Labels, Now: began})
	r.Evidence = collected.Evidence
	f := Begin(r, d.Rules(), collected.Warnings, began)
	if collected.Late {
		f.LateTime = began.Add(d.LogDelay)
	}
	d.Classified(time.Since(began))
	tellClass(span, f)
	var waits error
	if f.State == Recommending {
		var answered Failure
		if answered, waits = d.recommend(ctx, f); waits == nil {
			f = answered
		}
	}
	stored, err := d.put(ctx, Record{Failure: f})
	if errs.Is(err, errs.Conflict) {
		return d.Store.Get(ctx, r.ID())
	}
	if err == nil && waits != nil {
		err = fmt.Errorf("failure %s: %w", stored.ID(), waits)
	}
	return stored, err
}

// Drive takes the record on from where it stands, if it is not final.
func (d *Driver) Drive(ctx context.Context, id string) (Record, error) {
	rec, err := d.Store.Get(ctx, id)
	if err != nil {
		return rec, err
	}
	return d.finish(ctx, rec)
}

// GiveUp ends the record as it is, if it is not final.
func (d *Driver) GiveUp(ctx context.Context, id string, now time.Time) error {
	rec, err := d.Store.Get(ctx, id)
	if err != nil || rec.State == Final {
		return err
	}
	rec.Failure = rec.GivenUp(now)
	_, err = d.put(ctx, rec)
	return err
}

// finish takes steps until the record is final. Each is stored before the next
// is taken; who loses a race goes on from what the winner stored.
func (d *Driver) finish(ctx context.Context, rec Record) (Record, error) {
	for races := 0; rec.State != Final; {
		next, err := d.step(ctx, rec.Failure)
		if err != nil {
			return rec, fmt.Errorf("failure %s: %w", rec.ID(), err)
		}
		stepped := rec
		stepped.Failure = next
		stored, err := d.put(ctx, stepped)
		if errs.Is(err, errs.Conflict) && races < mostRaces {
			races++
			stored, err = d.Store.Get(ctx, rec.ID())
		}
		if err != nil {
			return rec, err
		}
		rec = stored
	}
	return rec, nil
}

func (d *Driver) put(ctx context.Context, rec Record) (Record, error) {
	stored, err := d.Store.Put(ctx, rec, rec.State == Final)
	if err == nil && rec.State == Final {
		d.Done(rec.Failure)
	}
	return stored, err
}

func (d *Driver) step(ctx context.Context, f Failure) (Failure, error) {
	switch f.State {
	case Recommending:
		return d.recommend(ctx, f)
	case Patching:
		return d.patch(ctx, f)
	}
	return f, errs.New(errs.Internal, "state %d is none to go on from", int(f.State))
}

func (d *Driver) recommend(ctx context.Context, f Failure) (Failure, error) {
	same, err := d.Store.SameFailures(ctx, f)
	if err != nil {
		return f, err
	}
	call, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	r, err := d.Recommend(call, Question{f, same + 1})
	switch {
	case err == nil:
		return f.Recommended(r, time.Now()), nil
	case refused(err):
		return f.NotRecommended(err, time.Now()), nil
	}
	return f, later("recommend", err)
}

func (d *Driver) patch(ctx context.Context, f Failure) (Failure, error) {
	call, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	name, err := d.CreatePatch(call, f)
	switch {
	case err == nil:
		return f.Patched(name, time.Now()), nil
	case refused(err):
		return f.NotPatched(err, time.Now()), nil
	}
	return f, later("create the patch", err)
}

// refused reports whether the same question would be refused for ever.
func refused(err error) bool {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.FailedPrecondition, errs.NotFound, errs.AlreadyExists:
		return true
	}
	return false
}

// later makes errs.Unavailable of what may go well another time, so that the
// bus waits for it without counting.
func later(what string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errs.Is(err, errs.Internal) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, err)
	}
	return errs.New(errs.Unavailable, "%s: %w", what, err)
}
