package configsvc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc"
)

// start runs a service until the test ends and returns its client.
func start(t testing.TB, d configsvc.Deps) redrivev1.ConfigServiceClient {
	t.Helper()
	s, err := configsvc.New(configsvc.Options{}, d)
	if err != nil {
		t.Fatal(err)
	}
	pipe := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	s.Register(server)
	go func() { _ = server.Serve(pipe) }()
	t.Cleanup(server.Stop)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil when it is told to stop", err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return redrivev1.NewConfigServiceClient(conn)
}

// changes collects the events about patches from now on.
func changes(t testing.TB, b *bus.Bus) <-chan *redrivev1.Patch {
	t.Helper()
	got, listening := make(chan *redrivev1.Patch, 16), make(chan struct{}, 16)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, bus.Consumer{
			Name: "test-patches", Types: []bus.Type{bus.PatchChanged}, Ephemeral: true, Concurrency: 1,
			Listening: func() { listening <- struct{}{} },
		}, func(_ context.Context, e bus.Event) error {
			var m redrivev1.PatchChanged
			if err := e.Decode(&m); err != nil {
				return err
			}
			if want := fmt.Sprintf("%s.%d", m.GetPatch().GetName()[len("patches/"):], m.GetPatch().GetRevision()); e.ID != want || e.Source != "redrive/configsvc" {
				t.Errorf("event %q of %q, want %q of redrive/configsvc", e.ID, e.Source, want)
			}
			if e.Subject != m.GetPatch().GetScope().GetJob() {
				t.Errorf("subject = %q, want the job %q", e.Subject, m.GetPatch().GetScope().GetJob())
			}
			got <- m.GetPatch()
			return nil
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Consume = %v", err)
		}
	})
	<-listening
	return got
}

func TestEveryChangeOfAPatchIsTold(t *testing.T) {
	b, registry := bustest.New(t), prometheus.NewRegistry()
	told := changes(t, b)
	c := start(t, configsvc.Deps{Store: storetest.Open(t), Bus: b, Log: slog.New(slog.DiscardHandler), Metrics: registry})
	draft := &redrivev1.Patch{
		Scope: &redrivev1.PatchScope{Job: "jobs/etl-7"}, Type: &redrivev1.JobType{Workflow: "etl", Step: "load", Engine: "process"},
		Operations: []*redrivev1.PatchOperation{{Op: "add", Path: "/memory_mb", Value: structpb.NewNumberValue(1024)}},
	}
	create := func() *redrivev1.Patch {
		p, err := c.CreatePatch(t.Context(), &redrivev1.CreatePatchRequest{Patch: draft})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := create()
	second := create()
	promoted, err := c.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: second.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.RevokePatch(t.Context(), &redrivev1.RevokePatchRequest{Name: promoted.GetName(), Reason: "ann"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Resolve(t.Context(), &redrivev1.ResolveRequest{Job: "jobs/etl-7", Type: draft.GetType()}); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		first.GetName() + " STATE_ACTIVE 1": true, first.GetName() + " STATE_SUPERSEDED 2": true, second.GetName() + " STATE_ACTIVE 1": true,
		promoted.GetName() + " STATE_ACTIVE 1": true, promoted.GetName() + " STATE_REVOKED 2": true,
	}
	for len(want) > 0 {
		p := <-told
		line := fmt.Sprintf("%s %v %d", p.GetName(), p.GetState(), p.GetRevision())
		if !want[line] {
			t.Fatalf("told %q, want one of %v", line, want)
		}
		delete(want, line)
	}
	for labels, n := range map[string]float64{"created": 2, "superseded": 1, "promoted": 1, "revoked": 1} {
		if got := counted(t, registry, "redrive_configsvc_patches_total", labels); got != n {
			t.Errorf("%v patches %s, want %v", got, labels, n)
		}
	}
	if got := counted(t, registry, "redrive_configsvc_resolves_total", "true"); got != 1 {
		t.Errorf("%v configurations resolved with a patch, want 1", got)
	}
}

// counted returns the value of a counter whose only label has a value.
func counted(t testing.TB, r *prometheus.Registry, name, label string) float64 {
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

func TestMetricsAreRegisteredOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	d := configsvc.Deps{Store: storetest.Open(t), Metrics: registry}
	if _, err := configsvc.New(configsvc.Options{}, d); err != nil {
		t.Fatal(err)
	}
	if _, err := configsvc.New(configsvc.Options{}, d); err == nil {
		t.Error("a second service on the same registry is no error")
	}
}
