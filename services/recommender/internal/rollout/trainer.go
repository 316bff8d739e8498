package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/training"
)

// Store keeps models, trainings and which model serves. What changes something
// that another replica changed meanwhile is errs.Conflict.
type Store interface {
	// Model returns a model, the built-in one too, or errs.NotFound.
	Model(ctx context.Context, name string) (Model, error)
	Serving(ctx context.Context) (Serving, error)
	// Switch puts which model serves, and what is to be remembered of it.
	Switch(ctx context.Context, s Serving, m Model) error
}

// Trainings keeps trainings.
type Trainings interface {
	// Newest returns the newest trainings, newest first: all that are kept.
	Newest(ctx context.Context) ([]Training, error)
	// Put puts a training at its revision and returns it at the new one. One that
	// failed is told of: both or nothing.
	Put(ctx context.Context, t Training) (Training, error)
	// End puts the end of a training, the model that it made and, unless it is
	// nil, which one serves from now on, and tells of the model's audit: all of it
	// or nothing.
	End(ctx context.Context, t Training, m Model, s *Serving) error
	// Named returns the name of a content.
	Named(c model.Content) (string, error)
}

// Records are what is trained and audited on.
type Records interface {
	training.Records
	ByType(ctx context.Context) audit.Records
	Newest(ctx context.Context, n int) ([]record.Record, error)
}

// Audit judges a candidate against the model that serves, as audit.Run does.
type Audit func(ctx context.Context, records audit.Records, c *audit.Calendar, candidate, incumbent model.Model) (audit.Report, error)

// Trainer trains models.
type Trainer struct {
	store     Store
	trainings Trainings
	records   Records
	audit     Audit
	shape     training.Shape
	hold      bool
	log       *slog.Logger
	// back is the training that this process came back from alive, at the
	// revision that it left: it does not count as begun once more. Tick has it.
	back Training
}

// NewTrainer returns a trainer. With hold, models that pass wait for somebody to
// promote them.
func NewTrainer(s Store, t Trainings, r Records, a Audit, shape training.Shape, hold bool, log *slog.Logger) *Trainer {
	return &Trainer{store: s, trainings: t, records: r, audit: a, shape: shape, hold: hold, log: log}
}

// races is how often Start looks again after another one was quicker.
const races = 3

// Start begins a training: the next Tick of the replica whose turn it is runs
// it. While one runs, that is what is returned, to whoever asks and on whatever
// replica. It is errs.Conflict when others began and ended one after another
// meanwhile.
func (t *Trainer) Start(ctx context.Context, want Training, now time.Time) (Training, error) {
	var conflict error
	for range races {
		all, err := t.trainings.Newest(ctx)
		if err != nil {
			return Training{}, err
		}
		if other, ok := running(all); ok {
			return other, nil
		}
		want.ID, want.State, want.Created = idAfter(all), Running, now.UTC()
		begun, err := t.trainings.Put(ctx, want)
		if !errs.Is(err, errs.Conflict) {
			return begun, err
		}
		conflict = err
	}
	return Training{}, fmt.Errorf("other trainings are begun and end all the time; try again: %w", conflict)
}

// Tick runs the training that was begun, or the one that the schedule asks for,
// if any. What the store cannot do now is tried again at the next Tick. It is
// called by one goroutine.
func (t *Trainer) Tick(ctx context.Context, now time.Time) error {
	all, err := t.trainings.Newest(ctx)
	if err != nil {
		return err
	}
	if begun, ok := running(all); ok {
		return t.run(ctx, begun, now)
	}
	want, ok := due(all, now)
	if !ok {
		return nil
	}
	// Of fewer, none would be left to judge the model on.
	if some, err := t.records.Newest(ctx, audit.Fewest); err != nil || len(some) < audit.Fewest {
		return err
	}
	begun, err := t.Start(ctx, want, now)
	if err != nil {
		return err
	}
	return t.run(ctx, begun, now)
}

// run runs a training to its end, unless it was begun too often. A training that
// another replica ran meanwhile is none of ours any more, and what cannot be read
// now is read again later; any other error is its end.
func (t *Trainer) run(ctx context.Context, of Training, now time.Time) error {
	if t.back.ID != of.ID || t.back.Revision != of.Revision {
		if of.Begun >= MaxBegun {
			return t.fail(ctx, of, fmt.Sprintf(givenUp, of.Begun))
		}
		of.State, of.Begun = Running, of.Begun+1
		var err error
		if of, err = t.trainings.Put(ctx, of); err != nil {
			return err
		}
	}
	began := time.Now()
	ended, err := t.train(ctx, of, now)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return errors.Join(err, t.giveBack(ctx, ended))
	case errs.Is(err, errs.Conflict), errs.Is(err, errs.Unavailable):
		t.back = ended
		return err
	default:
		return t.fail(ctx, ended, err.Error())
	}
	t.log.InfoContext(ctx, "a training ended", "training", ended.ID, "model", ended.Model, "records", ended.Records,
		"promoted", ended.Promoted, "seconds", time.Since(began).Seconds())
	return nil
}

