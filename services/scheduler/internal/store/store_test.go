package store_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/store"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// outbox commits, and hands the events to the test instead of a bus.
type outbox struct {
	docstore.Store
	events []bus.Event
}

func (o *outbox) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if err := o.Store.Commit(ctx, writes...); err != nil {
		return err
	}
	o.events = append(o.events, events...)
	return nil
}

type world struct {
	*testing.T
	db   docstore.Store
	out  *outbox
	docs *store.Store
}

func newWorld(t *testing.T) *world {
	db := storetest.Open(t)
	out := &outbox{Store: db}
	return &world{t, db, out, store.New(db, out)}
}

// put puts a job that is changed by change.
func (w *world) put(id string, n int, change func(*job.Job)) job.Job {
	w.Helper()
	at := start.Add(time.Duration(n) * time.Second)
	j := job.Job{
		ID: id, Source: failure.Own, SourceJob: id, Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"},
		State: job.Queued, Due: at, Created: at, Updated: at, BudgetStart: at,
	}
	if change != nil {
		change(&j)
	}
	after, err := w.docs.Put(w.Context(), store.Put{Job: j}, at)
	if err != nil {
		w.Fatalf("put %s: %v", id, err)
	}
	return after
}

func ids(jobs []job.Job) string {
	var all []string
	for _, j := range jobs {
		all = append(all, j.ID)
	}
	return strings.Join(all, " ")
}

func TestPutCountsRevisions(t *testing.T) {
	w := newWorld(t)
	first := w.put("etl", 0, nil)
	read, err := w.docs.Job(t.Context(), "etl")
	if err != nil || first.Revision != 1 || read.Revision != 1 {
		t.Fatalf("revision %d, read %d (%v), want 1", first.Revision, read.Revision, err)
	}
	read.Reason = "changed"
	second, err := w.docs.Put(t.Context(), store.Put{Job: read}, start)
	if err != nil || second.Revision != 2 {
		t.Fatalf("revision %d (%v), want 2", second.Revision, err)
	}
	if _, err := w.docs.Put(t.Context(), store.Put{Job: read, Effects: []job.Effect{job.TellFinished}}, start); !errs.Is(err, errs.Conflict) {
		t.Errorf("put over an old revision = %v, want Conflict", err)
	}
	if len(w.out.events) > 0 {
		t.Errorf("a put that was refused told %v", w.out.events)
	}
	if _, err := w.docs.Job(t.Context(), "nobody"); !errs.Is(err, errs.NotFound) {
		t.Errorf("unknown job = %v, want NotFound", err)
	}
}

func TestADecisionIsWrittenOnce(t *testing.T) {
	w := newWorld(t)
	j := w.put("etl", 0, nil)
	d := policy.Decision{Job: "etl", Attempt: 1, Action: policy.Stop, Inputs: policy.Inputs{FailuresByClass: map[failure.Class]int{}}}
	j, err := w.docs.Put(t.Context(), store.Put{Job: j, Attempt: 1, Decision: &d}, start)
	if err != nil {
		t.Fatal(err)
	}
	other := d
	other.Action = policy.Retry
	if _, err := w.docs.Put(t.Context(), store.Put{Job: j, Attempt: 1, Decision: &other}, start); !errs.Is(err, errs.Conflict) {
		t.Errorf("second decision = %v, want Conflict", err)
	}
	if got, err := w.docs.Decision(t.Context(), "etl", 1); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("decision %+v (%v), want the first", got, err)
	}
	if read, _ := w.docs.Job(t.Context(), "etl"); read.Revision != j.Revision {
		t.Errorf("the refused commit changed the job to revision %d", read.Revision)
	}
	if _, err := w.docs.Decision(t.Context(), "etl", 2); !errs.Is(err, errs.NotFound) {
		t.Errorf("decision on another attempt = %v, want NotFound", err)
	}
}

