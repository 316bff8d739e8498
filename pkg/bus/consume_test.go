package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
)

func jetStream(t *testing.T, s *natsserver.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(natsserver.UserRedrive, bustest.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// deadLetters waits until there are n.
func deadLetters(t *testing.T, b *bus.Bus, n int) []bus.DeadLetter {
	t.Helper()
	for {
		all, err := b.DeadLetters(t.Context(), 0, 100)
		if err != nil {
			t.Fatalf("DeadLetters: %v", err)
		}
		if len(all) >= n {
			return all
		}
	}
}

// settled waits until the server has nothing left for the consumer.
func settled(t *testing.T, s *natsserver.Server) {
	t.Helper()
	js := jetStream(t, s)
	for {
		c, err := js.Consumer(t.Context(), bus.EventStream, finished.Name)
		if err != nil {
			t.Fatal(err)
		}
		if i := c.CachedInfo(); i.NumAckPending == 0 && i.NumPending == 0 {
			return
		}
	}
}

func TestEachKindOfErrorHasItsEnd(t *testing.T) {
	plain := errors.New("plain")
	for _, tc := range []struct {
		name   string
		c      bus.Consumer // besides its name and types
		answer func(delivery int) error
		// deliveries until the end, 0 where it hangs on the clock
		deliveries int
		dead       string // the reason has it; empty for a good end
	}{
		{"done", bus.Consumer{}, func(int) error { return nil }, 1, ""},
		{"malformed", bus.Consumer{}, func(int) error { return errs.Field("job", "is é\nno job") }, 1, "is é\nno job"},
		{"dependency away", bus.Consumer{MaxFailures: 1}, func(n int) error {
			if n == 1 {
				return errs.New(errs.Unavailable, "store is down")
			}
			return nil
		}, 2, ""},
		{"a call takes too long", bus.Consumer{MaxFailures: 1}, func(n int) error {
			if n == 1 {
				return context.DeadlineExceeded
			}
			return nil
		}, 2, ""},
		{"not there and then it is", bus.Consumer{}, func(n int) error {
			if n < 3 {
				return errs.New(errs.NotFound, "no such job")
			}
			return nil
		}, 3, ""},
		{"never there", bus.Consumer{NotYet: 200 * time.Millisecond}, func(int) error { return errs.New(errs.NotFound, "no such job") }, 0, "no such job"},
		{"lost races", bus.Consumer{MaxFailures: 1}, func(n int) error {
			if n < 4 {
				return errs.New(errs.Conflict, "revision 3")
			}
			return nil
		}, 4, ""},
		{"a defect", bus.Consumer{MaxFailures: 2}, func(int) error { return plain }, 2, "plain"},
		{"a panic", bus.Consumer{MaxFailures: 1}, func(int) error { panic("at the disco") }, 1, "at the disco"},
		{"a defect once", bus.Consumer{MaxFailures: 2}, func(n int) error {
			if n == 1 {
				return plain
			}
			return nil
		}, 2, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := bustest.Start(t)
			bustest.Connect(t, server)
			registry := prometheus.NewRegistry()
			b, err := bus.Connect(t.Context(), bus.Config{InProcess: server, User: natsserver.UserRedrive, Password: bustest.Password, Metrics: registry})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			publish(t, b, jobFinished(t, "a"))
			var deliveries atomic.Int32
			ends := make(chan bool, 100)
			tc.c.Name, tc.c.Types = finished.Name, finished.Types
			stop := listen(t, b, tc.c, func(_ context.Context, e bus.Event) error {
				n := int(deliveries.Add(1))
				if e.Delivery != n {
					t.Errorf("delivery = %d, want %d", e.Delivery, n)
				}
				err := tc.answer(n)
				if err == nil {
					ends <- true
				}
				return err
			})
			outcome := `redrive_bus_handled_total{consumer="test",outcome="done"} 1`
			if tc.dead == "" {
				<-ends
			} else {
				letters := deadLetters(t, b, 1)
				outcome = `redrive_bus_handled_total{consumer="test",outcome="dead"} 1`
				d := letters[0]
				if d.Consumer != "test" || !strings.Contains(d.Reason, tc.dead) || d.Subject != "redrive.v1.job.finished" || d.Deliveries != int(deliveries.Load()) || d.Event.ID != "a" {
					t.Errorf("dead letter = %+v, want a, by test, because %q", d, tc.dead)
				}
			}
			stop()
			if got := int(deliveries.Load()); tc.deliveries != 0 && got != tc.deliveries {
				t.Errorf("deliveries = %d, want %d", got, tc.deliveries)
			}
			if err := testutil.GatherAndCompare(registry, strings.NewReader(""), "redrive_bus_handled_total"); err == nil || !strings.Contains(err.Error(), outcome) {
				t.Errorf("metrics: %v, want %s", err, outcome)
			}
			settled(t, server)
		})
	}
}

func TestWhatIsNoEventBecomesADeadLetter(t *testing.T) {
	server := bustest.Start(t)
	b := bustest.Connect(t, server)
	listen(t, b, finished, func(_ context.Context, e bus.Event) error {
		t.Errorf("handler got %+v", e)
		return nil
	})
	js := jetStream(t, server)
	if _, err := js.Publish(t.Context(), "redrive.v1.job.finished", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	d := deadLetters(t, b, 1)[0]
	if !strings.Contains(d.Reason, "id: is required") || string(d.Event.Data) != "hello" {
		t.Errorf("dead letter = %+v, want one that says what is missing", d)
	}
	// It looks like what the server says when a consumer is gone.
	status := nats.NewMsg("redrive.v1.job.finished")
	status.Header = nats.Header{"Status": {"503"}, "Nats-Pending-Messages": {"5"}}
	if _, err := js.PublishMsg(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	deadLetters(t, b, 2)
}

func TestADeadLetterIsSentAgain(t *testing.T) {
	b := bustest.New(t)
	var healed atomic.Bool
	events := make(chan bus.Event, 10)
	listen(t, b, finished, into(events, func(bus.Event) error {
		if healed.Load() {
			return nil
		}
		return errs.New(errs.Invalid, "not yet healed")
	}))
	for _, id := range []string{"1", "2", "3"} {
		publish(t, b, jobFinished(t, id))
		<-events
	}
	letters := deadLetters(t, b, 3) // in any order: the events are handled at once
	middle := letters[1]
	if newest, err := b.DeadLetters(t.Context(), 0, 2); err != nil || len(newest) != 2 || newest[0].Sequence != 3 {
		t.Errorf("the newest two = %+v, %v; want 3 and 2", newest, err)
	}
	if next, err := b.DeadLetters(t.Context(), 2, 2); err != nil || len(next) != 1 || next[0].Sequence != 1 {
		t.Errorf("the next two = %+v, %v; want 1", next, err)
	}
	if one, err := b.DeadLetter(t.Context(), 2); err != nil || one.Event.ID != middle.Event.ID {
		t.Errorf("dead letter 2 = %+v, %v; want %+v", one, err, middle)
	}
	if _, err := b.DeadLetter(t.Context(), 99); !errs.Is(err, errs.NotFound) {
		t.Errorf("DeadLetter(99) = %v, want NotFound", err)
	}
	if _, err := b.DeadLetters(t.Context(), 0, 0); !errs.Is(err, errs.Invalid) {
		t.Errorf("DeadLetters(0, 0) = %v, want Invalid", err)
	}
	healed.Store(true)
	if err := b.Reemit(t.Context(), middle.Sequence); err != nil {
		t.Fatalf("Reemit: %v", err)
	}
	if e := <-events; e.ID != middle.Event.ID || e.Emission != 1 || e.Source != middle.Event.Source || string(e.Data) != string(middle.Event.Data) {
		t.Errorf("sent again = %+v, want %+v as emission 1", e, middle.Event)
	}
	for _, sequence := range []uint64{middle.Sequence, 0, 99} {
		if err := b.Reemit(t.Context(), sequence); !errs.Is(err, errs.NotFound) {
			t.Errorf("Reemit(%d) = %v, want NotFound", sequence, err)
		}
	}
	if left, err := b.DeadLetters(t.Context(), 0, 100); err != nil || len(left) != 2 || left[0].Sequence != 3 || left[1].Sequence != 1 {
		t.Errorf("dead letters left = %+v, %v; want 3 and 1", left, err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	b := bustest.New(t)
	c := finished
	c.Concurrency = 3
	var now atomic.Int32
	inside, leave := make(chan struct{}, 20), make(chan struct{})
	listen(t, b, c, func(context.Context, bus.Event) error {
		if n := now.Add(1); n > 3 {
			t.Errorf("%d handlers at a time, want at most 3", n)
		}
		inside <- struct{}{}
		<-leave
		now.Add(-1)
		return nil
	})
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		publish(t, b, jobFinished(t, id))
	}
	for range 3 {
		<-inside
	}
	close(leave)
	for range 4 {
		<-inside
	}
}

func TestAStoppedConsumerLeavesItsEventsToTheNext(t *testing.T) {
	server := bustest.Start(t)
	b := bustest.Connect(t, server)
	started := make(chan struct{})
	stop := listen(t, b, finished, func(ctx context.Context, _ bus.Event) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	publish(t, b, jobFinished(t, "a"))
	<-started
	stop()
	events := make(chan bus.Event, 1)
	listen(t, bustest.Connect(t, server), finished, into(events, nil))
	if e := <-events; e.ID != "a" || e.Delivery != 2 {
		t.Errorf("the next got %s at delivery %d, want a at 2", e.ID, e.Delivery)
	}
}

// A server that goes away and comes back costs nobody an event.
func TestTheServerComesBack(t *testing.T) {
	o := natsserver.Options{Dir: t.TempDir(), Port: -1, RedrivePassword: bustest.Password, NoSync: true}
	server, err := natsserver.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	b, err := bus.Connect(t.Context(), bus.Config{URL: server.ClientURL(), User: natsserver.UserRedrive, Password: bustest.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	shared, own := make(chan bus.Event, 10), make(chan bus.Event, 10)
	listen(t, b, finished, into(shared, nil))
	listening := make(chan struct{}, 10)
	listen(t, b, bus.Consumer{Name: "own", Types: finished.Types, Ephemeral: true, Concurrency: 1, Listening: func() { listening <- struct{}{} }}, into(own, nil))
	<-listening
	publish(t, b, jobFinished(t, "before"))
	<-shared
	<-own
	o.Port = server.Port()
	server.Stop()
	if err := b.Publish(t.Context(), jobFinished(t, "lost")); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Publish without a server = %v, want Unavailable", err)
	}
	if err := b.Ready(); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Ready without a server = %v, want Unavailable", err)
	}
	if server, err = natsserver.Start(o); err != nil {
		t.Fatal(err)
	}
	after := jobFinished(t, "after")
	for err := b.Publish(t.Context(), after); err != nil; err = b.Publish(t.Context(), after) {
		if !errs.Is(err, errs.Unavailable) {
			t.Fatalf("Publish = %v, want Unavailable until the server is back", err)
		}
	}
	if e := <-shared; e.ID != "after" {
		t.Errorf("the durable consumer got %s, want after", e.ID)
	}
	// The ephemeral consumer lived in the server's memory.
	if e := <-own; e.ID != "after" {
		t.Errorf("the ephemeral consumer got %s, want after", e.ID)
	}
}
