package rollout_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// hearing is an outbox that remembers what was told.
type hearing struct {
	docstore.Store
	mu   sync.Mutex
	told []bus.Type
}

func (h *hearing) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if err := h.Store.Commit(ctx, writes...); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.told = append(h.told, e.Type)
	}
	return nil
}

// school is a store with records, and what was told of it.
type school struct {
	models  *store.Models
	records *store.Records
	hearing *hearing
}

func newSchool(t *testing.T) school {
	t.Helper()
	h := &hearing{Store: storetest.Open(t)}
	s := school{store.NewModels(h.Store, h), store.NewRecords(h.Store), h}
	learn(t, s.records, audit.Fewest)
	return s
}

// process returns the trainer of a process of its own.
func (s school) process(a rollout.Audit) *rollout.Trainer {
	return rollout.NewTrainer(s.models, s.models, s.records, a, shapeless, false, slog.New(slog.DiscardHandler))
}

// only returns the one training that there is.
func (s school) only(t *testing.T) rollout.Training {
	t.Helper()
	all, err := s.models.Newest(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d trainings, %v, want one", len(all), err)
	}
	return all[0]
}

// dies is an audit in which the process is killed: nothing after it is done.
func dies(context.Context, audit.Records, *audit.Calendar, model.Model, model.Model) (audit.Report, error) {
	runtime.Goexit()
	return audit.Report{}, nil
}

