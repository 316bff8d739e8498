package lease

import (
	"context"
	"time"
)

// WithClock gives l another clock before anything else is called.
func (l *Leases) WithClock(now func() time.Time) *Leases {
	l.now = now
	return l
}

// Step is what Run does four times in a TTL.
func (l *Leases) Step(ctx context.Context) error { return l.step(ctx) }

// Leave is what Run does in the end.
func (l *Leases) Leave(ctx context.Context) { l.leave(ctx) }

// HoldsShard is Holds of a key of shard s.
func (l *Leases) HoldsShard(s int) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[s] && l.valid(now)
}

// ShardOf returns the shard of a key.
var ShardOf = shardOf

// Name returns the name of the replica.
func (l *Leases) Name() string { return l.replica }
