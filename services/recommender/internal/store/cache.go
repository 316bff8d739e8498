package store

import (
	"hash/maphash"

	"github.com/redrive-io/redrive/pkg/recent"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// mostCached bounds the cache: histories of some 20 KiB each, at most.
const mostCached = 512

// cache keeps the histories that were used last, decoded. Each is found by the
// bytes that it is stored as, so that what it finds is never out of date,
// whoever wrote the document last. A history is not changed once it is made, and
// may be shared.
type cache struct{ *recent.Values[cached] }

type cached struct {
	digest  uint64 // of the stored bytes
	history history.History
}

var seed = maphash.MakeSeed()

func newCache() cache { return cache{recent.New[cached](mostCached)} }

// get returns the history that is stored as value.
func (c cache) get(id string, value []byte) (history.History, bool) {
	known, ok := c.Get(id)
	return known.history, ok && known.digest == maphash.Bytes(seed, value)
}

// put remembers the history that value decodes to, whether or not it gets
// stored.
func (c cache) put(id string, value []byte, h history.History) {
	c.Put(id, cached{maphash.Bytes(seed, value), h})
}
