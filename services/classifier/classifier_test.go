package classifier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestAnEventIsClassifiedAndPatched(t *testing.T) {
	w := newWorld(t)
	_, client := w.running(Options{})
	w.publish(told("etl", 1, "t-heap the heap is full, password=hunter2"), 0)
	f := w.wait()
	if f.GetClass() != "memory.container" || f.GetState() != redrivev1.Failure_STATE_FINAL || f.GetPatch() != "patches/1" ||
		f.GetSummary() != "the heap is full, password=[REDACTED]" || f.GetVerdict() != redrivev1.Verdict_VERDICT_RETRY_WITH_CONFIG {
		t.Errorf("told: %v", f)
	}
	p := w.config.all()[0]
	a := failure.AttemptFromProto(f.GetAttempt())
	if p.GetScope().GetJob() != a.JobName() || p.GetFailure() != f.GetName() || len(p.GetOperations()) != 2 || p.GetReason() != f.GetSummary() {
		t.Errorf("patch = %v", p)
	}
	stored, err := client.GetFailure(t.Context(), &redrivev1.GetFailureRequest{Name: f.GetName()})
	if err != nil || stored.GetEvidence().GetLogs()[0].GetHead() != "t-heap the heap is full, password=[REDACTED]" {
		t.Errorf("GetFailure = %v, %v", stored.GetEvidence(), err)
	}
	text, err := protojson.Marshal(stored)
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("the stored failure has a secret: %s (%v)", text, err)
	}
}

func TestDoubleAndShuffledEvents(t *testing.T) {
	w := newWorld(t)
	w.running(Options{})
	type event struct {
		m        *redrivev1.AttemptFailed
		emission int
	}
	var all []event
	for job := range 6 {
		for number := range 3 {
			log := []string{"t-heap x", "t-bug y", "nobody knows this"}[job%3]
			for emission := range 2 {
				all = append(all, event{told(fmt.Sprint("job-", job), number+1, log), emission})
			}
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, e := range all {
		w.publish(e.m, e.emission)
	}
	patches := map[string]string{}
	for len(patches) < 18 {
		f := w.wait()
		if before, known := patches[f.GetName()]; known && before != f.GetPatch() {
			t.Errorf("%s has the patch %q and then %q", f.GetName(), before, f.GetPatch())
		}
		patches[f.GetName()] = f.GetPatch()
	}
	if n := len(w.config.all()); n > 6 {
		t.Errorf("%d patches for 6 failures of memory", n)
	}
}

func TestAllDoorsAtOnce(t *testing.T) {
	w := newWorld(t)
	_, client := w.running(Options{})
	m := told("etl", 1, "t-heap x")
	data, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	a := failure.AttemptFromProto(m.GetAttempt())
	var all sync.WaitGroup
	answers := make([]*redrivev1.Failure, 12)
	for i := range answers {
		all.Go(func() {
			var err error
			answers[i], err = client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Config: m.GetConfig(), Evidence: m.GetEvidence()})
			if err != nil {
				t.Errorf("Classify = %v", err)
			}
		})
	}
	all.Go(func() { w.publish(m, 0) })
	all.Go(func() {
		json := bus.Event{ID: "other-id", Source: "redrive/scheduler", Type: bus.AttemptFailed, Subject: a.JobName(), Time: time.Now(), ContentType: bus.ContentJSON, Data: data}
		if err := w.bus.Publish(t.Context(), json); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	for _, f := range answers {
		if !proto.Equal(f, answers[0]) || f.GetPatch() != "patches/1" {
			t.Errorf("answers differ: %v and %v", f, answers[0])
		}
	}
	if got := w.wait(); got.GetName() != answers[0].GetName() || len(w.config.all()) != 1 {
		t.Errorf("told %v, %d patches", got, len(w.config.all()))
	}
	list, err := client.ListFailures(t.Context(), &redrivev1.ListFailuresRequest{Job: "acme/etl"})
	if err != nil || len(list.GetFailures()) != 1 {
		t.Errorf("ListFailures = %v, %v, want one", list, err)
	}
}

func TestClassifyWhileTheRecommenderIsDown(t *testing.T) {
	w := newWorld(t)
	s, client := w.service(Options{})
	w.run(s.outbox.Run)
	w.recommender.setDown(true)
	m := told("etl", 1, "nobody knows this")
	req := &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Config: m.GetConfig(), Evidence: m.GetEvidence()}
	if _, err := client.Classify(t.Context(), req); !errs.Is(errs.FromStatus(err), errs.Unavailable) {
		t.Errorf("Classify = %v, want Unavailable", err)
	}
	later := time.Now().Add(time.Minute)
	if err := s.driveOn(t.Context(), later); !errs.Is(err, errs.Unavailable) {
		t.Errorf("driveOn = %v, want Unavailable", err)
	}
	w.recommender.setDown(false)
	if err := s.driveOn(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if f := w.wait(); f.GetClass() != "unknown" || f.GetState() != redrivev1.Failure_STATE_FINAL || f.GetRecommendation().GetOutcome() != redrivev1.Recommendation_OUTCOME_KEEP {
		t.Errorf("told %v", f)
	}
	if f, err := client.Classify(t.Context(), req); err != nil || f.GetState() != redrivev1.Failure_STATE_FINAL {
		t.Errorf("Classify = %v, %v", f, err)
	}
}

func TestWhatNeverAnswersIsGivenUp(t *testing.T) {
	w := newWorld(t)
	s, client := w.service(Options{})
	w.run(s.outbox.Run)
	w.recommender.setDown(true)
	for i := range 3 {
		m := told("etl", i+1, "nobody knows this")
		if _, err := client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType()}); err == nil {
			t.Error("Classify succeeded")
		}
	}
	if err := s.driveOn(t.Context(), time.Now().Add(2*giveUpAfter)); err != nil {
		t.Errorf("driveOn = %v", err)
	}
	for range 3 {
		if f := w.wait(); len(f.GetWarnings()) != 1 || !strings.Contains(f.GetWarnings()[0], "given up") {
			t.Errorf("told %v", f)
		}
	}
}

