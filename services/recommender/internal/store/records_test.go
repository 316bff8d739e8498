package store_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// sample is record i of a job type: told i minutes after start, and ended i
// seconds after it.
func sample(step string, i int) record.Record {
	r := record.Record{
		Type: failure.Type{Workflow: "w", Step: step, Engine: kind.Engine}, Number: 1, Told: start.Add(time.Duration(i) * time.Minute),
	}
	r.ID, r.Outcome, r.End = fmt.Sprintf("%s-%03d", step, i), history.Failed, start.Add(time.Duration(i)*time.Second)
	return r
}

func ids(t *testing.T, all iter.Seq2[record.Record, error]) (ids []string) {
	t.Helper()
	for r, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func TestRecordsAreFoundByTypeByTimeAndByAttempt(t *testing.T) {
	s := store.NewRecords(storetest.Open(t))
	cluster := sample("b", 3)
	cluster.Outcome, cluster.Shape = history.Succeeded, failure.Shape{Nodes: 2}
	all := []record.Record{sample("b", 2), cluster, sample("a", 4), sample("a", 1)}
	if added, err := s.Add(t.Context(), append(all, all...)...); err != nil || added != 4 {
		t.Fatalf("Add = %d, %v, want 4", added, err)
	}
	if added, err := s.Add(t.Context(), all...); err != nil || added != 0 {
		t.Fatalf("Add again = %d, %v, want 0", added, err)
	}
	byType := ids(t, s.ByType(t.Context()))
	slices.SortStableFunc(all, func(a, b record.Record) int {
		return slices.Compare([]string{a.Type.Key(), a.ID}, []string{b.Type.Key(), b.ID})
	})
	for i, r := range all {
		if byType[i] != r.ID {
			t.Fatalf("by type: %v, want the order of %v", byType, all)
		}
	}
	if got := ids(t, s.Told(t.Context(), start.Add(2*time.Minute), start.Add(4*time.Minute))); !slices.Equal(got, []string{"b-002", "b-003"}) {
		t.Errorf("told in between: %v", got)
	}
	if got := ids(t, s.OnClusters(t.Context())); !slices.Equal(got, []string{"b-003"}) {
		t.Errorf("on clusters: %v", got)
	}
	newest, err := s.Newest(t.Context(), 2)
	if err != nil || len(newest) != 2 || newest[0].ID != "a-004" || newest[1].ID != "b-003" {
		t.Errorf("newest: %+v, %v", newest, err)
	}
	if r, err := s.Get(t.Context(), "a-001"); err != nil || r.ID != "a-001" {
		t.Errorf("Get = %+v, %v", r, err)
	}
	if _, err := s.Get(t.Context(), "a-00"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of another = %v, want NotFound", err)
	}
}

func TestListOfRecordsKeepsToTypeAndTime(t *testing.T) {
	s := store.NewRecords(storetest.Open(t))
	for i := range 5 {
		if _, err := s.Add(t.Context(), sample("a", i), sample("b", i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		of    failure.Type
		since time.Time
		want  int
	}{{failure.Type{}, time.Time{}, 10}, {failure.Type{}, start.Add(3 * time.Second), 4}, {sample("a", 0).Type, time.Time{}, 5}, {sample("a", 0).Type, start.Add(3 * time.Second), 2}} {
		var got []string
		for token := ""; ; {
			paging, err := docstore.NewPaging(2, token)
			if err != nil {
				t.Fatal(err)
			}
			page, next, err := s.List(t.Context(), tc.of, tc.since, paging)
			if err != nil || len(page) > 2 {
				t.Fatalf("a page of %d, %v", len(page), err)
			}
			for _, r := range page {
				if tc.of != (failure.Type{}) && r.Type != tc.of || r.End.Before(tc.since) {
					t.Errorf("%s is none that was asked for", r.ID)
				}
				got = append(got, r.ID)
			}
			if token = paging.Token(next); token == "" {
				break
			}
		}
		if slices.Sort(got); len(slices.Compact(got)) != tc.want {
			t.Errorf("%v since %v: %v, want %d", tc.of, tc.since, got, tc.want)
		}
	}
}

func TestOldRecordsAreForgotten(t *testing.T) {
	s := store.NewRecords(storetest.Open(t)).WithMost(3)
	for i := range 6 {
		if _, err := s.Add(t.Context(), sample("a", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s.ByType(t.Context())); !slices.Equal(got, []string{"a-003", "a-004", "a-005"}) {
		t.Errorf("beyond the number: %v", got)
	}
	if err := s.Purge(t.Context(), start.Add(5*time.Minute+store.KeepRecords)); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s.ByType(t.Context())); !slices.Equal(got, []string{"a-005"}) {
		t.Errorf("beyond the age: %v", got)
	}
}
