package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// plain is an outbox that tells nobody.
type plain struct{ docstore.Store }

func (p plain) Commit(ctx context.Context, _ []bus.Event, writes ...docstore.Write) error {
	return p.Store.Commit(ctx, writes...)
}

func shapeless([]record.Record) ([4]float64, bool) { return [4]float64{}, false }

// learn adds so many records, one of each hour until now.
func learn(t *testing.T, records *store.Records, n int) {
	t.Helper()
	for i := range n {
		at := now.Add(-time.Duration(i) * time.Hour)
		one := record.Record{Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Told: at}
		one.ID, one.Outcome, one.End = fmt.Sprint("r", i), history.Succeeded, at
		if _, err := records.Add(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
}

// ticked trains once with this audit, and returns what came of it.
func ticked(t *testing.T, a rollout.Audit, hold bool) (rollout.Training, string, error) {
	t.Helper()
	documents := storetest.Open(t)
	models, records := store.NewModels(documents, plain{documents}), store.NewRecords(documents)
	learn(t, records, audit.Fewest)
	trainer := rollout.NewTrainer(models, models, records, a, shapeless, hold, slog.New(slog.DiscardHandler))
	failed := trainer.Tick(t.Context(), now)
	all, err := models.Newest(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d trainings, %v", len(all), err)
	}
	if err := trainer.Tick(t.Context(), now.Add(time.Minute)); failed == nil && err != nil {
		t.Errorf("a look with nothing to do: %v", err)
	}
	serving, err := models.Serving(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all[0], serving.Name(), failed
}

func says(passed bool, err error) rollout.Audit {
	return func(context.Context, audit.Records, *audit.Calendar, model.Model, model.Model) (audit.Report, error) {
		return audit.Report{Passed: passed, Time: now}, err
	}
}

func TestWhatATrainingComesTo(t *testing.T) {
	for _, tc := range []struct {
		name   string
		audit  rollout.Audit
		hold   bool
		state  rollout.TrainingState
		serves bool
	}{
		{"it passed", says(true, nil), false, rollout.Done, true},
		{"it passed and waits for somebody", says(true, nil), true, rollout.Done, false},
		{"it failed its audit", says(false, nil), false, rollout.Done, false},
		{"the audit could not be ended", says(false, errors.New("damaged")), false, rollout.Failed, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, serving, err := ticked(t, tc.audit, tc.hold)
			if err != nil || got.State != tc.state || got.Promoted != tc.serves || (serving == got.Model) != tc.serves || !tc.serves && serving != model.BuiltinName {
				t.Errorf("training %+v, %s serves, %v", got, serving, err)
			}
			if (got.Error != "") != (tc.state == rollout.Failed) || got.Ended.IsZero() || !got.Full || got.Reason != rollout.Scheduled {
				t.Errorf("training %+v", got)
			}
		})
	}
}

func TestATrainingThatTheStoreInterruptsIsBegunAgain(t *testing.T) {
	times := 0
	a := func(context.Context, audit.Records, *audit.Calendar, model.Model, model.Model) (audit.Report, error) {
		if times++; times == 1 {
			return audit.Report{}, errs.New(errs.Unavailable, "away")
		}
		return audit.Report{Passed: true, Time: now}, nil
	}
	got, serving, err := ticked(t, a, false)
	if !errs.Is(err, errs.Unavailable) || got.Ends() || times != 2 || serving == model.BuiltinName {
		t.Errorf("after the first look %+v, %v; after the second one %s serves, %d audits", got, err, serving, times)
	}
}

// Of fewer records, none would be left to judge the model on. Who asks for a
// training gets one all the same.
func TestTheScheduleWaitsForRecordsToJudgeOn(t *testing.T) {
	documents := storetest.Open(t)
	models, records := store.NewModels(documents, plain{documents}), store.NewRecords(documents)
	trainer := rollout.NewTrainer(models, models, records, says(true, nil), shapeless, false, slog.New(slog.DiscardHandler))
	learn(t, records, audit.Fewest-1)
	begun := func() int {
		t.Helper()
		err := trainer.Tick(t.Context(), now)
		all, failed := models.Newest(t.Context())
		if err := errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if n := begun(); n != 0 {
		t.Fatalf("%d trainings on too few records", n)
	}
	if _, err := trainer.Start(t.Context(), rollout.Training{Reason: "asked"}, now); err != nil || begun() != 1 {
		t.Fatalf("no training for who asked: %v", err)
	}
	learn(t, records, audit.Fewest)
	if n := begun(); n != 2 {
		t.Errorf("%d trainings, want the one of the schedule, too", n)
	}
}

// What somebody took back would be learnt again in the next night.
func TestAfterARollbackModelsWaitForSomebody(t *testing.T) {
	documents := storetest.Open(t)
	models, records := store.NewModels(documents, plain{documents}), store.NewRecords(documents)
	trainer := rollout.NewTrainer(models, models, records, says(true, nil), shapeless, false, slog.New(slog.DiscardHandler))
	at := now
	train := func(want rollout.Training) rollout.Training {
		t.Helper()
		at = at.Add(time.Hour)
		one := record.Record{Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Told: at}
		one.ID, one.Outcome, one.End = at.String(), history.Succeeded, at
		_, err := records.Add(t.Context(), one)
		began, failed := trainer.Start(t.Context(), want, at)
		if err := errors.Join(err, failed, trainer.Tick(t.Context(), at)); err != nil {
			t.Fatal(err)
		}
		got, err := models.Training(t.Context(), began.ID)
		if err != nil || got.State != rollout.Done {
			t.Fatalf("training %+v, %v", got, err)
		}
		return got
	}
	if got := train(rollout.Training{}); !got.Promoted {
		t.Fatalf("the first one does not serve: %+v", got)
	}
	if _, err := rollout.Rollback(t.Context(), models, "worse", at); err != nil {
		t.Fatal(err)
	}
	if got := train(rollout.Training{}); got.Promoted {
		t.Errorf("%s serves after a rollback", got.Model)
	}
	if got := train(rollout.Training{Promote: true}); !got.Promoted {
		t.Errorf("%s does not serve, though it was asked for", got.Model)
	}
	if got := train(rollout.Training{}); !got.Promoted {
		t.Errorf("%s does not serve after a promotion", got.Model)
	}
}

// A replica that was slow, and lost its lease, is told at last that it cannot go
// on: what the other one made of the training stays.
func TestATrainingThatAnotherReplicaEndedStaysAsItIs(t *testing.T) {
	documents := storetest.Open(t)
	models, records := store.NewModels(documents, plain{documents}), store.NewRecords(documents)
	learn(t, records, audit.Fewest)
	trainer := func(a rollout.Audit) *rollout.Trainer {
		return rollout.NewTrainer(models, models, records, a, shapeless, false, slog.New(slog.DiscardHandler))
	}
	slow := func(ctx context.Context, _ audit.Records, _ *audit.Calendar, _, _ model.Model) (audit.Report, error) {
		return audit.Report{}, errors.Join(errors.New("damaged"), trainer(says(true, nil)).Tick(ctx, now))
	}
	if err := trainer(slow).Tick(t.Context(), now); !errs.Is(err, errs.Conflict) {
		t.Errorf("the look of the slow one = %v, want Conflict", err)
	}
	all, err := models.Newest(t.Context())
	if err != nil || len(all) != 1 || all[0].State != rollout.Done || !all[0].Promoted || all[0].Error != "" {
		t.Errorf("trainings %+v, %v, want one that is done", all, err)
	}
}
