package system

import (
	"net"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// Redis says where the store is that several processes share.
type Redis struct {
	// URL is redis://[USER@]HOST:PORT[/DB] or, with TLS, rediss://…; with
	// SentinelMaster, the sentinels' addresses with commas between them.
	URL string
	// SentinelMaster is the name by which sentinels know the primary.
	SentinelMaster string
	// Password is that of USER, or of the default user; SentinelPassword is the
	// sentinels' own.
	Password, SentinelPassword string
	// TLS is used with rediss://.
	TLS serve.TLSFiles
	// Prefix begins every key; the driver's default when empty.
	Prefix string
}

// place is what a Redis URL says.
type place struct {
	user  string
	addrs []string
	db    int
}

// check refuses what cannot work; errors name the flag.
func (r Redis) check() error {
	if r.URL == "" {
		if r.SentinelMaster != "" || r.Password != "" || r.TLS.Set() || r.Prefix != "" {
			return errs.Field("--redis", "credentials, TLS, Sentinel and the prefix of Redis belong to a server elsewhere: give --redis redis://HOST:PORT")
		}
		return nil
	}
	at, err := r.place()
	switch {
	case err != nil:
		return err
	case len(at.addrs) > 1 && r.SentinelMaster == "":
		return errs.Field("--redis-sentinel-master", "several addresses are those of sentinels: name the primary that they watch; Redis Cluster is not supported")
	case r.TLS.Set() && !r.encrypted():
		return errs.Field("--redis", "TLS is set, and the URL is without: write rediss://%s", strings.Join(at.addrs, ","))
	case r.Prefix != "" && !strings.HasSuffix(r.Prefix, ":"):
		return errs.Field("--redis-prefix", "%q does not end with a colon, such as %q", r.Prefix, redisstore.DefaultPrefix)
	}
	return nil
}

// encrypted reports whether the connection is.
func (r Redis) encrypted() bool { return strings.HasPrefix(r.URL, "rediss://") }

// place reads the URL.
func (r Redis) place() (p place, err error) {
	scheme, rest, _ := strings.Cut(r.URL, "://")
	if scheme != "redis" && scheme != "rediss" {
		return p, errs.Field("--redis", "write it as redis://HOST:PORT, or rediss://HOST:PORT with TLS")
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		p.user, rest = rest[:i], rest[i+1:]
		if strings.Contains(p.user, ":") {
			return p, errs.Field("--redis", "a password in a URL is seen in every process list: use --redis-password-file")
		}
	}
	hosts, db, _ := strings.Cut(rest, "/")
	if db != "" {
		n, err := strconv.ParseUint(db, 10, 16)
		if err != nil {
			return p, errs.Field("--redis", "%q is not the number of a database", db)
		}
		p.db = int(n)
	}
	for addr := range strings.SplitSeq(hosts, ",") {
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			return p, errs.Field("--redis", "%q is not HOST:PORT, such as redis:6379", addr)
		}
		p.addrs = append(p.addrs, addr)
	}
	return p, nil
}
