package events_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestOverARealBus publishes every event of many jobs twice, in a random order,
// to a real server, and reads there what two replicas of the scheduler decided.
func TestOverARealBus(t *testing.T) {
	const jobs = 24
	server, db, w, other := bustest.Start(t), storetest.Open(t), &world{}, &world{}
	b := bustest.Connect(t, server)
	out := outbox.New(db, b, "scheduler", nil, slog.New(slog.DiscardHandler))
	outOther := outbox.New(db, b, "scheduler", nil, slog.New(slog.DiscardHandler))
	w.on(db, out)
	other.on(db, outOther)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })

	var all []bus.Event
	want := map[string]bool{} // decisions
	for n := range jobs {
		history, dag := histories[n%len(histories)], fmt.Sprintf("dag/%d", n)
		for _, e := range history.events(t, dag) {
			again := e
			again.Emission = 1 // or the stream would drop it
			all = append(all, e, again)
		}
		for attempt := range history.decisions {
			want[failure.AttemptFromProto(ref(dag, attempt)).DecisionName()] = true
		}
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	handled := make(chan struct{}, 10*len(all))
	counted := func(h bus.Handler) bus.Handler {
		return func(ctx context.Context, e bus.Event) error {
			err := h(ctx, e)
			if err == nil {
				handled <- struct{}{}
			}
			return err
		}
	}
	told := make(chan string, 10*len(all))
	running.Go(func() { out.Run(ctx) })      //nolint:errcheck // it returns nil
	running.Go(func() { outOther.Run(ctx) }) //nolint:errcheck // it returns nil
	for _, c := range []struct {
		consumer bus.Consumer
		handle   bus.Handler
	}{
		{bus.SchedulerReports, counted(w.handler.Report)},
		{bus.SchedulerVerdicts, counted(w.handler.Verdict)},
		{bus.SchedulerReports, counted(other.handler.Report)},
		{bus.SchedulerVerdicts, counted(other.handler.Verdict)},
		{bus.NotifierEvents, func(_ context.Context, e bus.Event) error {
			if e.Type == bus.DecisionMade {
				var m redrivev1.DecisionMade
				if err := e.Decode(&m); err != nil {
					return err
				}
				told <- m.GetDecision().GetName() + "#" + strconv.Itoa(e.Emission)
			}
			return nil
		}},
	} {
		running.Go(func() {
			if err := b.Consume(ctx, c.consumer, c.handle); err != nil {
				t.Errorf("consume: %v", err)
			}
		})
	}
	for _, e := range all {
		if e.Type != bus.FailureClassified {
			bustest.Report(t, server, e)
		} else if err := b.Publish(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	for range all {
		<-handled
	}
	for n := range jobs {
		history := histories[n%len(histories)]
		w.check(t, fmt.Sprintf("dag/%d", n), history.state, history.decisions)
	}
	seen := map[string]int{}
	for range want {
		seen[<-told]++
	}
	for name := range want {
		if seen[name+"#0"] != 1 {
			t.Errorf("%s was told %d times, want once", name, seen[name+"#0"])
		}
	}
	if n, err := out.Backlog(ctx); err != nil || len(told) > 0 {
		t.Errorf("%d more decisions were told, %d events wait (%v)", len(told), n, err)
	}
}
