package system

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// openStore opens the store: that of the data folder, or the one that is
// shared.
func (s *System) openStore(ctx context.Context, o Options) error {
	if !o.alone() {
		return s.openRedis(ctx, o.Redis, o.secure.redis)
	}
	store, err := pebblestore.Open(s.home.Store(), pebblestore.Options{Log: s.log, Metrics: s.registry, Failed: s.fail})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.store = store
	s.server.AddDependency("store", s.storeAnswers)
	s.closers.Add("store", func(context.Context) error { return store.Close() })
	return nil
}

// storeAnswers is a readiness check.
func (s *System) storeAnswers(ctx context.Context) error {
	_, err := s.store.Get(ctx, "system.probe", "probe")
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// openRedis connects to Redis, and waits while it is away.
func (s *System) openRedis(ctx context.Context, o Redis, secure *tls.Config) error {
	at, err := o.place()
	if err != nil {
		return err
	}
	var store *redisstore.Store
	err = s.await(ctx, "the store", "--redis", func(ctx context.Context) (err error) {
		store, err = redisstore.Open(ctx, redisstore.Options{
			Addrs: at.addrs, SentinelMaster: o.SentinelMaster, Username: at.user, Password: o.Password,
			SentinelPassword: o.SentinelPassword, DB: at.db, TLS: secure, Prefix: o.Prefix, Name: s.replica,
			Log: s.log, Metrics: s.registry,
		})
		return err
	})
	if err != nil {
		return err
	}
	s.store = store
	s.server.AddDependency("store", store.Ready)
	s.closers.Add("store", func(context.Context) error { return store.Close() })
	return nil
}
