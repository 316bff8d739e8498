package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// box is an outbox that remembers what it was given.
type box struct {
	docstore.Store
	told []bus.Event
}

func (b *box) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if err := b.Store.Commit(ctx, writes...); err != nil {
		return err
	}
	b.told = append(b.told, events...)
	return nil
}

// kept is model i, made i minutes after start.
func kept(t *testing.T, s *store.Models, i int) rollout.Model {
	t.Helper()
	c := model.Content{Version: model.Version, Records: int64(i + 1)}
	name, err := s.Named(c)
	if err != nil {
		t.Fatal(err)
	}
	return rollout.Model{
		Model: model.New(name, c), Created: start.Add(time.Duration(i) * time.Minute), Training: "t",
		Audit: &audit.Report{Passed: true, Time: start},
	}
}

func TestModelsAreListedNewestFirstAndTheBuiltinLast(t *testing.T) {
	documents := storetest.Open(t)
	s := store.NewModels(documents, &box{Store: documents})
	for n := range 5 {
		var names []string
		for token := ""; ; {
			paging, err := docstore.NewPaging(2, token)
			if err != nil {
				t.Fatal(err)
			}
			page, next, err := s.List(t.Context(), paging)
			if err != nil || len(page) > 2 || len(page) == 0 {
				t.Fatalf("a page of %d, %v", len(page), err)
			}
			for _, m := range page {
				names = append(names, m.Name)
			}
			if token = paging.Token(next); token == "" {
				break
			}
		}
		if len(names) != n+1 || names[n] != model.BuiltinName || n > 0 && names[0] != kept(t, s, n-1).Name {
			t.Errorf("with %d models: %v", n, names)
		}
		training := rollout.Training{ID: fmt.Sprint("training-", n), State: rollout.Done, Created: start, Ended: start}
		if err := s.End(t.Context(), training, kept(t, s, n), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheEndOfATrainingIsOneCommit(t *testing.T) {
	documents := storetest.Open(t)
	b := &box{Store: documents}
	s := store.NewModels(documents, b)
	training, err := s.Put(t.Context(), rollout.Training{ID: "t", State: rollout.Running, Created: start})
	if err != nil {
		t.Fatal(err)
	}
	m := kept(t, s, 1)
	to, m, err := rollout.Serving{}.Promote(m, "r", false, start)
	if err != nil {
		t.Fatal(err)
	}
	late := training
	late.Ended = start
	training.State, training.Ended, training.Model = rollout.Done, start, m.Name
	if err := s.End(t.Context(), training, m, &to); err != nil {
		t.Fatal(err)
	}
	if err := s.End(t.Context(), late, kept(t, s, 2), &to); !errs.Is(err, errs.Conflict) {
		t.Errorf("the end of what another replica ended = %v, want Conflict", err)
	}
	if _, err := s.Model(t.Context(), kept(t, s, 2).Name); !errs.Is(err, errs.NotFound) {
		t.Errorf("the model of a lost race: %v, want NotFound", err)
	}
	got, err := s.Model(t.Context(), m.Name)
	now, failed := s.Serving(t.Context())
	if err := errors.Join(err, failed); err != nil || now.Name() != m.Name || got.Reason != "r" || got.Audit == nil || !got.Audit.Passed {
		t.Errorf("%s serves, %+v, %v", now.Name(), got, err)
	}
	if ended, err := s.Training(t.Context(), "t"); err != nil || ended.Model != m.Name || !ended.Ends() {
		t.Errorf("training %+v, %v", ended, err)
	}
	if len(b.told) != 1 || b.told[0].Type != bus.ModelAudited {
		t.Errorf("told %v, want the audit, once", b.told)
	}
	if err := s.Switch(t.Context(), to, m); !errs.Is(err, errs.Conflict) {
		t.Errorf("a switch from what served before = %v, want Conflict", err)
	}
}

// An audit takes its time; what somebody did to the model meanwhile is not lost.
func TestTheEndOfATrainingKeepsWhatBecameOfItsModelMeanwhile(t *testing.T) {
	documents := storetest.Open(t)
	s := store.NewModels(documents, &box{Store: documents})
	first, second := rollout.Training{ID: "1", Created: start, Ended: start}, rollout.Training{ID: "2", Created: start, Ended: start}
	if err := s.End(t.Context(), first, kept(t, s, 1), nil); err != nil {
		t.Fatal(err)
	}
	audited, err := s.Model(t.Context(), kept(t, s, 1).Name)
	if err != nil {
		t.Fatal(err)
	}
	audited.Audit = &audit.Report{Time: start}
	if _, err := rollout.Promote(t.Context(), s, audited.Name, "by hand", false, start); err != nil {
		t.Fatal(err)
	}
	if err := s.End(t.Context(), second, audited, nil); !errs.Is(err, errs.Conflict) {
		t.Errorf("the end with a model of before the promotion = %v, want Conflict", err)
	}
	if got, err := s.Model(t.Context(), audited.Name); err != nil || got.Reason != "by hand" || !got.Audit.Passed {
		t.Errorf("kept %+v, %v, want it promoted by hand", got, err)
	}
}

func TestOldModelsAndTrainingsAreForgottenButNotWhatServes(t *testing.T) {
	documents := storetest.Open(t)
	s := store.NewModels(documents, &box{Store: documents})
	oldest := kept(t, s, 0)
	to, _, err := rollout.Serving{}.Promote(oldest, "", false, start)
	if err != nil {
		t.Fatal(err)
	}
	for i := range store.MaxModels + 5 {
		training := rollout.Training{ID: fmt.Sprintf("training-%03d", i), State: rollout.Done, Created: start, Ended: start}
		var next *rollout.Serving
		if i == 0 {
			next = &to
		}
		if err := s.End(t.Context(), training, kept(t, s, i), next); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]bool{0: true, 1: false, 4: false, 5: true, store.MaxModels + 4: true} {
		if _, err := s.Model(t.Context(), kept(t, s, i).Name); (err == nil) != want {
			t.Errorf("model %d: %v, want it kept: %v", i, err, want)
		}
	}
	if n, err := documents.Count(t.Context(), docstore.Query{Kind: "recommender.training"}, 0); err != nil || n != store.MaxTrainings {
		t.Errorf("%d trainings, %v, want %d", n, err, store.MaxTrainings)
	}
}
