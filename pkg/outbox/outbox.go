// Package outbox makes a change of state and the events about it one thing: the
// documents and the events are put in one commit, and a relay publishes the
// events, has them synced, and then deletes them. A crash anywhere repeats an
// event and loses none.
package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// MaxBacklog bounds the events that wait to be sent. Beyond it the service
// accepts nothing new: see Commit.
const MaxBacklog = 100_000

// Publisher sends events. *bus.Bus is one. Its errors are errs.Unavailable when
// the events may be sent again later.
type Publisher interface {
	// Publish returns when those who listen get all events.
	Publish(ctx context.Context, events ...bus.Event) error
	// Sync returns when all that was published is durable.
	Sync(ctx context.Context) error
}

// Outbox is the outbox of one service: documents of kind "<service>.outbox",
// whose ids sort by time. Its methods may be called concurrently.
type Outbox struct {
	store   docstore.Store
	pub     Publisher
	kind    string
	service string
	log     *slog.Logger
	limits  limits

	nudge    chan struct{} // holds one token when there is something to send
	instance string        // tells the ids of replicas apart
	share    Share

	mu    sync.Mutex
	last  time.Time       // of the youngest id: ids of one process always grow
	queue []entry         // committed and to be sent, in order
	size  int             // bytes of the queue
	known map[string]bool // ids that this process takes care of
	// waiting counts the events that are committed and not deleted, as far as
	// this process knows.
	waiting int
	// missed says that the store has entries that are not in the queue.
	missed bool
}

// entry is one event and where it is stored.
type entry struct {
	id    string
	event bus.Event
}

// limits are constants, and smaller in tests.
type limits struct {
	backlog     int           // events
	queue       int           // events in memory
	queueBytes  int           // payload in memory
	batch       int           // events published together
	batchBytes  int           // payload published together
	settled     int           // events deleted together
	moment      time.Duration // that a published event waits for others to be deleted with
	tick        time.Duration // between looks at the store
	grace       time.Duration // age of an entry that nobody takes care of
	lastBatch   time.Duration // for the batch in flight when Run is to end
	backoffMost time.Duration // between tries
}

var defaults = limits{
	backlog: MaxBacklog, queue: 8192, queueBytes: 64 << 20, batch: 256, batchBytes: 8 << 20, settled: docstore.MaxWrites, moment: 250 * time.Millisecond,
	tick: 5 * time.Second, grace: 10 * time.Second, lastBatch: 10 * time.Second, backoffMost: 5 * time.Second,
}

// Share says what of the work of a service is this replica's. *lease.Leases is
// one.
type Share interface{ Holds(key string) bool }

// New returns the outbox of a service. Run must run for anything to be sent.
// What another replica put and does not send is sent by the one whose share the
// other one is; a nil share is all of it. A nil log is silent.
func New(store docstore.Store, pub Publisher, service string, share Share, log *slog.Logger) *Outbox {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Outbox{
		store: store, pub: pub, kind: service + ".outbox", service: service, log: log.With("component", "outbox", "service", service), limits: defaults,
		nudge: make(chan struct{}, 1), instance: rand.Text()[:8], share: share, known: map[string]bool{},
	}
}

// Commit puts the writes and the events in one commit and nudges the relay.
// When it returns nil, both are durable. Its errors are those of Store.Commit:
// errs.Conflict when a document has another revision than its write asks for,
// errs.Invalid for writes or events that could never be put or sent; and
// errs.Unavailable while the backlog is full.
//
// Events of one Commit, and of Commits that follow each other, are sent in that
// order, except when a crash or an outage comes between. An event is put again
// on purpose by giving it the next Emission.
func (o *Outbox) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	if len(events) == 0 {
		return o.store.Commit(ctx, writes...)
	}
	for i, e := range events {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("event %d, %s %q: %w", i+1, e.Type, e.ID, err)
		}
	}
	entries, err := o.reserve(traced(ctx, events))
	if err != nil {
		return err
	}
	all := make([]docstore.Write, 0, len(writes)+len(events))
	all = append(all, writes...)
	for _, en := range entries {
		all = append(all, docstore.Write{Kind: o.kind, ID: en.id, Revision: docstore.Absent, Value: encode(en.event)})
	}
	if err := o.store.Commit(ctx, all...); err != nil {
		o.release(idsOf(entries))
		return err
	}
	o.push(entries)
	return nil
}

// reserve gives events their ids. From then on the relay's looks at the store
// leave them alone.
func (o *Outbox) reserve(events []bus.Event) ([]entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting+len(events) > o.limits.backlog {
		return nil, errs.Again(o.limits.backoffMost, "the outbox holds %d events that cannot be sent", o.waiting)
	}
	entries := make([]entry, 0, len(events))
	for _, e := range events {
		now := time.Now()
		if !now.After(o.last) {
			now = o.last.Add(time.Nanosecond)
		}
		o.last = now
		id := docstore.TimeKey(now) + "-" + o.instance
		o.known[id] = true
		entries = append(entries, entry{id, e})
	}
	o.waiting += len(events)
	return entries, nil
}

// release forgets entries that are deleted, or whose commit failed. Should it
// have happened after all, a look at the store will find them.
func (o *Outbox) release(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting -= len(ids)
	for _, id := range ids {
		delete(o.known, id)
	}
}

// push hands committed entries to the relay. What does not fit into memory is
// read from the store later.
func (o *Outbox) push(entries []entry) {
	o.mu.Lock()
	for _, en := range entries {
		if o.missed || len(o.queue) >= o.limits.queue || o.size >= o.limits.queueBytes {
			o.missed = true // also what follows: the order is the store's now
			delete(o.known, en.id)
			continue
		}
		o.queue = append(o.queue, en)
		o.size += len(en.event.Data)
	}
	o.mu.Unlock()
	o.wake()
}

func (o *Outbox) wake() {
	select {
	case o.nudge <- struct{}{}:
	default:
	}
}

// Backlog returns how many events of the service are committed and not known to
// be sent, those of its other replicas too; at most MaxBacklog are counted.
func (o *Outbox) Backlog(ctx context.Context) (int, error) {
	n, err := o.store.Count(ctx, docstore.Query{Kind: o.kind}, o.limits.backlog)
	if err != nil {
		return 0, fmt.Errorf("count the outbox: %w", err)
	}
	return n, nil
}
