package bus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// listen runs a consumer until the test ends, or until the returned function
// has returned.
func listen(t *testing.T, b *bus.Bus, c bus.Consumer, h bus.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Consume(ctx, c, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Consume = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// into sends the events to a channel and answers with what answer says.
func into(events chan<- bus.Event, answer func(bus.Event) error) bus.Handler {
	return func(_ context.Context, e bus.Event) error {
		var err error
		if answer != nil {
			err = answer(e)
		}
		events <- e
		return err
	}
}

func jobFinished(t testing.TB, id string) bus.Event {
	t.Helper()
	e, err := bus.NewEvent(bus.JobFinished, id, "redrive/scheduler", "jobs/"+id, time.Now(), &redrivev1.JobFinished{Job: "jobs/" + id, Reason: "done"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func publish(t testing.TB, b *bus.Bus, events ...bus.Event) {
	t.Helper()
	if err := b.Publish(context.Background(), events...); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

var finished = bus.Consumer{Name: "test", Types: []bus.Type{bus.JobFinished}}

func TestEventsArriveWithTheirPayload(t *testing.T) {
	b := bustest.New(t)
	events := make(chan bus.Event, 10)
	listen(t, b, finished, into(events, nil))
	asJSON := jobFinished(t, "json")
	asJSON.ContentType = bus.ContentJSON
	asJSON.Data = []byte(`{"job":"jobs/json","reason":"done","addedLater":true}`)
	asJSON.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sent := map[string]bus.Event{"proto": jobFinished(t, "proto"), "json": asJSON}
	other := jobFinished(t, "other")
	other.Type = bus.PatchChanged
	publish(t, b, sent["proto"], other, sent["json"])
	for range sent {
		e := <-events
		want := sent[e.ID]
		if e.Source != want.Source || e.Type != want.Type || e.Subject != want.Subject || !e.Time.Equal(want.Time) || e.TraceParent != want.TraceParent || e.Delivery != 1 {
			t.Errorf("event = %+v, want %+v at its first delivery", e, want)
		}
		var m redrivev1.JobFinished
		if err := e.Decode(&m); err != nil || m.GetJob() != "jobs/"+e.ID || m.GetReason() != "done" {
			t.Errorf("payload of %s = %v, %v", e.ID, protojson.Format(&m), err)
		}
	}
}

func TestDecodeRefusesWhatIsMalformed(t *testing.T) {
	for _, e := range []bus.Event{
		{ContentType: bus.ContentProto, Data: []byte{0xff}},
		{ContentType: bus.ContentJSON, Data: []byte(`{"job":1}`)},
		{ContentType: bus.ContentJSON, Data: []byte(``)},
		{ContentType: "text/plain"},
	} {
		if err := e.Decode(&redrivev1.JobFinished{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("Decode of %q as %q = %v, want Invalid", e.Data, e.ContentType, err)
		}
	}
}

func TestPublishRefusesWhatCanNeverBeSent(t *testing.T) {
	b := bustest.New(t)
	good, huge := jobFinished(t, "good"), jobFinished(t, "huge")
	huge.Data = make([]byte, bus.MaxData+1)
	if err := b.Publish(t.Context(), good, huge); !errs.Is(err, errs.Invalid) {
		t.Errorf("Publish = %v, want Invalid", err)
	}
	largest := jobFinished(t, "largest")
	largest.Data = make([]byte, bus.MaxData)
	publish(t, b, largest)
	events := make(chan bus.Event, 10)
	listen(t, b, finished, into(events, nil))
	if e := <-events; e.ID != "largest" || len(e.Data) != bus.MaxData {
		t.Errorf("first event = %s with %d bytes, want the largest alone", e.ID, len(e.Data))
	}
}

func TestTheSameEmissionIsSentOnce(t *testing.T) {
	b := bustest.New(t)
	e := jobFinished(t, "a")
	publish(t, b, e, e)
	publish(t, b, e)
	e.Emission = 1
	publish(t, b, e, jobFinished(t, "end"))
	events := make(chan bus.Event, 10)
	c := finished
	c.Concurrency = 1
	listen(t, b, c, into(events, nil))
	got := fmt.Sprintf("%s %d, %s %d, %s", (<-events).ID, 0, "a", (<-events).Emission, (<-events).ID)
	if got != "a 0, a 1, end" {
		t.Errorf("events = %s, want a once for each emission", got)
	}
}

func TestReplicasShareADurableConsumer(t *testing.T) {
	server := bustest.Start(t)
	first, second := bustest.Connect(t, server), bustest.Connect(t, server)
	const n = 200
	events := make(chan bus.Event, 2*n)
	listen(t, first, finished, into(events, nil))
	listen(t, second, finished, into(events, nil))
	var batch []bus.Event
	for i := range n {
		batch = append(batch, jobFinished(t, fmt.Sprint(i)))
	}
	publish(t, first, batch...)
	seen := map[string]bool{}
	for range n {
		e := <-events
		if seen[e.ID] {
			t.Errorf("event %s came twice", e.ID)
		}
		seen[e.ID] = true
	}
}

func TestEveryReplicaGetsAllOfAnEphemeralConsumer(t *testing.T) {
	server := bustest.Start(t)
	c := finished
	c.Ephemeral = true
	c.Concurrency = 1
	publisher := bustest.Connect(t, server)
	publish(t, publisher, jobFinished(t, "before"))
	var replicas [2]chan bus.Event
	for i := range replicas {
		replicas[i] = make(chan bus.Event, 10)
		listening := make(chan struct{}, 1)
		c.Listening = func() { listening <- struct{}{} }
		listen(t, bustest.Connect(t, server), c, into(replicas[i], nil))
		<-listening
	}
	publish(t, publisher, jobFinished(t, "1"), jobFinished(t, "2"))
	for i, events := range replicas {
		if a, b := <-events, <-events; a.ID != "1" || b.ID != "2" {
			t.Errorf("replica %d got %s and %s, want 1 and 2 and nothing from before", i, a.ID, b.ID)
		}
	}
}

func TestProvisionCorrects(t *testing.T) {
	server := bustest.Start(t)
	bustest.Connect(t, server)
	b, err := bus.Connect(t.Context(), bus.Config{
		InProcess: server, User: natsserver.UserRedrive, Password: bustest.Password, MaxBytes: 64 << 20, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 2 {
		if err := b.Provision(t.Context()); err != nil {
			t.Fatalf("Provision: %v", err)
		}
	}
	js := jetStream(t, server)
	stream, err := js.Stream(t.Context(), bus.EventStream)
	if err != nil || stream.CachedInfo().Config.MaxBytes != 64<<20 {
		t.Errorf("stream = %+v, %v; want the new bound", stream, err)
	}
	config := stream.CachedInfo().Config
	config.MaxAge = time.Hour
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteConsumer(t.Context(), bus.NotifierEvents.Name); err != nil {
		t.Fatal(err)
	}
	if err := b.Provision(t.Context()); err != nil {
		t.Fatalf("Provision: %v", err)
	}
	info, err := stream.Info(t.Context())
	if err != nil || info.Config.MaxAge != bus.EventMaxAge {
		t.Errorf("max age = %v, %v; want it corrected", info.Config.MaxAge, err)
	}
	if _, err := stream.Consumer(t.Context(), bus.NotifierEvents.Name); err != nil {
		t.Errorf("the deleted consumer is not back: %v", err)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	server := bustest.Start(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name   string
		ctx    context.Context
		config bus.Config
		want   errs.Kind
	}{
		{"nowhere", t.Context(), bus.Config{}, errs.Invalid},
		{"two places", t.Context(), bus.Config{URL: "nats://127.0.0.1:1", InProcess: server}, errs.Invalid},
		{"too many replicas", t.Context(), bus.Config{InProcess: server, Replicas: 7}, errs.Invalid},
		{"no patience", t.Context(), bus.Config{InProcess: server, AckWait: time.Millisecond}, errs.Invalid},
		{"wrong password", t.Context(), bus.Config{URL: server.ClientURL(), User: natsserver.UserRedrive, Password: "wrong"}, errs.Unauthenticated},
		{"no password", t.Context(), bus.Config{URL: server.ClientURL()}, errs.Unauthenticated},
		{"nobody there", gone, bus.Config{URL: "nats://127.0.0.1:1"}, errs.Unavailable},
	} {
		b, err := bus.Connect(tc.ctx, tc.config)
		if !errs.Is(err, tc.want) {
			t.Errorf("%s: %v, want kind %v", tc.name, err, tc.want)
		}
		if err == nil {
			b.Close()
		}
	}
}
