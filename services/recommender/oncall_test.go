package recommender_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier"
	"github.com/redrive-io/redrive/services/recommender"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// office is a store and a bus, with the notifiers that tell on-call on them.
type office struct {
	db      docstore.Store
	bus     *bus.Bus
	counts  *prometheus.Registry
	alerts  redrivev1.NotifierServiceClient
	oncall  chan page // what on-call is told
	replays int       // of told
}

// page is what a receiver is told.
type page struct {
	Action string `json:"action"`
	Alert  struct {
		Name, Job, Summary string
	} `json:"alert"`
}

func newOffice(t *testing.T, notifiers int) *office {
	t.Helper()
	o := &office{db: storetest.Open(t), counts: prometheus.NewRegistry(), oncall: make(chan page, 100)}
	var err error
	o.bus, err = bus.Connect(t.Context(), bus.Config{InProcess: bustest.Start(t), User: natsserver.UserRedrive, Password: bustest.Password, Metrics: o.counts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.bus.Close)
	if err := o.bus.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	phone := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var p page
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		o.oncall <- p
	}))
	t.Cleanup(phone.Close)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	text := fmt.Appendf(nil, "receivers: [{name: oncall, type: webhook, url: %s}]\nroutes: [{severities: [warning, page], receivers: [oncall]}]", phone.URL)
	if err := os.WriteFile(policy, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range notifiers {
		o.alerts = notifies(t, policy, notifier.Deps{Store: o.db, Bus: o.bus, Log: slog.New(slog.DiscardHandler), Replica: fmt.Sprint("n", i)})
	}
	return o
}

// notifies runs a notifier until the test ends.
func notifies(t *testing.T, policy string, d notifier.Deps) redrivev1.NotifierServiceClient {
	t.Helper()
	s, err := notifier.New(notifier.Options{PolicyFile: policy}, d)
	if err != nil {
		t.Fatal(err)
	}
	return redrivev1.NewNotifierServiceClient(served(t, "the notifier", s))
}

// hear waits until on-call is told something.
func (o *office) hear(t *testing.T) page {
	t.Helper()
	select {
	case p := <-o.oncall:
		return p
	case <-time.After(time.Minute):
		t.Fatal("on-call hears nothing")
		return page{}
	}
}