func TestAnEventWaitsForTheRecommender(t *testing.T) {
	w := newWorld(t)
	w.running(Options{})
	w.recommender.setDown(true)
	w.publish(told("etl", 1, "t-heap x"), 0)
	<-w.recommender.asked
	w.recommender.setDown(false)
	if f := w.wait(); f.GetPatch() != "patches/1" {
		t.Errorf("told %v", f)
	}
}

func TestAPatchBeyondTheCeilingIsSaid(t *testing.T) {
	w := newWorld(t)
	_, client := w.running(Options{})
	m := told("etl", 1, "t-heap x")
	m.Config.Fields["memory_mb"] = structpb.NewNumberValue(8000)
	f, err := client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Config: m.GetConfig(), Evidence: m.GetEvidence()})
	if err != nil || f.GetState() != redrivev1.Failure_STATE_FINAL || f.GetPatch() != "" || len(f.GetWarnings()) != 1 || !strings.Contains(f.GetWarnings()[0], "ceiling") {
		t.Errorf("Classify = %v, %v", f, err)
	}
}

func TestEventsThatCanNeverBeHandledAreInvalid(t *testing.T) {
	w := newWorld(t)
	s, _ := w.service(Options{})
	for name, e := range map[string]bus.Event{
		"no message": {Data: []byte{0xff}, ContentType: bus.ContentProto},
		"no content": {Data: []byte("{}"), ContentType: "text/plain"},
		"nothing":    {ContentType: bus.ContentJSON, Data: []byte("{}")},
	} {
		if err := s.handler.AttemptFailed(t.Context(), e); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: AttemptFailed = %v, want Invalid", name, err)
		}
	}
}

func TestARuleIsAtWorkOnEveryReplica(t *testing.T) {
	w := newWorld(t)
	_, a := w.running(Options{})
	b, _ := w.service(Options{})
	w.run(b.Run)
	if _, err := a.CreateRule(t.Context(), &redrivev1.CreateRuleRequest{RuleId: "t-new", Rule: &redrivev1.Rule{Any: []string{"brand new"}, Class: "disk.full", Summary: "s"}, Force: true}); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { _, ok := b.book.Set().Rule("t-new"); return ok })
	if _, err := a.DeleteRule(t.Context(), &redrivev1.DeleteRuleRequest{Name: "rules/t-new"}); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { _, ok := b.book.Set().Rule("t-new"); return !ok })
}