// TestAFailureThatIsToldAgainHasItsLogs: what comes with the transition is told
// before what is kept.
func TestAFailureThatIsToldAgainHasItsLogs(t *testing.T) {
	w := newWorld(t)
	kept := failure.Evidence{Node: "n1", Logs: []failure.Log{{Source: "stderr", Head: "kept"}}}
	w.put("etl", 0, func(j *job.Job) { j.Attempts = []job.Attempt{{Number: 1, End: start, Evidence: kept}} })
	fresh := failure.Evidence{Node: "n1", Logs: []failure.Log{{Source: "stderr", Head: "fresh"}}}
	for _, tc := range []struct {
		comes *failure.Evidence
		want  string
	}{{&fresh, "fresh"}, {nil, "kept"}} {
		j, err := w.docs.Job(t.Context(), "etl")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.docs.Put(t.Context(), store.Put{Job: j, Attempt: 1, Effects: []job.Effect{job.TellFailed}, Evidence: tc.comes}, start); err != nil {
			t.Fatal(err)
		}
		var m redrivev1.AttemptFailed
		if err := w.out.events[len(w.out.events)-1].Decode(&m); err != nil || m.GetEvidence().GetNode() != "n1" || m.GetEvidence().GetLogs()[0].GetHead() != tc.want {
			t.Errorf("told %v (%v), want %q", &m, err, tc.want)
		}
	}
}

func TestListIsFilteredAndPaged(t *testing.T) {
	w := newWorld(t)
	for n := range 7 {
		w.put(fmt.Sprintf("j%d", n), n, func(j *job.Job) {
			if n%2 == 0 {
				j.State = job.Waiting
			}
			if n >= 4 {
				j.Type.Workflow = "w\x00" // sorts among those of "w"
			}
		})
	}
	for _, tc := range []struct {
		filter store.Filter
		want   string
	}{
		{store.Filter{}, "j6 j5 j4 j3 j2 j1 j0"},
		{store.Filter{State: job.Waiting}, "j6 j4 j2 j0"},
		{store.Filter{Workflow: "w"}, "j3 j2 j1 j0"},
		{store.Filter{Workflow: "w", State: job.Queued}, "j3 j1"},
		{store.Filter{Workflow: "w\x00"}, "j6 j5 j4"},
		{store.Filter{Workflow: "other"}, ""},
		{store.Filter{State: job.Failed}, ""},
	} {
		for size := int32(1); size <= 8; size++ {
			var all []job.Job
			token := ""
			for pages := 0; pages == 0 || token != ""; pages++ {
				page, err := docstore.NewPaging(size, token, "jobs")
				if err != nil {
					t.Fatal(err)
				}
				var jobs []job.Job
				if jobs, token, err = w.docs.List(t.Context(), tc.filter, page); err != nil || len(jobs) > int(size) || pages > 8 {
					t.Fatalf("page %d has %d jobs (%v), want at most %d", pages, len(jobs), err, size)
				}
				all = append(all, jobs...)
			}
			if got := ids(all); got != tc.want {
				t.Errorf("%+v by %d: %q, want %q", tc.filter, size, got, tc.want)
			}
		}
	}
}

func TestDecisionsAreListedByAttempt(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"etl", "etl-2", "etl0"} {
		j := w.put(id, 0, nil)
		for _, n := range []int{100, 9, 10} {
			var err error
			if j, err = w.docs.Put(t.Context(), store.Put{Job: j, Attempt: n, Decision: &policy.Decision{Job: id, Attempt: n}}, start); err != nil {
				t.Fatal(err)
			}
		}
	}
	page, _ := docstore.NewPaging(0, "")
	all, next, err := w.docs.Decisions(t.Context(), "etl", page)
	var got []int
	for _, d := range all {
		got = append(got, d.Attempt)
		if d.Job != "etl" {
			t.Errorf("a decision of %s among those of etl", d.Job)
		}
	}
	if err != nil || next != "" || !slices.Equal(got, []int{9, 10, 100}) {
		t.Errorf("attempts %v (%v), want 9 10 100", got, err)
	}
}

func TestWaitingJobsComeByDueTime(t *testing.T) {
	w := newWorld(t)
	for n := range 5 {
		w.put(fmt.Sprintf("j%d", n), 10-n, nil) // j4 is due first
	}
	w.put("running", 0, func(j *job.Job) { j.State = job.Running })
	w.put("external", 0, func(j *job.Job) { j.Source, j.State = "airflow", job.Waiting })
	for _, tc := range []struct {
		most int // the caller wants no more
		want string
	}{{1, "j4"}, {3, "j4 j3 j2"}, {9, "j4 j3 j2 j1 j0"}} {
		for _, page := range []int{1, 2, 100} {
			var got []job.Job
			err := w.docs.Waiting(t.Context(), page, func(j job.Job) bool {
				got = append(got, j)
				return len(got) < tc.most
			})
			if err != nil || ids(got) != tc.want {
				t.Errorf("the first %d, %d at a time: %q (%v), want %q", tc.most, page, ids(got), err, tc.want)
			}
		}
	}
}

