package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

// left counts the documents of a kind.
func (w *world) left(kind string) (n int) {
	w.Helper()
	for q := (docstore.Query{Kind: kind}); ; {
		page, err := w.db.List(w.Context(), q)
		if err != nil {
			w.Fatal(err)
		}
		n += len(page.Docs)
		if q.After = page.Next; q.After == "" {
			return n
		}
	}
}

func (w *world) purge(after int, limit int) int {
	w.Helper()
	n, err := w.docs.Purge(w.Context(), start.Add(time.Duration(after)*time.Second), limit)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func TestPurgeTakesTheOldestWithAllThatIsTheirs(t *testing.T) {
	w := newWorld(t)
	ended := func(n int) func(*job.Job) {
		return func(j *job.Job) { j.State, j.Ended = job.Succeeded, start.Add(time.Duration(n)*time.Second) }
	}
	for n := range 4 {
		id := fmt.Sprintf("j%d", n)
		j := job.Job{ID: id, Source: failure.Own, SourceJob: id, Created: start}
		ended(n)(&j)
		for attempt := range 3 {
			var err error
			p := store.Put{Job: j, Attempt: attempt + 1, Decision: &policy.Decision{Job: id, Attempt: attempt + 1}}
			if attempt == 0 {
				p.RequestID = "request-" + id
			}
			if attempt == 2 {
				p.Decision = nil
			}
			if j, err = w.docs.Put(t.Context(), p, start); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.put("alive", 0, nil)
	if n := w.purge(0, 100); n != 0 {
		t.Errorf("%d purged although nothing is that old", n)
	}
	if n := w.purge(100, 1); n != 1 || w.left("scheduler.job") != 4 {
		t.Errorf("%d purged, %d jobs left; want the limit of one", n, w.left("scheduler.job"))
	}
	if n := w.purge(3, 100); n != 2 {
		t.Errorf("%d purged, want the two that ended before", n)
	}
	for kind, want := range map[string]int{"scheduler.job": 2, "scheduler.decision": 2, "scheduler.request": 1} {
		if got := w.left(kind); got != want {
			t.Errorf("%d of %s left, want %d", got, kind, want)
		}
	}
	if j, err := w.docs.Requested(t.Context(), "request-j3"); err != nil || j.ID != "j3" {
		t.Errorf("the request of a job that lives: %q (%v)", j.ID, err)
	}
	if _, err := w.docs.Requested(t.Context(), "request-j0"); !errs.Is(err, errs.NotFound) {
		t.Errorf("the request of a purged job = %v, want NotFound", err)
	}
}

// TestPurgeOfAJobWithMoreThanOneCommitTakes: decisions of attempts that the job
// has forgotten go too.
func TestPurgeOfAJobWithMoreThanOneCommitTakes(t *testing.T) {
	w := newWorld(t)
	w.put("etl", 0, func(j *job.Job) { j.State, j.Ended = job.Failed, start })
	var writes []docstore.Write
	for n := range docstore.MaxWrites + 50 {
		writes = append(writes, docstore.Write{Kind: "scheduler.decision", ID: fmt.Sprintf("etl/%06d", n+1), Revision: docstore.Absent, Value: []byte{}})
	}
	for len(writes) > 0 {
		n := min(len(writes), docstore.MaxWrites)
		if err := w.db.Commit(t.Context(), writes[:n]...); err != nil {
			t.Fatal(err)
		}
		writes = writes[n:]
	}
	if n := w.purge(1, 100); n != 1 || w.left("scheduler.decision") != 0 || w.left("scheduler.job") != 0 {
		t.Errorf("%d purged, %d decisions left", n, w.left("scheduler.decision"))
	}
}

func TestTheSameRequestMakesNoSecondJob(t *testing.T) {
	w := newWorld(t)
	for i, id := range []string{"first", "second"} {
		_, err := w.docs.Put(t.Context(), store.Put{Job: job.Job{ID: id, State: job.Queued, Due: start}, RequestID: "r"}, start)
		if got := errs.KindOf(err); i == 0 && err != nil || i == 1 && got != errs.Conflict {
			t.Errorf("%s: %v", id, err)
		}
	}
	if j, err := w.docs.Requested(t.Context(), "r"); err != nil || j.ID != "first" {
		t.Errorf("the request made %q (%v), want first", j.ID, err)
	}
	if _, err := w.docs.Job(t.Context(), "second"); !errs.Is(err, errs.NotFound) {
		t.Errorf("second job = %v, want NotFound", err)
	}
}