// maxError bounds the error of a training, in bytes.
const maxError = 1000

// fail ends a training, at the revision that this replica has: what another one
// made of it stays.
func (t *Trainer) fail(ctx context.Context, of Training, why string) error {
	of.State, of.Error, of.Ended, of.Model, of.Promoted = Failed, bounded(why), time.Now().UTC(), "", false
	_, err := t.trainings.Put(ctx, of)
	if err == nil {
		t.log.WarnContext(ctx, "a training failed", "training", of.ID, "error", of.Error)
	}
	return err
}

// bounded returns what can be kept of a text.
func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}

// giveBackFor bounds how long the end of a process waits for giveBack.
const giveBackFor = 5 * time.Second

// giveBack leaves a training to the next replica because this one is told to
// stop: that is not what a training is given up for.
func (t *Trainer) giveBack(ctx context.Context, of Training) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackFor)
	defer cancel()
	of.State, of.Begun, of.Ended, of.Model, of.Promoted = Running, of.Begun-1, time.Time{}, "", false
	_, err := t.trainings.Put(ctx, of)
	return err
}

// train returns of as far as it came, at the revision that it has then.
func (t *Trainer) train(ctx context.Context, of Training, now time.Time) (Training, error) {
	serving, err := t.store.Serving(ctx)
	if err != nil {
		return of, err
	}
	incumbent, err := t.store.Model(ctx, serving.Name())
	if err != nil {
		return of, fmt.Errorf("read the model that serves: %w", err)
	}
	base := incumbent.Content
	if of.Full || base.Records == 0 || base.Version != model.Version {
		base, of.Full = model.Content{}, true
	}
	calendar, err := audit.Count(ctx, t.records.ByType(ctx), now)
	if err != nil {
		return of, err
	}
	content, err := training.Run(ctx, t.records, base, calendar.Since(), t.shape, func(read int64) { of.Records = read })
	if err != nil {
		return of, err
	}
	if of.Model, err = t.trainings.Named(content); err != nil {
		return of, err
	}
	candidate, err := t.store.Model(ctx, of.Model)
	switch {
	case errs.Is(err, errs.NotFound):
		candidate = Model{Model: model.New(of.Model, content), Created: now.UTC(), Training: of.ID}
	case err != nil:
		return of, err
	}
	if candidate.Name == model.BuiltinName { // there was nothing to learn
		of.State, of.Ended = Done, time.Now().UTC()
		return of, t.trainings.End(ctx, of, candidate, nil)
	}
	of.State = Auditing
	if of, err = t.trainings.Put(ctx, of); err != nil {
		return of, err
	}
	report, err := t.audit(ctx, t.records.ByType(ctx), calendar, candidate.Model, incumbent.Model)
	if err != nil {
		return of, err
	}
	candidate.Audit = &report
	of.State, of.Ended = Done, time.Now().UTC()
	var next *Serving
	if report.Passed && (of.Promote || !t.hold && !serving.Held) && candidate.Name != serving.Name() {
		after, promoted, err := serving.Promote(candidate, "training "+of.ID+": "+of.Reason, false, of.Ended)
		if err != nil {
			return of, err
		}
		next, candidate, of.Promoted = &after, promoted, true
	}
	return of, t.trainings.End(ctx, of, candidate, next)
}

// Promote makes a model serve.
func Promote(ctx context.Context, s Store, name, reason string, force bool, now time.Time) (Model, error) {
	m, err := s.Model(ctx, name)
	if err != nil {
		return Model{}, err
	}
	serving, err := s.Serving(ctx)
	if err != nil {
		return Model{}, err
	}
	serving, m, err = serving.Promote(m, reason, force, now)
	if err != nil {
		return Model{}, err
	}
	return m, s.Switch(ctx, serving, m)
}

// Rollback makes the model serve that did so before the present one.
func Rollback(ctx context.Context, s Store, reason string, now time.Time) (Model, error) {
	serving, err := s.Serving(ctx)
	if err != nil {
		return Model{}, err
	}
	if serving, err = serving.Rollback(); err != nil {
		return Model{}, err
	}
	m, err := s.Model(ctx, serving.Name())
	if err != nil {
		return Model{}, err
	}
	m.Promoted, m.Reason, m.Forced = now, reason, m.Audit != nil && !m.Audit.Passed
	return m, s.Switch(ctx, serving, m)
}