func TestATrainingThatKillsItsProcessIsGivenUp(t *testing.T) {
	s := newSchool(t)
	for n := 1; n <= rollout.MaxBegun; n++ {
		dead := make(chan struct{})
		go func() {
			defer close(dead)
			err := s.process(dies).Tick(t.Context(), now)
			t.Errorf("process %d outlived its training: %v", n, err)
		}()
		<-dead
		if got := s.only(t); got.Begun != n || got.Ends() {
			t.Fatalf("after %d processes: %+v", n, got)
		}
	}
	last := s.process(says(true, nil))
	for range 2 {
		if err := last.Tick(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	got := s.only(t)
	if got.State != rollout.Failed || got.Ended.IsZero() || got.Model != "" || !strings.Contains(got.Error, "begun 3 times") || !strings.Contains(got.Error, "redrive models train") {
		t.Errorf("it ended as %+v", got)
	}
	if want := []bus.Type{bus.TrainingFailed}; !slices.Equal(s.hearing.told, want) {
		t.Errorf("told %v, want %v", s.hearing.told, want)
	}
	// Another one begins anew.
	if _, err := last.Start(t.Context(), rollout.Training{Reason: "mended"}, now); err != nil {
		t.Fatal(err)
	}
	if err := last.Tick(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	all, err := s.models.Newest(t.Context())
	if err != nil || len(all) != 2 || all[0].State != rollout.Done || all[0].Reason != "mended" || all[0].Begun != 1 {
		t.Errorf("after it %+v, %v", all, err)
	}
}

// A store that is away for long, and a process that is told to stop, are no
// reason to give up a training.
func TestATrainingThatIsGivenBackIsNotGivenUp(t *testing.T) {
	s := newSchool(t)
	const times = 3 * rollout.MaxBegun
	away := s.process(says(false, errs.New(errs.Unavailable, "away")))
	for range times {
		if err := away.Tick(t.Context(), now); !errs.Is(err, errs.Unavailable) {
			t.Fatalf("while the store is away: %v", err)
		}
	}
	if got := s.only(t); got.Begun != 1 || got.Ends() {
		t.Errorf("after the store was away: %+v", got)
	}
	for range times {
		ctx, stop := context.WithCancel(t.Context())
		stopped := func(ctx context.Context, _ audit.Records, _ *audit.Calendar, _, _ model.Model) (audit.Report, error) {
			stop()
			return audit.Report{}, ctx.Err()
		}
		if err := s.process(stopped).Tick(ctx, now); !errors.Is(err, context.Canceled) {
			t.Fatalf("a process that is told to stop: %v", err)
		}
	}
	if got := s.only(t); got.Begun != 1 || got.State != rollout.Running || got.Model != "" || !got.Ended.IsZero() {
		t.Errorf("after processes were told to stop: %+v", got)
	}
	if err := s.process(says(true, nil)).Tick(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got := s.only(t); got.State != rollout.Done || !got.Promoted || got.Begun != 2 {
		t.Errorf("it ended as %+v", got)
	}
}

// The end that a process reached while it was told to stop stays the end.
func TestATrainingThatEndsWhileItsProcessIsToldToStopStaysAsItIs(t *testing.T) {
	s := newSchool(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	h := &ending{s.models, stop}
	trainer := rollout.NewTrainer(s.models, h, s.records, says(true, nil), shapeless, false, slog.New(slog.DiscardHandler))
	if err := trainer.Tick(ctx, now); err != nil || ctx.Err() == nil {
		t.Errorf("the look = %v, %v", err, ctx.Err())
	}
	if got := s.only(t); got.State != rollout.Done || got.Begun != 1 {
		t.Errorf("it ended as %+v", got)
	}
}

// ending stops its process when a training has ended.
type ending struct {
	rollout.Trainings
	stop func()
}

func (e *ending) End(ctx context.Context, t rollout.Training, m rollout.Model, s *rollout.Serving) error {
	defer e.stop()
	return e.Trainings.End(ctx, t, m, s)
}

// Whoever asks at the same time, on whatever replica, gets the same training.
func TestOneTrainingBeginsHoweverManyAsk(t *testing.T) {
	const replicas, callers, rounds = 3, 4, 5
	s := newSchool(t)
	var trainers []*rollout.Trainer
	for range replicas {
		trainers = append(trainers, s.process(says(true, nil)))
	}
	for round := range rounds {
		names := make(chan string, replicas*callers)
		var asking sync.WaitGroup
		for _, trainer := range trainers {
			for range callers {
				asking.Go(func() {
					begun, err := trainer.Start(t.Context(), rollout.Training{Reason: "asked"}, now)
					if err != nil {
						t.Error(err)
					}
					names <- begun.ID
				})
			}
		}
		asking.Wait()
		close(names)
		seen := map[string]bool{}
		for name := range names {
			seen[name] = true
		}
		all, err := s.models.Newest(t.Context())
		if err != nil || len(all) != round+1 || len(seen) != 1 || !seen[all[0].ID] {
			t.Fatalf("round %d: %d trainings, %v; the callers were told of %v", round, len(all), err, seen)
		}
		if err := trainers[round%replicas].Tick(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
}

// quick is a store in which somebody else is always quicker.
type quick struct {
	rollout.Trainings
	tries int
}

func (q *quick) Put(context.Context, rollout.Training) (rollout.Training, error) {
	q.tries++
	return rollout.Training{}, errs.New(errs.Conflict, "it exists")
}

func TestALostRaceIsNotRunForEver(t *testing.T) {
	s := newSchool(t)
	q := &quick{Trainings: s.models}
	trainer := rollout.NewTrainer(s.models, q, s.records, says(true, nil), shapeless, false, slog.New(slog.DiscardHandler))
	_, err := trainer.Start(t.Context(), rollout.Training{}, now)
	if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "try again") || q.tries != 3 {
		t.Errorf("Start = %v after %d tries, want Conflict after 3", err, q.tries)
	}
}

func TestTrainingsAreNumbered(t *testing.T) {
	for before, want := range map[string]string{
		"": "00000001", "00000001": "00000002", "00000099": "00000100", "20261122-013300-abcdef": "20261123", "x": "00000001",
	} {
		var newest []rollout.Training
		if before != "" {
			newest = []rollout.Training{{ID: before}, {ID: "00000000"}}
		}
		if got := rollout.IDAfter(newest); got != want || before != "x" && got <= before {
			t.Errorf("after %q: %q, want %q", before, got, want)
		}
	}
}
