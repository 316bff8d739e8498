package recommender_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// turned are records of failures that nobody could explain, each in words of its
// own: in the older four fifths every retry failed alike, in the newest every one
// succeeded.
func turned() (all []record.Record) {
	const types, jobs = 12, 60
	begin := time.Now().Add(-jobs * time.Hour).Truncate(time.Hour).UTC()
	for n := range types {
		t := failure.Type{Workflow: "w", Step: fmt.Sprint("s", n), Engine: "process"}
		for j := range jobs {
			at := begin.Add(time.Duration(j) * time.Hour).Add(time.Duration(n) * time.Minute)
			first := failure.Attempt{Source: "airflow", Job: fmt.Sprint(n, "-", j), Number: 1}
			second := first
			second.Number = 2
			f := record.Record{Type: t, Number: 1, Told: at}
			f.ID, f.Outcome, f.End, f.Seconds = first.FailureID(), history.Failed, at, 60
			f.Class, f.Fingerprint = failure.Unknown, "words of "+first.Job
			r := f
			r.Number, r.Told, r.End, r.ID, r.Previous = 2, at.Add(time.Second), at.Add(time.Second), second.FailureID(), f.ID
			if j >= jobs*4/5 {
				r.Outcome, r.Class, r.Fingerprint = history.Succeeded, "", ""
			}
			all = append(all, f, r)
		}
	}
	return all
}

// A model that learnt that retries are hopeless, on the day on which they are no
// longer, does not serve, and somebody hears of it.
func TestAModelThatThePastMisleadsIsRejectedAndTold(t *testing.T) {
	b, db, registry := bustest.New(t), storetest.Open(t), prometheus.NewRegistry()
	if _, err := store.NewRecords(db).Add(t.Context(), turned()...); err != nil {
		t.Fatal(err)
	}
	told := make(chan *redrivev1.ModelAudited, 100)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan error, 1)
	go func() {
		listen := bus.Consumer{Name: "audits", Types: []bus.Type{bus.ModelAudited}, Ephemeral: true}
		heard <- b.Consume(ctx, listen, func(_ context.Context, e bus.Event) error {
			m := &redrivev1.ModelAudited{}
			err := e.Decode(m)
			told <- m
			return err
		})
	}()
	client := replica(t, recommender.Deps{Store: db, Bus: b, Metrics: registry})
	var event *redrivev1.ModelAudited
	var training *redrivev1.Training
	for event == nil { // what was told before somebody listened is told again of the next training
		training = trained(t, client, &redrivev1.TrainModelRequest{Full: true, Promote: true, Reason: "a test"})
		select {
		case event = <-told:
		case <-time.After(time.Second):
		}
	}
	cancel()
	if err := <-heard; err != nil {
		t.Errorf("Consume = %v", err)
	}
	var checks strings.Builder
	for _, f := range event.GetAudit().GetFindings() {
		if f.GetFatal() {
			checks.WriteString(f.GetCheck() + " ")
		}
	}
	if event.GetAudit().GetPassed() || event.GetModel() != training.GetModel() || !strings.Contains(checks.String(), "incumbent") || !strings.Contains(checks.String(), "doubling") {
		t.Errorf("told of %s: passed %v, fatal: %s", event.GetModel(), event.GetAudit().GetPassed(), checks.String())
	}
	got, err := client.GetModel(t.Context(), &redrivev1.GetModelRequest{Name: training.GetModel()})
	if err != nil || got.GetState() != redrivev1.Model_STATE_REJECTED || training.GetPromoted() || len(got.GetAudit().GetReplay()) != 4 || got.GetAudit().GetRecords() == 0 {
		t.Errorf("model %v, %v", got, err)
	}
	if _, err := client.PromoteModel(t.Context(), &redrivev1.PromoteModelRequest{Name: training.GetModel()}); err == nil || !strings.Contains(err.Error(), "did not pass its audit") {
		t.Errorf("promote = %v, want that it did not pass", err)
	}
	answers(t, client, "models/builtin")
	if n := counted(t, registry, "redrive_recommender_audits_total", "failed"); n < 1 {
		t.Errorf("%v audits that failed are counted", n)
	}
}

// counted returns a counter with a value of its one label.
func counted(t *testing.T, r prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
