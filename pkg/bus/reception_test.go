package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
)

func failed(id string) bus.Event {
	return bus.Event{ID: id, Source: "airflow", Type: bus.AttemptFailed, Time: time.Unix(7, 0).UTC(), ContentType: bus.ContentJSON, Data: []byte("{}")}
}

func TestReportsReachTheirConsumerAndNoOther(t *testing.T) {
	server := bustest.Start(t)
	b := bustest.Connect(t, server)
	bustest.Connect(t, server) // a second bus must not take them twice
	reports, events := make(chan bus.Event, 100), make(chan bus.Event, 100)
	listen(t, b, bus.SchedulerReports, into(reports, nil))
	said := bus.ClassifierFailures
	said.Concurrency = 1
	listen(t, b, said, into(events, nil))
	bustest.Report(t, server, failed("a"), failed("b"))
	got := map[string]bool{}
	for range 2 {
		e := <-reports
		got[e.ID] = true
		if e.Type != bus.AttemptFailed || e.Source != "airflow" || !e.Time.Equal(time.Unix(7, 0)) || string(e.Data) != "{}" {
			t.Errorf("report = %+v, want what was told", e)
		}
	}
	if !got["a"] || !got["b"] {
		t.Errorf("reports = %v, want a and b", got)
	}
	own := failed("own")
	own.Source = "redrive/scheduler"
	publish(t, b, own)
	if e := <-events; e.ID != "own" {
		t.Errorf("event = %+v, want Redrive's own alone", e)
	}
	if len(reports) > 0 {
		t.Errorf("one more report: %+v", <-reports)
	}
}

func TestNobodySpeaksForAnother(t *testing.T) {
	server := bustest.Start(t)
	b := bustest.Connect(t, server)
	handled := make(chan bus.Event, 10)
	reports := bus.SchedulerReports
	listen(t, b, reports, into(handled, nil))
	listen(t, b, bus.ClassifierFailures, into(handled, nil))
	own := failed("as us")
	own.Source = "redrive/scheduler"
	bustest.Report(t, server, own)
	publish(t, b, failed("as an event"))
	letters := deadLetters(t, b, 2)
	for _, l := range letters {
		if !strings.Contains(l.Reason, "ce-source") {
			t.Errorf("dead letter %+v, want one that names ce-source", l)
		}
	}
	if len(handled) > 0 {
		t.Errorf("handled %+v", <-handled)
	}
}

// TestAReportToldTwiceIsKeptOnce is about the header that publishers set for it.
func TestAReportToldTwiceIsKeptOnce(t *testing.T) {
	server := bustest.Start(t)
	bustest.Connect(t, server)
	js := client(t, server)
	for i := range 3 {
		m := nats.NewMsg(bus.ReportPrefix + "attempt.failed")
		m.Header.Set("Nats-Msg-Id", "airflow/1")
		ack, err := js.PublishMsg(t.Context(), m)
		if err != nil || ack.Stream != bus.ReportStream || ack.Duplicate != (i > 0) {
			t.Errorf("report %d = %+v, %v; want the confirmation of the stream, and the repetitions dropped", i, ack, err)
		}
	}
}

func TestAReportThatCannotBeKeptIsRefused(t *testing.T) {
	server := bustest.Start(t)
	bustest.Connect(t, server)
	if err := jetStream(t, server).DeleteStream(t.Context(), bus.ReportStream); err != nil {
		t.Fatal(err)
	}
	_, err := client(t, server).Publish(t.Context(), bus.ReportPrefix+"attempt.failed", nil)
	if api, ok := errors.AsType[*jetstream.APIError](err); !ok || api.Code != 503 {
		t.Errorf("publish = %v, want an answer that says why", err)
	}
}

func client(t *testing.T, s *natsserver.Server) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL(), nats.UserInfo(natsserver.UserClient, bustest.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// slowDisk is a server whose syncs wait for a gate.
type slowDisk struct {
	*natsserver.Server
	mu    sync.Mutex
	gate  chan struct{}
	syncs int
	fail  bool
}

func (s *slowDisk) Sync(ctx context.Context) error {
	s.mu.Lock()
	s.syncs++
	fail := s.fail
	s.mu.Unlock()
	select {
	case <-s.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	if fail {
		return errs.New(errs.Unavailable, "no disk")
	}
	return nil
}

func (s *slowDisk) InProcessConn() (net.Conn, error) { return s.Server.InProcessConn() }

func TestAReportIsConfirmedAfterItsSync(t *testing.T) {
	disk := &slowDisk{Server: bustest.Start(t), gate: make(chan struct{})}
	b, err := bus.Connect(t.Context(), bus.Config{InProcess: disk, User: natsserver.UserRedrive, Password: bustest.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	reports := make(chan bus.Event, 1)
	listen(t, b, bus.SchedulerReports, into(reports, nil))
	js := client(t, disk.Server)
	report := func(id string) <-chan error {
		answered := make(chan error, 1)
		go func() {
			m := nats.NewMsg(bus.ReportPrefix + "attempt.failed")
			m.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-source": {"airflow"}, "ce-type": {"attempt.failed"}}
			m.Data = []byte("{}")
			_, err := js.PublishMsg(context.Background(), m, jetstream.WithRetryAttempts(0))
			answered <- err
		}()
		return answered
	}
	first := report("a")
	<-reports // the stream has it, and nothing is synced
	select {
	case err := <-first:
		t.Errorf("confirmed before the sync: %v", err)
	default:
	}
	disk.gate <- struct{}{}
	if err := <-first; err != nil {
		t.Errorf("confirmation = %v, want one after the sync", err)
	}
	disk.mu.Lock()
	disk.fail = true
	disk.mu.Unlock()
	second := report("b")
	disk.gate <- struct{}{}
	if err := <-second; err == nil {
		t.Error("a report that could not be synced was confirmed")
	}
}

func TestManySyncAtTheSameTime(t *testing.T) {
	server, err := natsserver.Start(natsserver.Options{Dir: t.TempDir(), Port: -1, RedrivePassword: bustest.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	b := bustest.Connect(t, server)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := b.Publish(t.Context(), jobFinished(t, fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
			if err := b.Sync(t.Context()); err != nil {
				t.Errorf("Sync = %v", err)
			}
		})
	}
	all.Wait()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Sync(ended); err != nil && !errs.Is(err, errs.Unavailable) {
		t.Errorf("Sync after its context = %v, want nothing or Unavailable", err)
	}
}
