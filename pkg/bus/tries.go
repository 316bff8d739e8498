package bus

import (
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	// maxTries events are remembered at a time, all of one consumer.
	maxTries = 10_000
	// forgetAfter a time without a failure an event may be forgotten: another
	// replica has it, or it is gone.
	forgetAfter = time.Hour
)

// tries counts the failures of events that are delivered again, by stream
// sequence. The server's own count will not do: it counts outages too. The
// memory is lost with the process, so an event may be tried more often than
// Consumer.MaxFailures across restarts and replicas, and never less often,
// except when the memory is full: then the server's count stands in.
type tries struct {
	mu  sync.Mutex
	all map[uint64]*try
}

type try struct {
	failures, conflicts int
	last                time.Time
}

// add counts one more ending of the event with that sequence, and returns the
// counts with it. deliveries is the server's count.
func (t *tries) add(sequence uint64, kind errs.Kind, deliveries int, now time.Time) (failures, conflicts int) {
	switch kind {
	case errs.None, errs.Invalid, errs.Unavailable, errs.NotFound:
		return 0, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[uint64]*try{}
	}
	known := t.all[sequence]
	if known == nil {
		if len(t.all) >= maxTries {
			t.forget(now)
		}
		if len(t.all) >= maxTries {
			return deliveries, deliveries
		}
		known = &try{}
		t.all[sequence] = known
	}
	known.last = now
	if kind == errs.Conflict {
		known.conflicts++
	} else {
		known.failures++
	}
	return known.failures, known.conflicts
}

// forget makes room.
func (t *tries) forget(now time.Time) {
	for sequence, known := range t.all {
		if now.Sub(known.last) > forgetAfter {
			delete(t.all, sequence)
		}
	}
}

// settled forgets an event that will not come again.
func (t *tries) settled(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, sequence)
}
