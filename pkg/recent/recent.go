// Package recent keeps values that may be asked for again soon, a bounded number
// of them, in memory.
package recent

import "sync"

// Values are values by key. The zero Values is of no use; New makes them. All
// methods may be called concurrently.
type Values[V any] struct {
	most int
	mu   sync.Mutex
	// What was asked for or put lately is young. When there is too much of that,
	// it becomes old, and what was old is forgotten.
	young, old map[string]V
}

// New returns values of which at least the most that were used last are kept,
// and at most twice as many.
func New[V any](most int) *Values[V] { return &Values[V]{most: most, young: map[string]V{}} }

// Get returns the value of a key, if it is still kept.
func (r *Values[V]) Get(key string) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok = r.young[key]; ok {
		return v, true
	}
	if v, ok = r.old[key]; ok {
		r.put(key, v)
	}
	return v, ok
}

// Put keeps a value in place of the one before it.
func (r *Values[V]) Put(key string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(key, v)
}

func (r *Values[V]) put(key string, v V) {
	delete(r.old, key)
	r.young[key] = v
	if len(r.young) > r.most {
		r.young, r.old = map[string]V{key: v}, r.young
		delete(r.old, key)
	}
}

// Drop forgets a value.
func (r *Values[V]) Drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}
