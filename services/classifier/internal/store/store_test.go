package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// committer commits and keeps the events.
type committer struct {
	store docstore.Store
	mu    sync.Mutex
	told  []bus.Event
}

func (c *committer) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if err := c.store.Commit(ctx, writes...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, events...)
	return nil
}

func open(t *testing.T) (*store.Failures, *committer, docstore.Store) {
	s := storetest.Open(t)
	c := &committer{store: s}
	return store.NewFailures(s, c), c, s
}

func put(t *testing.T, s *store.Failures, job string, number int, class failure.Class, workflow string, after time.Duration) record.Record {
	t.Helper()
	rec, err := s.Put(t.Context(), made(job, number, class, workflow, after), false)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func made(job string, number int, class failure.Class, workflow string, after time.Duration) record.Record {
	return record.Record{Failure: record.Failure{
		Report: record.Report{
			Attempt: failure.Attempt{Source: "acme", Job: job, Number: number}, Type: failure.Type{Workflow: workflow, Step: "s", Engine: "process"},
			Config: map[string]any{}, AttemptConfig: map[string]any{},
			Evidence: failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: "text of " + job}}},
		},
		State: record.Recommending, Result: finalize.Result{Class: class, Fingerprint: "fp-" + string(class)},
		CreateTime: start.Add(after), UpdateTime: start.Add(after),
	}}
}

func TestPutAndGet(t *testing.T) {
	s, c, _ := open(t)
	rec := put(t, s, "a", 1, failure.CodeBug, "w", 0)
	if _, err := s.Put(t.Context(), record.Record{Failure: rec.Failure}, false); !errs.Is(err, errs.Conflict) {
		t.Errorf("Put of a second first one = %v, want Conflict", err)
	}
	got, err := s.Get(t.Context(), rec.ID())
	if err != nil || got.Evidence.Logs[0].Head != "text of a" || got.Revision != 1 {
		t.Fatalf("Get = %v, %+v", err, got)
	}
	got.State, got.Emission = record.Final, 2
	if got, err = s.Put(t.Context(), got, true); err != nil || got.Revision != 2 {
		t.Fatalf("Put = %v, revision %d", err, got.Revision)
	}
	if _, err := s.Put(t.Context(), rec, true); !errs.Is(err, errs.Conflict) {
		t.Errorf("Put over an old revision = %v, want Conflict", err)
	}
	again, err := s.Get(t.Context(), rec.ID())
	if err != nil || again.State != record.Final || again.Emission != 2 || again.Evidence.Logs[0].Head != "text of a" {
		t.Errorf("Get = %v, %+v, want the logs still there", err, again)
	}
	if len(c.told) != 1 || c.told[0].Emission != 2 || c.told[0].Subject != rec.Attempt.JobName() || c.told[0].Source != "redrive/classifier" {
		t.Errorf("events = %+v, want one", c.told)
	}
	if _, err := s.Get(t.Context(), "none"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of none = %v, want NotFound", err)
	}
}

func TestListFiltersAndPages(t *testing.T) {
	s, _, _ := open(t)
	for i := range 30 {
		class := []failure.Class{failure.CodeBug, failure.Unknown, failure.DiskFull}[i%3]
		put(t, s, fmt.Sprint("job-", i%5), i+1, class, fmt.Sprint("w", i%2), time.Duration(i)*time.Second)
	}
	job := failure.Attempt{Source: "acme", Job: "job-3", Number: 1}.JobName()
	for _, tc := range []struct {
		filter store.Filter
		want   []int // attempt numbers
	}{
		{store.Filter{Job: job}, []int{29, 24, 19, 14, 9, 4}},
		{store.Filter{Job: job, Class: "code.bug"}, []int{19, 4}},
		{store.Filter{Workflow: "w1", Class: "unknown"}, []int{26, 20, 14, 8, 2}},
		{store.Filter{Class: "disk.full"}, []int{30, 27, 24, 21, 18, 15, 12, 9, 6, 3}},
		{store.Filter{Workflow: "w"}, nil},
	} {
		for _, size := range []int32{1, 4, 100} {
			var got []int
			for token := ""; ; {
				p, err := docstore.NewPaging(size, token, "x")
				if err != nil {
					t.Fatal(err)
				}
				page, next, err := s.List(t.Context(), tc.filter, p)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range page {
					got = append(got, int(f.GetAttempt().GetAttempt()))
					if f.GetEvidence().GetLogs()[0].GetHead() != "" {
						t.Error("a list has the text of a log")
					}
				}
				if token = next; token == "" {
					break
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("List of %+v by %d = %v, want %v", tc.filter, size, got, tc.want)
			}
		}
	}
}

func TestOpenFailuresAreFoundUntilTheyAreFinal(t *testing.T) {
	s, _, _ := open(t)
	a, b := put(t, s, "a", 1, failure.Unknown, "w", 0), put(t, s, "b", 1, failure.Unknown, "w", time.Minute)
	ids := func(before time.Duration) (all []string) {
		found, err := s.Open(t.Context(), start.Add(before), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			all = append(all, f.ID)
		}
		return all
	}
	if got := ids(30 * time.Second); !slices.Equal(got, []string{a.ID()}) {
		t.Errorf("open for 30 s = %v, want a", got)
	}
	if got := ids(time.Hour); !slices.Equal(got, []string{a.ID(), b.ID()}) {
		t.Errorf("open = %v, want a and b", got)
	}
	a.State = record.Final
	if _, err := s.Put(t.Context(), a, true); err != nil {
		t.Fatal(err)
	}
	if got := ids(time.Hour); !slices.Equal(got, []string{b.ID()}) {
		t.Errorf("open = %v, want b", got)
	}
}

// reader counts the documents that are read.
type reader struct {
	docstore.Store
	read int
}

func (r *reader) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	page, err := r.Store.List(ctx, q)
	r.read += len(page.Docs)
	return page, err
}

