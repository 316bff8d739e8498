package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

func openRules(t *testing.T) (*store.Rules, *committer, docstore.Store) {
	s := storetest.Open(t)
	c := &committer{store: s}
	return store.NewRules(s, c), c, s
}

// step makes revision number of a rule over the one before.
func step(id string, number int64, at time.Time) book.Step {
	r := rule.Rule{ID: id, Any: []string{"x"}, Class: failure.CodeBug, Summary: "s", Mode: rule.Enforce, Revision: number}
	return book.Step{
		Entry:    book.Entry{Rule: r, Version: number - 1},
		Revision: book.Revision{Rule: r, Number: number, Change: book.Change{Author: "ann", Action: book.ActionUpdate, Forced: true, Backtest: "backtests/b"}, Time: at, Changes: []string{"x"}},
	}
}

// names lists revisions over pages of two.
func names(t *testing.T, s *store.Rules, id string, size int32) (all []string) {
	t.Helper()
	for token := ""; ; {
		p, err := docstore.NewPaging(size, token, "revisions", id)
		if err != nil {
			t.Fatal(err)
		}
		found, next, err := s.ListRevisions(t.Context(), id, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found {
			all = append(all, strings.TrimPrefix(r.GetName(), "rules/"))
		}
		if token = next; token == "" {
			return all
		}
	}
}

func TestRevisions(t *testing.T) {
	s, c, _ := openRules(t)
	at := start
	for _, x := range []struct {
		id     string
		number int64
	}{{"a", 1}, {"a-b", 1}, {"a", 2}, {"a0", 1}, {"a", 3}} {
		at = at.Add(time.Second)
		if err := s.Commit(t.Context(), at, step(x.id, x.number, at)); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(names(t, s, "a", 2)); got != "[a/revisions/3 a/revisions/2 a/revisions/1]" {
		t.Errorf("revisions of a = %s", got)
	}
	if got := fmt.Sprint(names(t, s, "", 2)); got != "[a/revisions/3 a0/revisions/1 a/revisions/2 a-b/revisions/1 a/revisions/1]" {
		t.Errorf("revisions of all = %s", got)
	}
	want := step("a", 3, at).Revision
	for _, number := range []int64{0, 3} {
		got, err := s.Revision(t.Context(), "a", number)
		if err != nil || got.Number != 3 || got.Author != want.Author || got.Action != want.Action || !got.Forced || got.Backtest != want.Backtest || !got.Time.Equal(at) || got.Rule.ID != "a" || len(got.Changes) != 1 {
			t.Errorf("Revision %d = %+v, %v", number, got, err)
		}
	}
	for _, x := range []struct {
		id     string
		number int64
	}{{"a", 4}, {"b", 0}, {"b", 1}} {
		if _, err := s.Revision(t.Context(), x.id, x.number); !errs.Is(err, errs.NotFound) {
			t.Errorf("Revision %d of %s = %v, want NotFound", x.number, x.id, err)
		}
	}
	events := len(c.told)
	if err := s.Commit(t.Context(), at, step("z", 1, at), step("a", 3, at)); !errs.Is(err, errs.Conflict) {
		t.Errorf("Commit over another change = %v, want Conflict", err)
	}
	if _, err := s.Get(t.Context(), "z"); !errs.Is(err, errs.NotFound) || len(c.told) != events || len(names(t, s, "", 100)) != 5 {
		t.Errorf("half of a commit was done: Get = %v", err)
	}
	again := step("a", 3, at)
	again.Entry.Version = 3
	if err := s.Commit(t.Context(), at, again); !errs.Is(err, errs.Conflict) {
		t.Errorf("Commit of a revision that is there = %v, want Conflict", err)
	}
	gone := step("a", 4, at)
	gone.Gone, gone.Entry.Version = true, 3
	if err := s.Commit(t.Context(), at, gone, step("z", 1, at)); err != nil || len(c.told) != events+1 {
		t.Errorf("Commit = %v and %d events, want one", err, len(c.told)-events)
	}
	if _, err := s.Get(t.Context(), "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of what is gone = %v, want NotFound", err)
	}
	if entries, err := s.List(t.Context()); err != nil || len(entries) != 3 {
		t.Errorf("List = %+v, %v", entries, err)
	}
}

func TestOldRevisionsGo(t *testing.T) {
	s, _, _ := openRules(t)
	for n := range int64(103) {
		at := start.Add(time.Duration(n) * time.Second)
		if err := s.Commit(t.Context(), at, step("a", n+1, at)); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, s, "a", 1000); len(got) != 100 || got[99] != "a/revisions/4" {
		t.Errorf("%d revisions are kept, to %s", len(got), got[len(got)-1])
	}
	if err := s.Commit(t.Context(), start, step("b", 1, start)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		before             time.Duration
		most, purged, left int
		oldest             string
	}{
		{0, 101, 0, 101, "b/revisions/1"},
		{5 * time.Second, 101, 3, 98, "a/revisions/6"},
		{0, 10, 88, 10, "a/revisions/94"},
		{time.Hour, 10, 10, 0, ""},
	} {
		n, err := s.PurgeRevisions(t.Context(), start.Add(tc.before), tc.most)
		left := names(t, s, "", 1000)
		if err != nil || n != tc.purged || len(left) != tc.left || len(left) > 0 && left[len(left)-1] != tc.oldest {
			t.Errorf("PurgeRevisions = %d, %v and leaves %v, want %d and %d to %s", n, err, left, tc.purged, tc.left, tc.oldest)
		}
	}
	if e, err := s.Get(t.Context(), "a"); err != nil || e.Rule.Revision != 103 {
		t.Errorf("the rule without revisions = %+v, %v", e, err)
	}
}

func TestTheLargestApplyFitsIntoACommit(t *testing.T) {
	s, _, _ := openRules(t)
	var steps []book.Step
	for i := range book.MaxApplied {
		x := step(fmt.Sprintf("r%d", i), 101, start)
		x.Entry.Version = 0
		steps = append(steps, x)
	}
	if err := s.Commit(t.Context(), start, steps...); err != nil {
		t.Error(err)
	}
}