// again waits until that many events are told, tells all of them once more, the
// newest first and past the stream's own deduplication, and returns when they
// were handled.
func (o *office) again(t *testing.T, events int) {
	t.Helper()
	o.replays++
	var all []bus.Event
	var told int64
	until(t, func(ctx context.Context) bool {
		all = nil
		var err error
		told, err = o.bus.Replay(ctx, bus.NotifierEvents.Types, func(_ context.Context, e bus.Event) error {
			if e.Emission == 0 {
				e.Emission = o.replays
				all = append(all, e)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(all) >= events
	})
	slices.Reverse(all)
	if err := o.bus.Publish(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	until(t, func(context.Context) bool { return o.handled(t) >= int(told)+len(all) })
}

// handled returns how many events the notifiers have handled.
func (o *office) handled(t *testing.T) (n int) {
	t.Helper()
	families, err := o.counts.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "redrive_bus_handled_total" && m.GetLabel()[0].GetValue() == bus.NotifierEvents.Name && m.GetLabel()[1].GetValue() == "done" {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}

// only returns the one alert that there is.
func (o *office) only(t *testing.T) *redrivev1.Alert {
	t.Helper()
	all, err := o.alerts.ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{})
	if err != nil || len(all.GetAlerts()) != 1 {
		t.Fatalf("alerts %v, %v, want one", all.GetAlerts(), err)
	}
	return all.GetAlerts()[0]
}

// An audit that fails is told once, however often it is told of and however many
// more fail after it.
func TestOnCallHearsOnceThatModelsFailTheirAudit(t *testing.T) {
	o := newOffice(t, 1)
	if _, err := store.NewRecords(o.db).Add(t.Context(), turned()...); err != nil {
		t.Fatal(err)
	}
	client := replica(t, recommender.Deps{Store: o.db, Bus: o.bus})
	failed := trained(t, client, &redrivev1.TrainModelRequest{Full: true, Promote: true, Reason: "a test"})
	if p := o.hear(t); p.Action != "trigger" || p.Alert.Job != "models/-" || !strings.Contains(p.Alert.Summary, "failed its audit") {
		t.Errorf("on-call is told %+v", p)
	}
	o.again(t, 1)
	next := trained(t, client, &redrivev1.TrainModelRequest{Full: true, Promote: true, Reason: "once more"})
	if next.GetPromoted() || failed.GetPromoted() {
		t.Errorf("models serve: %v, %v", failed, next)
	}
	trainings, err := strconv.Atoi(strings.TrimPrefix(next.GetName(), "trainings/"))
	if err != nil {
		t.Fatal(err)
	}
	o.again(t, trainings)
	a := o.only(t)
	if a.GetState() != redrivev1.Alert_STATE_FIRING || a.GetSeverity() != redrivev1.Alert_SEVERITY_WARNING {
		t.Errorf("the alert %v", a)
	}
	// What is told of one alert is told in order: whatever came before its end
	// would be heard before it.
	if _, err := o.alerts.ResolveAlert(t.Context(), &redrivev1.ResolveAlertRequest{Name: a.GetName(), By: "alice"}); err != nil {
		t.Fatal(err)
	}
	if p := o.hear(t); p.Action != "resolve" || p.Alert.Name != a.GetName() {
		t.Errorf("on-call is told %+v, want the end of %s", p, a.GetName())
	}
}

// alone is an outbox that tells nobody.
type alone struct{ docstore.Store }

func (a alone) Commit(ctx context.Context, _ []bus.Event, writes ...docstore.Write) error {
	return a.Store.Commit(ctx, writes...)
}

// A training whose processes were gone before its end, three times, is taken up
// by none of the replicas any more, and told once; the next one that passes is
// the end of it.
func TestOnCallHearsOnceThatATrainingFailed(t *testing.T) {
	o := newOffice(t, 2)
	begun := rollout.Training{ID: "00000001", State: rollout.Auditing, Created: time.Now(), Reason: rollout.Scheduled, Begun: rollout.MaxBegun}
	if _, err := store.NewModels(o.db, alone{o.db}).Put(t.Context(), begun); err != nil {
		t.Fatal(err)
	}
	var client redrivev1.RecommenderServiceClient
	var failed, done float64 // by either replica
	registries := map[string]*prometheus.Registry{"one": prometheus.NewRegistry(), "two": prometheus.NewRegistry()}
	for name, registry := range registries {
		client = replica(t, recommender.Deps{Store: o.db, Bus: o.bus, Replica: name, Metrics: registry})
	}
	if p := o.hear(t); p.Action != "trigger" || p.Alert.Job != "models/-" || !strings.HasPrefix(p.Alert.Summary, "trainings/00000001 failed: it was begun 3 times") {
		t.Errorf("on-call is told %+v", p)
	}
	got, err := client.GetTraining(t.Context(), &redrivev1.GetTrainingRequest{Name: "trainings/00000001"})
	if err != nil || got.GetState() != redrivev1.Training_STATE_FAILED || got.GetBegun() != rollout.MaxBegun || got.GetEndTime() == nil {
		t.Errorf("the training %v, %v", got, err)
	}
	o.again(t, 1)
	a := o.only(t)
	if a.GetState() != redrivev1.Alert_STATE_FIRING || a.GetSeverity() != redrivev1.Alert_SEVERITY_WARNING {
		t.Errorf("the alert %v", a)
	}
	const jobs = 10
	if err := o.bus.Publish(t.Context(), outcomes(t, jobs)...); err != nil {
		t.Fatal(err)
	}
	model(t, client, 2*jobs)
	if passed := trained(t, client, &redrivev1.TrainModelRequest{Reason: "mended"}); !passed.GetPromoted() || passed.GetName() != "trainings/00000002" {
		t.Errorf("the next training %v", passed)
	}
	if p := o.hear(t); p.Action != "resolve" || p.Alert.Name != a.GetName() {
		t.Errorf("on-call is told %+v, want the end of %s", p, a.GetName())
	}
	o.again(t, jobs+2)
	for _, registry := range registries {
		failed += counted(t, registry, "redrive_recommender_trainings_total", "failed")
		done += counted(t, registry, "redrive_recommender_trainings_total", "done")
	}
	if failed != 1 || done != 1 {
		t.Errorf("%v trainings that failed are counted, and %v that did not", failed, done)
	}
	if a := o.only(t); a.GetState() != redrivev1.Alert_STATE_RESOLVED || len(o.oncall) != 0 {
		t.Errorf("the alert %v; on-call is told %d more", a, len(o.oncall))
	}
}
