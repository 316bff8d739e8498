package natsserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
)

func TestStartSaysWhatIsWrong(t *testing.T) {
	running := bustest.Start(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		o    natsserver.Options
		want errs.Kind
	}{
		{"no folder", natsserver.Options{RedrivePassword: "p", Port: -1}, errs.Invalid},
		{"no password", natsserver.Options{Dir: t.TempDir(), Port: -1}, errs.Invalid},
		{"no port", natsserver.Options{Dir: t.TempDir(), RedrivePassword: "p", Port: 70_000}, errs.Invalid},
		{"a port that is taken", natsserver.Options{Dir: t.TempDir(), RedrivePassword: "p", Port: running.Port()}, errs.Unavailable},
		{"a folder that is a file", natsserver.Options{Dir: file, RedrivePassword: "p", Port: -1}, errs.Unavailable},
	} {
		s, err := natsserver.Start(tc.o)
		if !errs.Is(err, tc.want) {
			t.Errorf("%s: %v, want kind %v", tc.name, err, tc.want)
		}
		if err == nil {
			s.Stop()
		}
	}
}

func TestEventsOutliveTheServer(t *testing.T) {
	o := natsserver.Options{Dir: t.TempDir(), Port: -1, RedrivePassword: bustest.Password}
	for _, want := range []uint64{1, 2} {
		s, err := natsserver.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		js := connect(t, s, natsserver.UserRedrive)
		if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		if ack, err := js.Publish(t.Context(), "s", nil); err != nil || ack.Sequence != want {
			t.Errorf("published as %+v, %v; want sequence %d", ack, err, want)
		}
		s.Stop()
		s.Stop()
	}
}

// refusal reads the server's answer to a request about JetStream.
func refusal(answer []byte) error {
	var a struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil
	}
	if a.Error == nil {
		return nil
	}
	return a.Error
}

// connect connects over the socket, with as much patience as a refusal needs.
func connect(t *testing.T, s *natsserver.Server, user string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, bustest.Password), nats.PermissionErrOnSubscribe(true), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatalf("connect as %s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestAClientTellsAndListens(t *testing.T) {
	s := bustest.Start(t)
	b := bustest.Connect(t, s)
	js := connect(t, s, natsserver.UserClient)
	m := nats.NewMsg("redrive.report.attempt.failed")
	m.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"airflow"}, "ce-type": {"attempt.failed"}}
	m.Data = []byte("{}")
	if _, err := js.PublishMsg(t.Context(), m); err != nil {
		t.Fatalf("publish as a client: %v", err)
	}
	stream, err := js.Stream(t.Context(), bus.EventStream)
	if err != nil {
		t.Fatalf("stream as a client: %v", err)
	}
	for _, config := range []jetstream.ConsumerConfig{
		{FilterSubject: "redrive.v1.decision.made", AckPolicy: jetstream.AckExplicitPolicy},
		{FilterSubject: "redrive.v1.decision.made", AckPolicy: jetstream.AckExplicitPolicy, Durable: "airflow-decisions"},
	} {
		c, err := stream.CreateOrUpdateConsumer(t.Context(), config)
		if err != nil {
			t.Fatalf("consumer as a client: %v", err)
		}
		e := bus.Event{ID: "d" + config.Durable, Source: "redrive/scheduler", Type: bus.DecisionMade, Time: time.Now(), ContentType: bus.ContentProto}
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		got, err := c.Next(jetstream.FetchContext(t.Context()))
		if err != nil || got.Subject() != "redrive.v1.decision.made" {
			t.Fatalf("next as a client = %v, %v; want the decision", got, err)
		}
		if err := got.DoubleAck(t.Context()); err != nil {
			t.Errorf("ack as a client: %v", err)
		}
	}
}

