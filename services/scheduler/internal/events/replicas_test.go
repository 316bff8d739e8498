package events_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// TestWhoWaitsHearsOfAnotherReplica's decision, without a look at the store.
func TestWhoWaitsHearsOfAnotherReplica(t *testing.T) {
	b, db, w, other := bustest.New(t), storetest.Open(t), &world{}, &world{}
	out := outbox.New(db, b, "scheduler", nil, slog.New(slog.DiscardHandler))
	w.on(db, out)
	other.on(db, nil) // it writes nothing here
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })
	changes, end, err := other.runner.Watch(failure.AttemptFromProto(ref("dag", 1)).JobID())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	running.Go(func() { out.Run(ctx) }) //nolint:errcheck // it returns nil
	running.Go(func() {
		if err := other.handler.RunChanges(ctx, b); err != nil {
			t.Errorf("changes: %v", err)
		}
	})
	<-changes // it listens: whatever happened before is to be read now
	for _, e := range []func() error{
		func() error { return w.handle(ctx, failed(t, "dag", 1)) },
		func() error { return w.handle(ctx, classified(t, "dag", 1, failure.CodeBug)) },
	} {
		if err := e(); err != nil {
			t.Fatal(err)
		}
	}
	<-changes
	at := failure.AttemptFromProto(ref("dag", 1))
	if _, ok, err := other.runner.Decision(ctx, job.Job{ID: at.JobID()}, at.Number, changes); !ok || err != nil {
		t.Errorf("decision: %v (%v)", ok, err)
	}
}
