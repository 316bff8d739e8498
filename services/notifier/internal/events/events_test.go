package events_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/events"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
	"github.com/redrive-io/redrive/services/notifier/internal/wire"
)

const scheduler = "redrive/scheduler"

func ref(source, job string, attempt int32) *redrivev1.AttemptRef {
	return &redrivev1.AttemptRef{Source: source, Job: job, Attempt: attempt}
}

var jobType = &redrivev1.JobType{Workflow: "nightly", Step: "load", Engine: "process"}

func event(t testing.TB, kind bus.Type, id, source string, m proto.Message) bus.Event {
	t.Helper()
	e, err := bus.NewEvent(kind, id, source, "", time.Now(), m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// decided is the event about attempt n of a job.
func decided(t testing.TB, job string, n int32, attention redrivev1.Decision_Attention) bus.Event {
	stop := attention == redrivev1.Decision_ATTENTION_PERMANENT
	m := &redrivev1.DecisionMade{
		Attempt: ref("redrive", job, n), Type: jobType, Owner: "data", Summary: fmt.Sprintf("403 in attempt %d", n), Runbook: "ask for access",
		Excerpt: []string{"HTTP/1.1 403"}, WillRetry: !stop, JobRevision: int64(3 * n),
		Decision: &redrivev1.Decision{
			Attention: attention, Reason: fmt.Sprintf("reason %d", n), CreateTime: timestamppb.New(time.Unix(1000, 0)),
			Inputs: &redrivev1.DecisionInputs{Class: "permission", Category: redrivev1.Category_CATEGORY_USER, ConsecutiveFailures: n},
		},
	}
	if !stop {
		m.NextRetryTime = timestamppb.New(time.Unix(2000+int64(n), 0))
	}
	return event(t, bus.DecisionMade, fmt.Sprintf("%s/%d", job, n), scheduler, m)
}

func succeeded(t testing.TB, source, job string, n int32, from string) bus.Event {
	return event(t, bus.AttemptSucceeded, fmt.Sprintf("%s/%d/ok", job, n), from, &redrivev1.AttemptSucceeded{Attempt: ref(source, job, n), Type: jobType})
}

func finished(t testing.TB, job string, n int32, state redrivev1.Job_State) bus.Event {
	return event(t, bus.JobFinished, fmt.Sprintf("%s/%d/end", job, n), scheduler, &redrivev1.JobFinished{
		Job: "jobs/" + job, Attempt: ref("redrive", job, n), Type: jobType, State: state, Reason: "reason", JobRevision: int64(3 * n),
	})
}

// handleAll hands events to a handler, and again those that came too early or
// lost a race, as the bus does.
func handleAll(t testing.TB, h *events.Handler, queue []bus.Event) {
	t.Helper()
	for len(queue) > 0 {
		e := queue[0]
		queue = queue[1:]
		switch err := h.Handle(t.Context(), e); {
		case errs.Is(err, errs.NotFound), errs.Is(err, errs.Conflict):
			queue = append(queue, e)
		case err != nil:
			t.Errorf("%s %s: %v", e.Type, e.ID, err)
		}
	}
}

// TestAnyOrderOfTheEventsGivesTheSameAlert tells the life of one job, through
// the translation and a real store, in every order and with repetitions. Each
// order is another job of one store.
func TestAnyOrderOfTheEventsGivesTheSameAlert(t *testing.T) {
	w := ledgertest.On(t, storetest.Open(t), ledgertest.Receivers)
	h := events.New(w.Ledger)
	rnd := rand.New(rand.NewPCG(3, 4))
	history := func(job string) []bus.Event {
		return []bus.Event{
			decided(t, job, 1, redrivev1.Decision_ATTENTION_NONE),
			decided(t, job, 2, redrivev1.Decision_ATTENTION_PERMANENT),
			finished(t, job, 2, redrivev1.Job_STATE_FAILED),
			succeeded(t, "redrive", job, 3, scheduler),
		}
	}
	var jobs []string
	for _, order := range orders(4) {
		job := fmt.Sprintf("etl-%d", len(jobs))
		jobs = append(jobs, job)
		all := history(job)
		var queue []bus.Event
		for i, at := range order {
			queue = append(queue, all[at], all[order[rnd.IntN(i+1)]])
		}
		handleAll(t, h, queue)
	}
	found := map[string]alert.Alert{}
	for _, a := range w.All(t) {
		if _, twice := found[a.Job]; twice {
			t.Errorf("%s has two alerts", a.Job)
		}
		found[a.Job] = a
	}
	want := content(found["jobs/"+jobs[0]])
	if want.State != alert.Resolved || want.Severity != alert.Page || want.FailureCount != 2 || want.Attempt != 2 {
		t.Fatalf("in order: %+v", want)
	}
	for _, job := range jobs {
		a := found["jobs/"+job]
		if got := content(a); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", job, got, want)
		}
		queue := w.Queue(t, a.ID, "oncall")
		if !slices.Equal(queue, nil) && !slices.Equal(queue, []string{"trigger/page", "resolve"}) {
			t.Errorf("%s: oncall is told %v", job, queue)
		}
	}
}

// content is an alert without what differs between jobs and orders.
func content(a alert.Alert) alert.Alert {
	a.ID, a.Job, a.Failure, a.Created, a.Updated, a.Resolved = "", "", "", time.Time{}, time.Time{}, time.Time{}
	a.Revision, a.ResolutionTold, a.Receivers, a.Action = 0, false, nil, ""
	for i := range a.Notices {
		a.Notices[i].Omitted = false
	}
	return a
}

func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, o := range orders(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(o), len(o)-min(i, len(o)), n-1))
		}
	}
	return all
}

