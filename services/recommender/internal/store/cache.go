package store

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// mostCached bounds the cache: histories of some 20 KiB each, at most.
const mostCached = 1024

// cache keeps the histories that were used last, decoded. Each is found by the
// bytes that it is stored as, so that what it finds is never out of date,
// whoever wrote the document last. A history is not changed once it is made, and
// may be shared. The zero cache is empty.
type cache struct {
	mu      sync.Mutex
	entries map[string]*list.Element // by the id of the document
	used    list.List                // of *cached, the last used first
}

type cached struct {
	id      string
	digest  uint64 // of the stored bytes
	history history.History
}

var seed = maphash.MakeSeed()

// get returns the history that is stored as value.
func (c *cache) get(id string, value []byte) (history.History, bool) {
	digest := maphash.Bytes(seed, value)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok || e.Value.(*cached).digest != digest {
		return history.History{}, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*cached).history, true
}

// put remembers the history that value decodes to, whether or not it gets
// stored.
func (c *cache) put(id string, value []byte, h history.History) {
	entry := &cached{id, maphash.Bytes(seed, value), h}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[id]; ok {
		e.Value = entry
		c.used.MoveToFront(e)
		return
	}
	if c.entries == nil {
		c.entries = map[string]*list.Element{}
	}
	c.entries[id] = c.used.PushFront(entry)
	if c.used.Len() > mostCached {
		delete(c.entries, c.used.Remove(c.used.Back()).(*cached).id)
	}
}
