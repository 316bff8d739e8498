package notifier_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier"
)

// start runs a service until stop is called or the test ends.
func start(t testing.TB, o notifier.Options, d notifier.Deps) (c redrivev1.NotifierServiceClient, stop func()) {
	t.Helper()
	d.Log = slog.New(slog.DiscardHandler)
	s, err := notifier.New(o, d)
	if err != nil {
		t.Fatal(err)
	}
	pipe := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	s.Register(server)
	go func() { _ = server.Serve(pipe) }()
	t.Cleanup(server.Stop)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run = %v, want nil when it is told to stop", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	conn, err := grpc.NewClient("passthrough:///pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return redrivev1.NewNotifierServiceClient(conn), stop
}

// told is what a receiver was told.
type told struct {
	key    string
	action string
	body   map[string]any
}

// listen is an HTTP server that takes what answer says it takes.
func listen(t testing.TB, answer func() int) (url string, got <-chan told) {
	t.Helper()
	calls := make(chan told, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		x := told{key: r.Header.Get("Idempotency-Key")}
		if err := json.Unmarshal(text, &x.body); err != nil {
			t.Error(err)
		}
		for _, member := range []string{"action", "event_action"} {
			if action, ok := x.body[member].(string); ok {
				x.action = action
			}
		}
		w.WriteHeader(answer())
		calls <- x
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func ok() int { return http.StatusOK }

func policyFile(t testing.TB, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func event(t testing.TB, kind bus.Type, id string, m proto.Message) bus.Event {
	t.Helper()
	e, err := bus.NewEvent(kind, id, "redrive/scheduler", "jobs/etl", time.Now(), m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func ref(n int32) *redrivev1.AttemptRef {
	return &redrivev1.AttemptRef{Source: "redrive", Job: "etl", Attempt: n}
}

var jobType = &redrivev1.JobType{Workflow: "nightly", Step: "load", Engine: "process"}

func decided(t testing.TB, n int32, attention redrivev1.Decision_Attention) bus.Event {
	stop := attention == redrivev1.Decision_ATTENTION_PERMANENT
	m := &redrivev1.DecisionMade{
		Attempt: ref(n), Type: jobType, Owner: "data", Summary: "403 for /data", Runbook: "ask for access", Excerpt: []string{"HTTP/1.1 403"},
		WillRetry: !stop, JobRevision: int64(3 * n),
		Decision: &redrivev1.Decision{Attention: attention, Reason: "reason", Inputs: &redrivev1.DecisionInputs{
			Class: "permission", Category: redrivev1.Category_CATEGORY_USER, ConsecutiveFailures: min(n, 2),
		}},
	}
	if !stop {
		m.NextRetryTime = timestamppb.New(time.Now().Add(time.Hour))
	}
	return event(t, bus.DecisionMade, fmt.Sprintf("decision-%d", n), m)
}

// history is the life of a job: two failures, stopped by the third, put back to
// work by a human and recovered. Nobody pages before the third.
func history(t testing.TB) []bus.Event {
	return []bus.Event{
		decided(t, 1, redrivev1.Decision_ATTENTION_NONE),
		decided(t, 2, redrivev1.Decision_ATTENTION_BEFORE_CAP),
		decided(t, 3, redrivev1.Decision_ATTENTION_PERMANENT),
		event(t, bus.JobFinished, "finished-3", &redrivev1.JobFinished{
			Job: "jobs/etl", Attempt: ref(3), Type: jobType, State: redrivev1.Job_STATE_FAILED, Reason: "reason", JobRevision: 9,
		}),
		event(t, bus.AttemptSucceeded, "succeeded-4", &redrivev1.AttemptSucceeded{Attempt: ref(4), Type: jobType, JobRevision: 12}),
		event(t, bus.JobFinished, "finished-4", &redrivev1.JobFinished{
			Job: "jobs/etl", Attempt: ref(4), Type: jobType, State: redrivev1.Job_STATE_SUCCEEDED, JobRevision: 12,
		}),
	}
}

func TestLifeOfAnAlert(t *testing.T) {
	hookURL, hook := listen(t, ok)
	dutyURL, duty := listen(t, func() int { return http.StatusAccepted })
	chatURL, chat := listen(t, ok)
	t.Setenv("TEST_KEY", "key")
	file := policyFile(t, `
receivers:
  - {name: hook, type: webhook, url: %s, secret_env: TEST_KEY}
  - {name: duty, type: pagerduty, url: %s, routing_key_env: TEST_KEY}
  - {name: chat, type: slack, url: %s}
routes:
  - {severities: [page], receivers: [duty], continue: true}
  - {severities: [warning, page], receivers: [hook, chat]}
`, hookURL, dutyURL, chatURL)
	b := bustest.New(t)
	changes := watch(t, b)
	c, _ := start(t, notifier.Options{PolicyFile: file, ExternalURL: "https://redrive.example.com"}, notifier.Deps{
		Store: storetest.Open(t), Bus: b, Metrics: prometheus.NewRegistry(),
	})
	all := history(t)
	publish := func(events ...bus.Event) {
		t.Helper()
		if err := b.Publish(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
	}
	publish(all[0])
	states := []string{stateOf(<-changes)}
	publish(all[1])
	warned := <-hook
	alert := warned.body["alert"].(map[string]any)
	if warned.action != "trigger" || warned.body["severity"] != "warning" || alert["will_retry"] != true || alert["job"] != "jobs/etl" {
		t.Fatalf("hook was told %v", warned.body)
	}
	name := alert["name"].(string)
	a, err := c.AcknowledgeAlert(t.Context(), &redrivev1.AcknowledgeAlertRequest{Name: name, By: "alice"})
	if err != nil || a.GetState() != redrivev1.Alert_STATE_ACKNOWLEDGED {
		t.Fatalf("acknowledged: %v, %v", a, err)
	}
	if x := <-hook; x.action != "acknowledge" {
		t.Errorf("hook was told %v, want the acknowledgement", x.body)
	}
	publish(all[2:4]...)
	if x := <-duty; x.action != "trigger" || x.body["routing_key"] != "key" {
		t.Errorf("duty was told %v, want the trigger", x.body)
	}
	if x := <-hook; x.action != "trigger" || x.body["severity"] != "page" {
		t.Errorf("hook was told %v, want the page", x.body)
	}
	publish(all[4:]...)
	if x := <-duty; x.action != "resolve" {
		t.Errorf("duty was told %v, want the resolution", x.body)
	}
	if x := <-hook; x.action != "resolve" || x.key != strings.TrimPrefix(name, "alerts/")+"/resolve" {
		t.Errorf("hook was told %v", x.body)
	}
	var titles []string
	for range 3 {
		text := (<-chat).body["text"].(string)
		titles = append(titles, text[:strings.Index(text, "]")+1])
	}
	if want := []string{"[WARNING]", "[PAGE]", "[RESOLVED]"}; !slices.Equal(titles, want) {
		t.Errorf("chat was told %v, want %v", titles, want)
	}
	for range 4 {
		states = append(states, stateOf(<-changes))
	}
	if want := []string{"INFO FIRING", "WARNING FIRING", "WARNING ACKNOWLEDGED", "PAGE FIRING", "PAGE RESOLVED"}; !slices.Equal(states, want) {
		t.Errorf("alert.changed said %q, want %q", states, want)
	}
	list, err := c.ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{Job: "jobs/etl"})
	if err != nil || len(list.GetAlerts()) != 1 || list.GetAlerts()[0].GetFailures() != 3 {
		t.Errorf("alerts = %v, %v", list, err)
	}
}

func stateOf(a *redrivev1.Alert) string {
	return strings.TrimPrefix(a.GetSeverity().String(), "SEVERITY_") + " " + strings.TrimPrefix(a.GetState().String(), "STATE_")
}

// watch returns what alert.changed says from now on.
func watch(t testing.TB, b *bus.Bus) <-chan *redrivev1.Alert {
	t.Helper()
	got, listening := make(chan *redrivev1.Alert, 100), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	consumer := bus.Consumer{
		Name: "test-alerts", Types: []bus.Type{bus.AlertChanged}, Ephemeral: true, Concurrency: 1,
		Listening: func() { listening <- struct{}{} },
	}
	go func() {
		ended <- b.Consume(ctx, consumer, func(_ context.Context, e bus.Event) error {
			var m redrivev1.AlertChanged
			if err := e.Decode(&m); err != nil {
				return err
			}
			got <- m.GetAlert()
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Consume = %v", err)
		}
	})
	<-listening
	return got
}

// TestShuffledAndRepeatedEventsOverTheBus publishes the life of a job in random
// orders, everything twice, each time to a service with a store of its own: to
// the only replica, and to two of them.
func TestShuffledAndRepeatedEventsOverTheBus(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for round, replicas := range [][]string{{""}, {""}, {"a", "b"}, {"a", "b"}, {"a", "b"}} {
		url, got := listen(t, ok)
		file := policyFile(t, "receivers: [{name: hook, type: webhook, url: %s}]", url)
		b := bustest.New(t)
		db := storetest.Open(t)
		var c redrivev1.NotifierServiceClient
		var stops []func()
		for _, name := range replicas {
			client, stop := start(t, notifier.Options{PolicyFile: file}, notifier.Deps{Store: db, Bus: b, Replica: name})
			c, stops = client, append(stops, stop)
		}
		var queue []bus.Event
		for _, e := range history(t)[:4] { // up to the stop
			again := e
			again.Emission = 1
			queue = append(queue, e, again)
		}
		rnd.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		if err := b.Publish(t.Context(), queue...); err != nil {
			t.Fatal(err)
		}
		keys := map[string]int{}
		for paged := false; !paged; {
			x := <-got
			keys[x.key]++
			paged = x.body["severity"] == "page"
		}
		var a *redrivev1.Alert
		for a.GetFailures() < 3 {
			list, err := c.ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{})
			if err != nil || len(list.GetAlerts()) > 1 {
				t.Fatalf("round %d: %v, %v", round, list, err)
			}
			if len(list.GetAlerts()) == 1 {
				a = list.GetAlerts()[0]
			}
		}
		if a.GetState() != redrivev1.Alert_STATE_FIRING || a.GetSeverity() != redrivev1.Alert_SEVERITY_PAGE || a.GetAttempt() != 3 || a.GetWillRetry() {
			t.Errorf("round %d: alert = %v", round, a)
		}
		for _, stop := range stops {
			stop()
		}
		for len(got) > 0 {
			keys[(<-got).key]++
		}
		for key, n := range keys {
			if n != 1 {
				t.Errorf("round %d: %s was told %d times", round, key, n)
			}
		}
		if letters, err := b.DeadLetters(t.Context(), 0, 10); err != nil || len(letters) > 0 {
			t.Errorf("round %d: dead letters %v, %v", round, letters, err)
		}
	}
}

// TestRestartSendsWhatIsDue stops a service whose receiver is down, and starts
// another on the same store.
func TestRestartSendsWhatIsDue(t *testing.T) {
	var up atomic.Bool
	url, got := listen(t, func() int {
		if up.Load() {
			return http.StatusOK
		}
		return http.StatusServiceUnavailable
	})
	file := policyFile(t, "receivers: [{name: hook, type: webhook, url: %s, min_backoff: 1ms, max_backoff: 10ms}]", url)
	b, store := bustest.New(t), storetest.Open(t)
	_, stop := start(t, notifier.Options{PolicyFile: file}, notifier.Deps{Store: store, Bus: b})
	if err := b.Publish(t.Context(), decided(t, 1, redrivev1.Decision_ATTENTION_PERMANENT)); err != nil {
		t.Fatal(err)
	}
	key := (<-got).key
	stop()
	for len(got) > 0 {
		<-got
	}
	up.Store(true)
	c, _ := start(t, notifier.Options{PolicyFile: file}, notifier.Deps{Store: store, Bus: b})
	if again := <-got; again.key != key {
		t.Errorf("after the restart the key is %q, want %q", again.key, key)
	}
	list, err := c.ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{})
	if err != nil || len(list.GetAlerts()) != 1 {
		t.Fatalf("alerts = %v, %v", list, err)
	}
	for {
		a, err := c.GetAlert(t.Context(), &redrivev1.GetAlertRequest{Name: list.GetAlerts()[0].GetName()})
		if err != nil {
			t.Fatal(err)
		}
		d := a.GetDeliveries()[0]
		if d.GetState() == redrivev1.Delivery_STATE_DELIVERED {
			if d.GetTries() < 2 || d.GetReceiver() != "hook" || d.GetAction() != "trigger" {
				t.Errorf("delivery = %v", d)
			}
			break
		}
	}
}

func TestWrongSettingsAreToldAtTheStart(t *testing.T) {
	deps := notifier.Deps{Store: storetest.Open(t), Bus: bustest.New(t)}
	for name, o := range map[string]notifier.Options{
		"policy.yaml:1: the file: the key": {PolicyFile: policyFile(t, "receiverz: []")},
		"open":                             {PolicyFile: filepath.Join(t.TempDir(), "none.yaml")},
		"external_url":                     {ExternalURL: "ftp://x"},
	} {
		if _, err := notifier.New(o, deps); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("New = %v, want an Invalid error with %q", err, name)
		}
	}
}