// until waits for something that no event tells of.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not come true in 30 s")
		}
	}
}

func TestReplay(t *testing.T) {
	w := newWorld(t)
	s, client := w.running(Options{})
	for i, log := range []string{"t-heap x", "t-bug y", "nobody knows this"} {
		m := told("etl", i+1, log)
		f, err := client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Config: m.GetConfig(), Evidence: m.GetEvidence()})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.ReplayFailure(t.Context(), &redrivev1.ReplayFailureRequest{Name: f.GetName()})
		if err != nil || !got.GetIdentical() || !proto.Equal(got.GetFailure(), f) {
			t.Errorf("ReplayFailure = %v, %v, want the same as %v", got, err, f)
		}
	}
	// A record that says otherwise than its matches is told apart.
	id := failure.AttemptFromProto(attempt("etl", 1)).FailureID()
	rec, err := s.failures.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	rec.Attempt.Number, rec.Revision = 9, 0
	rec.Result.Summary, rec.Result.Class = "forged", failure.DiskFull
	if _, err := s.failures.Put(t.Context(), rec, false); err != nil {
		t.Fatal(err)
	}
	got, err := client.ReplayFailure(t.Context(), &redrivev1.ReplayFailureRequest{Name: "failures/" + rec.ID()})
	if err != nil || got.GetIdentical() || len(got.GetDifferences()) != 2 {
		t.Errorf("ReplayFailure = %v, %v, want two differences", got, err)
	}
}

func TestPlot(t *testing.T) {
	w := newWorld(t)
	_, client := w.running(Options{})
	names := map[string]string{}
	for i, log := range []string{"t-heap x", "t-bug y", "nobody knows this"} {
		m := told("etl", i+1, log)
		f, err := client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Config: m.GetConfig(), Evidence: m.GetEvidence()})
		if err != nil {
			t.Fatal(err)
		}
		names[log] = f.GetName()
	}
	memory := told("etl", 1, "").GetConfig().GetFields()["memory_mb"].GetNumberValue()
	got, err := client.PlotFailure(t.Context(), &redrivev1.PlotFailureRequest{Name: names["t-heap x"]})
	if want := fmt.Sprintf("<svg>%v</svg>", memory); err != nil || got.GetSvg() != want {
		t.Errorf("PlotFailure = %v, %v, want %s: what the recommender draws of the recorded inputs", got, err, want)
	}
	for name, want := range map[string]errs.Kind{
		names["t-bug y"]: errs.FailedPrecondition, names["nobody knows this"]: errs.FailedPrecondition, "failures/none": errs.NotFound, "etl": errs.Invalid,
	} {
		if _, err := client.PlotFailure(t.Context(), &redrivev1.PlotFailureRequest{Name: name}); !errs.Is(errs.FromStatus(err), want) {
			t.Errorf("PlotFailure of %s = %v, want %v", name, err, want)
		}
	}
}

func TestFilesAreReadBelowTheLogRoot(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "log"), []byte("t-bug in the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	_, client := w.running(Options{LogRoots: []string{root}})
	m := told("etl", 1, "")
	m.Evidence.Logs[0].Uri = "file://" + filepath.Join(root, "log")
	m.Evidence.Logs = append(m.Evidence.Logs, &redrivev1.Log{Source: "other", Uri: "file:///etc/passwd"})
	f, err := client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Evidence: m.GetEvidence()})
	if err != nil || f.GetRule() != "rules/t-bug" || len(f.GetWarnings()) != 1 || strings.Contains(f.String(), "root:") {
		t.Errorf("Classify = %v, %v", f, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{LogRoots: []string{"relative"}}, {Retention: -1}, {MaxFailures: -1}, {RecommendTimeout: -1}} {
		if _, err := New(o, Deps{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("New(%+v) = %v, want Invalid", o, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	s, err := New(Options{}, Deps{Store: w.store, Bus: w.bus, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	s.metrics.classified(time.Millisecond)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	for _, name := range []string{"redrive_classifier_classify_duration_seconds", "redrive_classifier_rules", "redrive_classifier_unclassified_total"} {
		if !slices.Contains(names, name) {
			t.Errorf("metrics %v lack %s", names, name)
		}
	}
}