// TestWaitingReadsOnWhereAPageIsCutShort: big jobs must not hide the small ones
// behind them.
func TestWaitingReadsOnWhereAPageIsCutShort(t *testing.T) {
	w := newWorld(t)
	const jobs = 12
	for n := range jobs {
		w.put(fmt.Sprintf("big-%02d", n), n, func(j *job.Job) { j.Owner = strings.Repeat("x", docstore.MaxPage/8) })
	}
	due := 0
	err := w.docs.Waiting(t.Context(), 100, func(job.Job) bool { due++; return true })
	if err != nil || due != jobs {
		t.Errorf("%d due (%v), want %d", due, err, jobs)
	}
}

func TestWhereJobsRun(t *testing.T) {
	w := newWorld(t)
	for i, replica := range []string{"a", "a-b", "a0", "a.b", "B", "a", "", "gone"} {
		w.put(fmt.Sprintf("j%d", i), i, func(j *job.Job) {
			j.State, j.Attempts = job.Running, []job.Attempt{{Number: 1, End: start, Replica: "gone"}, {Number: 2, Replica: replica}}
			if replica == "gone" {
				j.State = job.Classifying
			}
		})
	}
	names, err := w.docs.Replicas(t.Context())
	slices.Sort(names)
	if want := []string{"B", "a", "a-b", "a.b", "a0"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("jobs run at %q (%v), want %q", names, err, want)
	}
	for name, want := range map[string]string{"a": "j0 j5", "a-b": "j1", "B": "j4", "gone": "", "b": ""} {
		jobs, next, err := w.docs.RunningAt(t.Context(), name, "")
		if err != nil || next != "" || ids(jobs) != want {
			t.Errorf("at %q run %q (%v), want %q", name, ids(jobs), err, want)
		}
	}
}

func TestWhatTheSweepsFind(t *testing.T) {
	w := newWorld(t)
	failed := []job.Attempt{{Number: 1, End: start, Failure: "failures/f"}}
	w.put("classifying", 1, func(j *job.Job) { j.State, j.Attempts = job.Classifying, failed })
	w.put("cancelled-meanwhile", 2, func(j *job.Job) { j.State, j.Attempts, j.Ended = job.Cancelled, failed, start })
	w.put("decided", 3, func(j *job.Job) {
		j.Attempts = []job.Attempt{{Number: 1, End: start, Failure: "failures/f", Decision: "jobs/decided/decisions/1"}}
	})
	w.put("queue-timeout", 4, func(j *job.Job) { j.Overrides.QueueTimeout = time.Minute })
	w.put("deadline", 5, func(j *job.Job) { j.Overrides.Deadline, j.Due = time.Minute, start.Add(time.Hour) })
	w.put("running", 6, func(j *job.Job) { j.State, j.Overrides.Deadline = job.Running, time.Minute })
	w.put("external", 7, func(j *job.Job) { j.Source, j.State = "airflow", job.Waiting })
	w.put("done", 8, func(j *job.Job) { j.State, j.Ended = job.Succeeded, start.Add(8*time.Second) })
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	look := func(what, want string, jobs []job.Job, next string, err error) {
		t.Helper()
		if err != nil || next != "" || ids(jobs) != want {
			t.Errorf("%s: %q, next %q (%v), want %q", what, ids(jobs), next, err, want)
		}
	}
	jobs, next, err := w.docs.Standing(t.Context(), at(2), "")
	look("standing since 2", "classifying", jobs, next, err)
	jobs, next, err = w.docs.Standing(t.Context(), at(60), "")
	look("standing", "classifying cancelled-meanwhile", jobs, next, err)
	jobs, next, err = w.docs.Expired(t.Context(), at(64), "")
	look("expired at 64", "", jobs, next, err)
	jobs, next, err = w.docs.Expired(t.Context(), at(66), "")
	look("expired at 66", "queue-timeout deadline", jobs, next, err)
	jobs, next, err = w.docs.Running(t.Context(), "")
	look("running", "running", jobs, next, err)
	for most, want := range map[int]int{0: 3, 2: 2, 9: 3} {
		if n, err := w.docs.CountResting(t.Context(), most); err != nil || n != want {
			t.Errorf("%d rest, counted up to %d (%v); want %d: those that ended and the other scheduler's", n, most, err, want)
		}
	}
}
