package outbox

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

const backoffLeast = 50 * time.Millisecond

// Run is the relay: it publishes what Commit put, in batches and in order, and
// deletes what is published and synced. It begins with what an earlier process
// left, and looks for what fell through every few seconds. When ctx is done it
// finishes what is in flight and returns nil. Only one Run may run at a time.
//
// An entry that cannot be read or that the bus refuses for ever is logged and
// left in the store; it is tried again at the next start.
func (o *Outbox) Run(ctx context.Context) error {
	// What is published waits for nobody; it is deleted a moment later.
	published := make(chan []string, 1)
	var settler sync.WaitGroup
	settler.Go(func() { o.settle(ctx, published) })
	o.relay(ctx, published)
	close(published)
	settler.Wait()
	return nil
}

// relay publishes until ctx is done.
func (o *Outbox) relay(ctx context.Context, published chan<- []string) {
	ticks := time.NewTicker(o.limits.tick)
	defer ticks.Stop()
	o.look(ctx, time.Time{})
	for ctx.Err() == nil {
		if batch := o.take(); len(batch) > 0 {
			if sent := o.publish(ctx, batch); len(sent) > 0 {
				published <- idsOf(sent)
			}
			continue
		}
		if o.isMissed() {
			o.look(ctx, time.Time{})
			continue
		}
		select {
		case <-ctx.Done():
		case <-o.nudge:
		case <-ticks.C:
			o.look(ctx, time.Now().Add(-o.limits.grace))
		}
	}
}

// take removes the next batch from the queue.
func (o *Outbox) take() []entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < len(o.queue) && n < o.limits.batch && size < o.limits.batchBytes {
		size += len(o.queue[n].event.Data)
		n++
	}
	batch := o.queue[:n:n]
	o.queue = o.queue[n:]
	o.size -= size
	if len(o.queue) == 0 {
		o.queue = nil // let go of what was sent
	}
	return batch
}

func (o *Outbox) isMissed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.missed
}

func idsOf(batch []entry) []string {
	ids := make([]string, 0, len(batch))
	for _, en := range batch {
		ids = append(ids, en.id)
	}
	return ids
}

// publish returns what was published: all of batch, less what is refused for
// ever, or nothing when ctx ended first.
func (o *Outbox) publish(ctx context.Context, batch []entry) []entry {
	for wait := backoffLeast; ; wait = min(2*wait, o.limits.backoffMost) {
		err := o.send(ctx, batch)
		switch {
		case err == nil:
			return batch
		case errs.Is(err, errs.Invalid) && len(batch) == 1:
			o.log.Error("the bus refuses an event, it stays in the outbox", "entry", batch[0].id, "event", batch[0].event.ID, "type", batch[0].event.Type, "err", err)
			return nil
		case errs.Is(err, errs.Invalid):
			var sent []entry
			for i := range batch {
				sent = append(sent, o.publish(ctx, batch[i:i+1])...)
			}
			return sent
		}
		o.log.Warn("events cannot be published, trying again", "events", len(batch), "err", err, "in", wait)
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// send publishes once. A try that runs when ctx ends may finish.
func (o *Outbox) send(ctx context.Context, batch []entry) error {
	events := make([]bus.Event, 0, len(batch))
	for _, en := range batch {
		events = append(events, en.event)
	}
	ctx, cancel := outlive(ctx, o.limits.lastBatch)
	defer cancel()
	return o.pub.Publish(ctx, events...)
}

// look reads entries from the store that this process does not take care of,
// as many as the queue holds: those from before a time, or all of them for the
// zero time. Younger entries than the grace belong to commits under way, or to
// another replica.
func (o *Outbox) look(ctx context.Context, before time.Time) {
	q := docstore.Query{Kind: o.kind, Limit: o.limits.batch}
	if !before.IsZero() {
		q.Until = docstore.TimeKey(before)
	}
	o.mu.Lock()
	missed := o.missed
	if q.Until == "" {
		o.missed = false // what is put from now on is pushed again
	}
	o.mu.Unlock()
	found := 0
	for {
		page, err := o.store.List(ctx, q)
		if err != nil {
			if ctx.Err() == nil {
				o.log.Warn("the outbox cannot be read, trying again", "err", err)
			}
			o.setMissed(missed)
			sleep(ctx, backoffLeast)
			return
		}
		n, full := o.adopt(page.Docs)
		found += n
		if full {
			o.setMissed(true)
			break
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	if found > 0 {
		o.log.Info("events found in the outbox", "events", found)
	}
	o.recount(ctx)
}

// adopt queues the documents that nobody takes care of. It reports full when
// there was no room for one.
func (o *Outbox) adopt(docs []docstore.Doc) (found int, full bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, doc := range docs {
		if o.known[doc.ID] || !o.mine(doc.ID) {
			continue
		}
		if len(o.queue) >= o.limits.queue || o.size >= o.limits.queueBytes {
			return found, true
		}
		o.known[doc.ID] = true
		e, err := decode(doc.Value)
		if err != nil {
			o.log.Error("an outbox entry cannot be read, it stays", "entry", doc.ID, "err", err)
			continue
		}
		o.queue = append(o.queue, entry{doc.ID, e})
		o.size += len(e.Data)
		found++
	}
	return found, false
}

// mine reports whether an entry is this replica's to send: its own, or one of an
// instance that is its share.
func (o *Outbox) mine(id string) bool {
	instance := id[strings.LastIndexByte(id, '-')+1:]
	return instance == o.instance || o.share == nil || o.share.Holds(instance)
}

func (o *Outbox) setMissed(missed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.missed = o.missed || missed
}

// recount sets what waits to what there is.
func (o *Outbox) recount(ctx context.Context) {
	if !o.isMissed() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.waiting = len(o.known)
		return
	}
	n, err := o.Backlog(ctx)
	if err != nil {
		return // the old count stands
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = n
}