// TestManyReplicasHandleTheSameEvents has all events of a job handled at the
// same time, by two notifiers on one store.
func TestManyReplicasHandleTheSameEvents(t *testing.T) {
	db := storetest.Open(t)
	replicas := []*ledgertest.World{ledgertest.On(t, db, ledgertest.Receivers), ledgertest.On(t, db, ledgertest.Receivers)}
	all := []bus.Event{finished(t, "etl", 4, redrivev1.Job_STATE_FAILED), decided(t, "etl", 4, redrivev1.Decision_ATTENTION_PERMANENT)}
	for n := range int32(3) {
		all = append(all, decided(t, "etl", n+1, redrivev1.Decision_ATTENTION_BEFORE_CAP))
	}
	var handlers sync.WaitGroup
	for _, w := range replicas {
		h := events.New(w.Ledger)
		for _, e := range all {
			handlers.Go(func() { handleAll(t, h, []bus.Event{e}) })
		}
	}
	handlers.Wait()
	a := replicas[0].Only(t)
	if a.State != alert.Firing || a.Severity != alert.Page || a.FailureCount != 4 {
		t.Errorf("alert is %s %s with %d failures, want firing page 4", a.State, a.Severity, a.FailureCount)
	}
	pages := 0
	for _, key := range replicas[0].Queue(t, a.ID, "oncall") {
		if key == "trigger/page" {
			pages++
		}
	}
	if pages != 1 {
		t.Errorf("oncall is paged %d times, want once", pages)
	}
}

func TestPayloadSuffices(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	handleAll(t, events.New(w.Ledger), []bus.Event{decided(t, "etl", 2, redrivev1.Decision_ATTENTION_BEFORE_CAP)})
	p := wire.Alert(w.Only(t))
	if p.GetDedupKey() != "jobs/etl" || p.GetJob() != "jobs/etl" || p.GetAttempt() != 2 || p.GetClass() != "permission" || p.GetOwner() != "data" ||
		!p.GetWillRetry() || p.GetNextRetryTime() == nil || p.GetSummary() == "" || p.GetAction() == "" || p.GetSafeToRetry() == "" ||
		p.GetRunbook() != "ask for access" || len(p.GetExcerpt()) != 1 || p.GetFailure() == "" || p.GetType().GetWorkflow() != "nightly" {
		t.Errorf("alert = %v", p)
	}
}

func TestJobsOfOtherSchedulers(t *testing.T) {
	w := ledgertest.Open(t, "")
	h := events.New(w.Ledger)
	d := decided(t, "x", 1, redrivev1.Decision_ATTENTION_PERMANENT)
	var m redrivev1.DecisionMade
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	m.Attempt = ref("airflow", "dag/a:1", 1)
	handleAll(t, h, []bus.Event{event(t, bus.DecisionMade, "d", scheduler, &m)})
	if a := w.Only(t); a.State != alert.Firing || a.Source != "airflow" {
		t.Errorf("alert of %q is %s, want one of airflow that fires", a.Source, a.State)
	}
	handleAll(t, h, []bus.Event{succeeded(t, "airflow", "dag/a:1", 2, scheduler)})
	if a := w.Only(t); a.State != alert.Resolved {
		t.Errorf("after the success: %s, want resolved", a.State)
	}
}

func TestMalformedEventsAreInvalid(t *testing.T) {
	h := events.New(ledgertest.Open(t, "").Ledger)
	garbage := decided(t, "etl", 1, redrivev1.Decision_ATTENTION_NONE)
	garbage.Data = []byte{0xff}
	for name, e := range map[string]bus.Event{
		"garbage":                    garbage,
		"no attempt":                 event(t, bus.DecisionMade, "x", scheduler, &redrivev1.DecisionMade{}),
		"attempt 0":                  event(t, bus.AttemptSucceeded, "x", scheduler, &redrivev1.AttemptSucceeded{Attempt: ref("redrive", "etl", 0)}),
		"another job than attempt's": event(t, bus.JobFinished, "x", scheduler, &redrivev1.JobFinished{Job: "jobs/a", Attempt: ref("redrive", "b", 1)}),
		"a type nobody asked for":    event(t, bus.PatchChanged, "x", scheduler, &redrivev1.PatchChanged{}),
	} {
		if err := h.Handle(t.Context(), e); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	back := event(t, bus.JobFinished, "x", scheduler, &redrivev1.JobFinished{Attempt: ref("redrive", "etl", 1), State: redrivev1.Job_STATE_WAITING})
	if err := h.Handle(t.Context(), back); err != nil {
		t.Errorf("a job that was put back to work: %v", err)
	}
}

// FuzzHandle feeds the handler with payloads of whatever kind.
func FuzzHandle(f *testing.F) {
	w := ledgertest.Open(f, ledgertest.Receivers)
	h := events.New(w.Ledger)
	for i, e := range []bus.Event{
		decided(f, "etl", 1, redrivev1.Decision_ATTENTION_PERMANENT),
		succeeded(f, "redrive", "etl", 2, scheduler),
		finished(f, "etl", 2, redrivev1.Job_STATE_FAILED),
		audited(f, 1, false),
		untrained(f, 1),
	} {
		f.Add(e.Data, i)
	}
	kinds := []bus.Type{bus.DecisionMade, bus.AttemptSucceeded, bus.JobFinished, bus.ModelAudited, bus.TrainingFailed}
	f.Fuzz(func(t *testing.T, data []byte, kind int) {
		e := bus.Event{
			ID: "x", Source: scheduler, Type: kinds[uint(kind)%uint(len(kinds))], Time: time.Now().Add(-time.Hour), ContentType: bus.ContentProto, Data: data,
		}
		if err := h.Handle(t.Context(), e); err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("Handle = %v, want nil or Invalid", err)
		}
	})
}
