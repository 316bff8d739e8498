// Package bustest gives tests a bus on a real server in this process.
package bustest

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
)

// Password is that of both users of Start.
const Password = "test"

// New returns a provisioned bus on a server of its own, with its files in a
// temporary folder; both live until the test ends.
func New(t testing.TB) *bus.Bus {
	t.Helper()
	return Connect(t, Start(t))
}

// Start returns a server that lives until the test ends.
func Start(t testing.TB) *natsserver.Server {
	t.Helper()
	s, err := natsserver.Start(natsserver.Options{
		Dir: t.TempDir(), Port: -1, RedrivePassword: Password, ClientPassword: Password, NoSync: true,
	})
	if err != nil {
		t.Fatalf("start NATS: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Connect returns a provisioned bus on a server of Start, for tests with
// several replicas.
func Connect(t testing.TB, s *natsserver.Server) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{InProcess: s, User: natsserver.UserRedrive, Password: Password})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(b.Close)
	if err := b.Provision(t.Context()); err != nil {
		t.Fatalf("provision: %v", err)
	}
	return b
}

// Report publishes events as another scheduler does, with the credentials of a
// client, and returns when each is confirmed.
func Report(t testing.TB, s *natsserver.Server, events ...bus.Event) {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL(), nats.UserInfo(natsserver.UserClient, Password))
	if err != nil {
		t.Fatalf("connect as a client: %v", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		m := nats.NewMsg(bus.ReportPrefix + string(e.Type))
		m.Data = e.Data
		for name, value := range map[string]string{
			"ce-specversion": "1.0", "ce-id": e.ID, "ce-source": e.Source, "ce-type": string(e.Type), "ce-subject": e.Subject,
			"ce-time": e.Time.UTC().Format(time.RFC3339Nano), "content-type": e.ContentType,
		} {
			if value != "" {
				m.Header.Set(name, value)
			}
		}
		if e.Emission > 0 {
			m.Header.Set("ce-emission", strconv.Itoa(e.Emission))
		}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatalf("report %s %q: %v", e.Type, e.ID, err)
		}
	}
}
