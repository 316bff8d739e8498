// Package ledgertest gives tests a ledger on a real store.
package ledgertest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger"
	"github.com/redrive-io/redrive/services/notifier/internal/policy"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
)

// Job is the job of Failure.
const Job = "jobs/etl"

// Receivers is a policy with a receiver of each type that are told of warnings
// and pages.
const Receivers = `
receivers:
  - {name: hook, type: webhook, url: "http://127.0.0.1:1/"}
  - {name: chat, type: slack, url: "http://127.0.0.1:1/"}
  - {name: oncall, type: pagerduty, url: "http://127.0.0.1:1/", routing_key_env: KEY}
`

// World is a ledger with what it stands on.
type World struct {
	*ledger.Ledger
	DB    docstore.Store
	Store *store.Store
	log   *eventLog
}

// Open returns a ledger on a fresh store. Nothing is sent from it.
func Open(t testing.TB, policyFile string) *World {
	t.Helper()
	return On(t, storetest.Open(t), policyFile)
}

// On returns a ledger on a store that others may use as well.
func On(t testing.TB, db docstore.Store, policyFile string) *World {
	t.Helper()
	log := &eventLog{db: db}
	w := &World{DB: db, Store: store.New(db, log), log: log}
	l, err := ledger.New(w.Store, Policy(t, policyFile), func(string) {}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Ledger = l
	return w
}

// Policy reads a policy.
func Policy(t testing.TB, file string) policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(file), "policy.yaml", policy.Lookup{Env: func(string) (string, bool) { return "key", true }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Events returns the events that were put with changes, oldest first.
func (w *World) Events() []bus.Event {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	return append([]bus.Event(nil), w.log.events...)
}

// eventLog is an outbox that nobody empties.
type eventLog struct {
	db     docstore.Store
	mu     sync.Mutex
	events []bus.Event
}

// Commit puts the writes and remembers the events.
func (o *eventLog) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if err := o.db.Commit(ctx, writes...); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, events...)
	return nil
}

// Failure returns the failure of an attempt of Job.
func Failure(attempt int, at alert.Attention) alert.Failure {
	f := alert.Failure{
		Attempt: attempt, Revision: int64(3 * attempt), Name: fmt.Sprintf("failures/f%d", attempt), Source: failure.Own,
		Type: failure.Type{Workflow: "nightly", Step: "load", Engine: "process"}, Owner: "data", Class: failure.Permission,
		Attention: at, Stopped: at == alert.Permanent, Consecutive: attempt, Reason: "reason", Summary: "403",
	}
	if !f.Stopped {
		f.NextRetry = time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
	}
	return f
}

// Only returns the one alert that there is.
func (w *World) Only(t testing.TB) alert.Alert {
	t.Helper()
	all := w.All(t)
	if len(all) != 1 {
		t.Fatalf("there are %d alerts, want 1", len(all))
	}
	return all[0]
}

// All returns all alerts, newest first.
func (w *World) All(t testing.TB) []alert.Alert {
	t.Helper()
	page, err := docstore.NewPaging(1000, "")
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := w.List(t.Context(), store.Filter{}, page)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Queue returns the keys of what waits to be sent to a receiver about an alert.
func (w *World) Queue(t testing.TB, alertID, receiver string) []string {
	t.Helper()
	lane, err := w.Store.Lane(t.Context(), alertID, receiver)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, x := range lane.Items {
		keys = append(keys, x.Notification.Key[len(alertID)+1:])
	}
	return keys
}
