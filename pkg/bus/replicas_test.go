package bus_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// member is one server of a cluster.
type member struct {
	o server.Options
	s *server.Server
}

// cluster returns the members of a cluster of three; none is started.
func cluster(t *testing.T) []*member {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // it only kept the port
		port := l.Addr().(*net.TCPAddr).Port
		ports = append(ports, port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	all := make([]*member, 3)
	for i := range all {
		all[i] = &member{o: server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 2 << 20,
			NoSigs: true, NoLog: true, Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]},
			Routes: append(slices.Clone(routes[:i]), routes[i+1:]...),
		}}
		t.Cleanup(all[i].stop)
	}
	return all
}

func (m *member) start(t *testing.T) {
	t.Helper()
	o := m.o
	var err error
	if m.s, err = server.NewServer(&o); err != nil {
		t.Fatal(err)
	}
	m.s.Start()
	if !m.s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	m.o.Port = m.s.Addr().(*net.TCPAddr).Port
}

func (m *member) stop() {
	if m.s != nil {
		m.s.Shutdown()
		m.s.WaitForShutdown()
	}
}

// until tries until ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in two minutes: %s", what)
		}
	}
}

// provision tries until the cluster is ready.
func provision(t *testing.T, b *bus.Bus) {
	t.Helper()
	until(t, "the streams are made", func() bool {
		err := b.Provision(t.Context())
		if err != nil && !errs.Is(err, errs.Unavailable) {
			t.Fatalf("Provision: %v", err)
		}
		return err == nil
	})
}

// copies returns the replicas of the streams and of a durable consumer.
func copies(t *testing.T, m *member) string {
	t.Helper()
	nc, err := nats.Connect(m.s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range []string{bus.EventStream, bus.ReportStream, bus.DeadLetterStream} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			return err.Error()
		}
		all = append(all, fmt.Sprint(s.CachedInfo().Config.Replicas))
	}
	c, err := js.Consumer(t.Context(), bus.EventStream, bus.ClassifierFailures.Name)
	if err != nil {
		return err.Error()
	}
	if i := c.CachedInfo().Cluster; i != nil {
		all = append(all, fmt.Sprint(1+len(i.Replicas)))
	}
	return strings.Join(all, " ")
}

func connectTo(t *testing.T, m *member, replicas int) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{URL: m.s.ClientURL(), Replicas: replicas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestThreeServersKeepEachStream(t *testing.T) {
	all := cluster(t)
	all[0].start(t)
	all[1].start(t)
	b := connectTo(t, all[0], 0)
	provision(t, b)
	if got := copies(t, all[0]); got != "1 1 1 1" {
		t.Errorf("two servers keep %s, want one copy each", got)
	}
	all[2].start(t)
	ctx, cancel := context.WithCancel(t.Context())
	tended := make(chan struct{})
	go func() { defer close(tended); b.Tend(ctx) }()
	until(t, "three servers keep three copies", func() bool { return copies(t, all[0]) == "3 3 3 3" })
	cancel()
	<-tended

	// Nobody takes copies away, whatever is asked for or known.
	other := connectTo(t, all[1], 1)
	provision(t, other)
	all[2].stop()
	provision(t, b)
	if got := copies(t, all[0]); got != "3 3 3 3" {
		t.Errorf("after others had been asked for, servers keep %s", got)
	}
	until(t, "two servers answer", func() bool { return b.Answers(t.Context()) == nil })

	// Without most of the servers, nothing can be published.
	all[1].stop()
	until(t, "one server does not", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return errs.Is(b.Answers(ctx), errs.Unavailable)
	})
}

func TestAServerOfItsOwnKeepsOneCopy(t *testing.T) {
	m := &member{o: server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 2 << 20, NoSigs: true, NoLog: true}}
	m.start(t)
	t.Cleanup(m.stop)
	b := connectTo(t, m, 0)
	provision(t, b)
	if got := copies(t, m); got != "1 1 1" {
		t.Errorf("the server keeps %s, want one copy of each stream", got)
	}
	if err := connectTo(t, m, 3).Provision(t.Context()); !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Provision of 3 replicas = %v, want a refusal", err)
	}
}

func TestAStreamThatIsGoneIsMadeAgain(t *testing.T) {
	s := bustest.Start(t)
	b := bustest.Connect(t, s)
	events := make(chan bus.Event, 10)
	listen(t, b, finished, into(events, nil))
	publish(t, b, jobFinished(t, "before"))
	<-events
	if err := jetStream(t, s).DeleteStream(t.Context(), bus.EventStream); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	tended := make(chan struct{})
	go func() { defer close(tended); b.Tend(ctx) }()
	// The outbox does the same: it tries until the stream is there.
	for b.Publish(ctx, jobFinished(t, "after")) != nil {
	}
	if e := <-events; e.ID != "after" {
		t.Errorf("event = %s, want the one after", e.ID)
	}
	stop()
	<-tended
}