func TestAClientMayNothingElse(t *testing.T) {
	s := bustest.Start(t)
	b := bustest.Connect(t, s)
	js := connect(t, s, natsserver.UserClient)
	nc := js.Conn()
	try := func(what string, do func(ctx context.Context) error) {
		t.Helper()
		// What the server does not answer is refused too; nothing hangs on
		// how long this waits.
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		err := do(ctx)
		if err == nil {
			t.Errorf("%s is allowed to a client", what)
		}
	}
	for _, subject := range []string{
		"redrive.v1.decision.made", "redrive.v1.attempt.failed", "redrive.report.decision.made", "redrive.received.attempt.failed", "redrive.dead.x", "other",
	} {
		try("publishing "+subject, func(ctx context.Context) error {
			_, err := js.Publish(ctx, subject, nil)
			return err
		})
	}
	create := func(config jetstream.ConsumerConfig) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := js.CreateOrUpdateConsumer(ctx, bus.EventStream, config)
			return err
		}
	}
	try("a consumer of all", create(jetstream.ConsumerConfig{}))
	try("a consumer of failed attempts", create(jetstream.ConsumerConfig{FilterSubject: "redrive.v1.attempt.failed"}))
	try("a consumer of two filters", create(jetstream.ConsumerConfig{FilterSubjects: []string{"redrive.v1.decision.made", "redrive.v1.attempt.failed"}}))
	try("changing a consumer of Redrive's", create(jetstream.ConsumerConfig{Durable: bus.SchedulerVerdicts.Name, FilterSubject: "redrive.v1.failure.classified"}))
	try("a subject that is not the configuration's", func(ctx context.Context) error {
		reply, err := nc.RequestWithContext(ctx, "$JS.API.CONSUMER.CREATE.REDRIVE_EVENTS.x.redrive.v1.decision.made",
			[]byte(`{"stream_name":"REDRIVE_EVENTS","config":{"name":"x","filter_subject":"redrive.v1.attempt.failed"}}`))
		if err == nil {
			return refusal(reply.Data)
		}
		return err
	})
	try("a subject whose configuration has several", func(ctx context.Context) error {
		reply, err := nc.RequestWithContext(ctx, "$JS.API.CONSUMER.CREATE.REDRIVE_EVENTS.x.redrive.v1.decision.made",
			[]byte(`{"stream_name":"REDRIVE_EVENTS","config":{"name":"x","filter_subjects":["redrive.v1.decision.made","redrive.v1.attempt.failed"]}}`))
		if err == nil {
			return refusal(reply.Data)
		}
		return err
	})
	// The server takes the name from the subject, which permissions are on.
	_, err := nc.RequestWithContext(t.Context(), "$JS.API.CONSUMER.CREATE.REDRIVE_EVENTS.x.redrive.v1.decision.made",
		[]byte(`{"stream_name":"REDRIVE_EVENTS","config":{"name":"notifier-events","filter_subject":"redrive.v1.decision.made"}}`))
	if err != nil {
		t.Errorf("a consumer with two names = %v, want the one of the subject", err)
	}
	own, err := connect(t, s, natsserver.UserRedrive).Consumer(t.Context(), bus.EventStream, bus.NotifierEvents.Name)
	if err != nil || len(own.CachedInfo().Config.FilterSubjects) != len(bus.NotifierEvents.Types) {
		t.Errorf("Redrive's consumer = %+v, %v; want it untouched", own, err)
	}
	try("taking from a consumer of Redrive's", func(ctx context.Context) error {
		_, err := nc.RequestWithContext(ctx, "$JS.API.CONSUMER.MSG.NEXT.REDRIVE_EVENTS.scheduler-verdicts", []byte(`{"batch":1,"no_wait":true}`))
		return err
	})
	try("deleting a consumer of Redrive's", func(ctx context.Context) error {
		return js.DeleteConsumer(ctx, bus.EventStream, bus.SchedulerVerdicts.Name)
	})
	try("deleting the stream", func(ctx context.Context) error { return js.DeleteStream(ctx, bus.EventStream) })
	try("reading a message of the stream", func(ctx context.Context) error {
		_, err := nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET.REDRIVE_EVENTS", []byte(`{"seq":1}`))
		return err
	})
	try("reading dead letters", func(ctx context.Context) error {
		_, err := js.Stream(ctx, bus.DeadLetterStream)
		return err
	})
	for _, subject := range []string{"redrive.>", ">", "_REDRIVE_INBOX.>", "$JS.>"} {
		sub, err := nc.SubscribeSync(subject)
		if err == nil {
			_, err = sub.NextMsg(5 * time.Second)
		}
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("subscribing to %s = %v, want a violation", subject, err)
		}
	}
	if err := b.Provision(t.Context()); err != nil {
		t.Errorf("Redrive's own consumers after all this: %v", err)
	}
}