// TestPurgeReadsWhatItDeletes, however much is kept.
func TestPurgeReadsWhatItDeletes(t *testing.T) {
	r := &reader{Store: storetest.Open(t)}
	s := store.NewFailures(r, &committer{store: r})
	for i := range 300 {
		put(t, s, "a", i+1, failure.Unknown, "w", time.Duration(i)*time.Second)
	}
	for _, tc := range []struct{ most, surplus int }{{300, 0}, {290, 10}, {1, 289}} {
		r.read = 0
		if n, err := s.Purge(t.Context(), start, tc.most); err != nil || n != tc.surplus || r.read != n {
			t.Errorf("%d deleted and %d read (%v), want %d", n, r.read, err, tc.surplus)
		}
	}
}

func TestPurgeByAgeAndCount(t *testing.T) {
	s, _, docs := open(t)
	for i := range 500 {
		put(t, s, "a", i+1, failure.Unknown, "w", time.Duration(i)*time.Second)
	}
	left := func() (n int, oldest int32) {
		for q := (docstore.Query{Kind: "classifier.failure", Limit: 1000}); ; {
			page, err := docs.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			n += len(page.Docs)
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		p, err := docstore.NewPaging(1000, "", "x")
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := s.List(t.Context(), store.Filter{}, p)
		if err != nil {
			t.Fatal(err)
		}
		return n, all[len(all)-1].GetAttempt().GetAttempt()
	}
	for _, tc := range []struct {
		before             time.Duration
		most, purged, left int
		oldest             int32
	}{{-1, 500, 0, 500, 1}, {10 * time.Second, 500, 10, 490, 11}, {0, 40, 450, 40, 461}} {
		n, err := s.Purge(t.Context(), start.Add(tc.before), tc.most)
		if err != nil || n != tc.purged {
			t.Errorf("Purge = %d, %v, want %d", n, err, tc.purged)
		}
		if n, oldest := left(); n != tc.left || oldest != tc.oldest {
			t.Errorf("%d are left from %d on, want %d from %d on", n, oldest, tc.left, tc.oldest)
		}
	}
	for _, kind := range []string{"classifier.failure_logs", "classifier.failure_progress"} {
		page, err := docs.List(t.Context(), docstore.Query{Kind: kind})
		if err != nil || len(page.Docs) != 40 {
			t.Errorf("%d documents of %s (%v), want 40", len(page.Docs), kind, err)
		}
	}
}

func TestTheLargestFailureFitsIntoItsEvent(t *testing.T) {
	s, c, _ := open(t)
	big := strings.Repeat("x", 60<<10)
	rec := record.Record{Failure: record.Failure{
		Report: record.Report{
			Attempt: failure.Attempt{Source: "acme", Job: "a", Number: 1}, Type: failure.Type{Workflow: "w", Step: "s", Engine: "e"},
			Config: map[string]any{"x": big}, AttemptConfig: map[string]any{"x": big},
			Evidence: failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: strings.Repeat(big, 4)}}},
		},
		State: record.Final, CreateTime: start, UpdateTime: start,
	}}
	for range record.MaxMatches {
		rec.Matches = append(rec.Matches, match(big[:2000]))
	}
	if _, err := s.Put(t.Context(), rec, true); err != nil {
		t.Fatal(err)
	}
	var m redrivev1.FailureClassified
	if err := c.told[0].Validate(); err != nil {
		t.Error(err)
	}
	if err := c.told[0].Decode(&m); err != nil || m.GetFailure().GetConfig() == nil {
		t.Errorf("Decode = %v", err)
	}
}

func match(text string) rule.Match {
	return rule.Match{Rule: "r", Class: failure.CodeBug, Source: "stderr", Line: 1, Text: text, Summary: text, Runbook: text, Captures: map[string]string{"a": text}}
}
