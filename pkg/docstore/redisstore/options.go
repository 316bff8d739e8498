package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redrive-io/redrive/pkg/errs"
)

// DefaultPrefix begins every key of a store whose Options name no other.
const DefaultPrefix = "redrive:"

// Bounds of the connections.
const (
	poolSize       = 32
	dialTimeout    = 2 * time.Second
	answerTimeout  = 5 * time.Second   // of one answer
	groupTimeout   = 2 * answerTimeout // of one group of commits, a new connection included
	connectionLife = 5 * time.Minute   // until a new one is checked again
	maxPrefix      = 128
)

// Options say where the store is and how to get in. Addrs is required.
type Options struct {
	// Addrs is host:port of the primary; with SentinelMaster, those of the
	// sentinels.
	Addrs []string
	// SentinelMaster is the name by which the sentinels know the primary; empty
	// without Sentinel.
	SentinelMaster string

	Username, Password                 string
	SentinelUsername, SentinelPassword string // empty: the sentinels ask for none
	DB                                 int
	// TLS is for the primary and the sentinels; nil is none. An empty
	// ServerName is the host that is dialed.
	TLS *tls.Config

	// Prefix begins every key; empty is DefaultPrefix. It ends with a colon. No
	// store's prefix may begin with another's.
	Prefix  string
	Name    string                // of the connections in CLIENT LIST; empty is "redrive"
	Log     *slog.Logger          // nil is silent
	Metrics prometheus.Registerer // nil: none
}

func (o Options) validate() error {
	if len(o.Addrs) == 0 {
		return errs.Field("addrs", "is empty; name host:port of the primary, or of the sentinels")
	}
	for _, addr := range o.Addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return errs.Field("addrs", "%q is not host:port: %w", addr, err)
		}
	}
	switch {
	case len(o.Addrs) > 1 && o.SentinelMaster == "":
		return errs.Field("addrs", "names %d servers; one primary is used, or with Sentinel the name of its master is needed", len(o.Addrs))
	case o.DB < 0:
		return errs.Field("db", "%d is negative", o.DB)
	case len(o.Prefix) > maxPrefix, o.Prefix != "" && !strings.HasSuffix(o.Prefix, ":"):
		return errs.Field("prefix", "%q must end with a colon and have at most %d bytes, such as %q", o.Prefix, maxPrefix, DefaultPrefix)
	case strings.ContainsAny(o.Name, " \n"):
		return errs.Field("name", "%q has a space; Redis takes no such name of a connection", o.Name)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Name == "" {
		o.Name = "redrive"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// where names the server for people.
func (o Options) where() string {
	if o.SentinelMaster != "" {
		return fmt.Sprintf("master %q of sentinels %s", o.SentinelMaster, strings.Join(o.Addrs, ", "))
	}
	return o.Addrs[0]
}

// client returns a client that checks every connection before it is used.
func (o Options) client() *redis.Client {
	logOnce.Do(func() { redis.SetLogger(logger{o.Log}) })
	if o.SentinelMaster != "" {
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: o.SentinelMaster, SentinelAddrs: o.Addrs,
			SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
			Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS,
			ClientName: o.Name, DisableIdentity: true, OnConnect: checkBySentinel,
			MaxRetries: -1, DialerRetries: 1, DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
			ContextTimeoutEnabled: true, PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: answerTimeout, PipelinePoolSize: -1,
			ConnMaxLifetime: connectionLife, ConnMaxLifetimeJitter: connectionLife / 10,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr:     o.Addrs[0],
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS,
		ClientName: o.Name, DisableIdentity: true,
		OnConnect:                func(ctx context.Context, c *redis.Conn) error { return checkServer(ctx, c) },
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		MaxRetries:               -1, DialerRetries: 1, DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
		ContextTimeoutEnabled: true, PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: answerTimeout, PipelinePoolSize: -1,
		ConnMaxLifetime: connectionLife, ConnMaxLifetimeJitter: connectionLife / 10,
	})
}

// logger is where the client library's messages go. It has one for the whole
// process: that of the first store.
type logger struct{ log *slog.Logger }

var logOnce sync.Once

// Printf implements the client library's logger.
func (l logger) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
}
