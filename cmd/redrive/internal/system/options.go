package system

import (
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/services/scheduler"
)

// Options are an operator's settings. Data is required; the other zero values
// work: all services in this process, on a store and a bus of its own, and free
// ports of loopback.
type Options struct {
	// Data is the data folder; nobody else may use it meanwhile.
	Data home.Folder
	// Services are which to run here; all when empty. Only some are possible with
	// NATS and Redis; the gateway alone needs neither.
	Services []string
	// NATS and Redis are the bus and the store that several processes share;
	// both or neither.
	NATS  NATS
	Redis Redis
	// Peers are the addresses, HOST:PORT, of services that run elsewhere. Those
	// of services that run here are not used.
	Peers map[string][]string
	// Replica names this process among those that run the same services, the
	// same over restarts; when empty, a name is made once and kept in the data
	// folder. It means nothing without NATS and Redis.
	Replica string
	// LostAfter is how long a scheduler must be silent before the others end its
	// attempts as lost; scheduler.DefaultLostAfter when 0. All schedulers must
	// have the same.
	LostAfter time.Duration

	// GRPCAddr, HTTPAddr and NATSAddr are host:port; port 0 takes a free one.
	// NATSAddr is that of the bus of this process.
	GRPCAddr, HTTPAddr, NATSAddr string
	// TLS is what this process presents to its callers and to its peers, and
	// the authorities by which it verifies peers. Peers are called by TLS when
	// any is set.
	TLS serve.TLSFiles
	// ClientCA has the authorities of the certificates that callers must
	// present; none when empty.
	ClientCA string
	// InsecureListen consents to addresses that other machines can reach, and to
	// peers on other machines, without TLS.
	InsecureListen bool
	// AllowHosts are names that REST requests may be addressed to.
	AllowHosts []string
	// Token is what callers present; when empty, the one of the data folder,
	// which is made at the first start. Peers have the same.
	Token string

	// RetryPolicy, AlertPolicy and CostPolicy are files that change the
	// defaults of the scheduler, the notifier and the recommender.
	RetryPolicy, AlertPolicy, CostPolicy string
	// LogRoots are folders below which logs may be read that a failure points
	// to; none when empty.
	LogRoots []string
	// Logs says what other logs are read, and how; docs/logs.md explains it.
	Logs Logs
	// PublicURL is where people reach the REST API, for links in notifications.
	PublicURL string
	// Supervisor is the command that an attempt's supervisor is started by; this
	// program with "supervise" when empty.
	Supervisor []string
	// Log gets everything; slog.Default when nil.
	Log *slog.Logger
	// Version is told to clients.
	Version string

	secure secure // what check made of the files of TLS
}

// Logs says what logs are read besides those below the roots. Its zero value
// reads none.
type Logs struct {
	// Sources are URLs, Tokens are URL=FILE.
	Sources, Tokens []string
	// Timeout is for all logs of a failure together, Delay until a log that was
	// missing or still growing is read once more; 5 s and 30 s when 0.
	Timeout, Delay time.Duration
	// Kubeconfig is a file.
	Kubeconfig string
}

// secure is how to encrypt each kind of connection; nil is not at all.
type secure struct{ own, peers, nats, redis *tls.Config }

// alone reports whether this process is all there is: bus and store are in it.
func (o *Options) alone() bool { return o.NATS.URL == "" && !o.doorOnly() }

// doorOnly reports whether this process only hands calls on. It needs neither
// bus nor store, and does not touch those that are named.
func (o *Options) doorOnly() bool { return len(o.Services) == 1 && o.runs(Gateway) }

// check completes the options and refuses what cannot work, before anything is
// started. Errors are errs.Invalid and name the flag.
func (o *Options) check() error {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if len(o.Services) == 0 {
		o.Services = Services
	}
	all := []error{o.checkServices(), o.checkAddrs(), o.checkPeers(), o.NATS.check(), o.Redis.check(), o.readTLS()}
	if o.ClientCA != "" && o.TLS.Cert == "" {
		all = append(all, errs.Field("--tls-client-ca", "certificates of callers are part of TLS: serve it with --tls-cert and --tls-key"))
	}
	if o.Replica != "" {
		if err := home.CheckReplica(o.Replica); err != nil {
			all = append(all, errs.Field("--replica", "%w", err))
		}
	}
	if o.LostAfter != 0 && o.LostAfter < scheduler.MinLostAfter {
		all = append(all, errs.Field("--lost-after", "%s is less than %s", o.LostAfter, scheduler.MinLostAfter))
	}
	if !o.alone() && o.Token == "" {
		all = append(all, errs.Field("--token-file", "the processes of a deployment have one token: name a file with it, or set REDRIVE_TOKEN"))
	}
	return errs.Fields(all...)
}

func (o *Options) checkServices() error {
	var all []error
	for i, name := range o.Services {
		switch {
		case !slices.Contains(Services, name):
			all = append(all, errs.Field("SERVICE", "there is no service %q; there are %s", name, strings.Join(Services, ", ")))
		case slices.Contains(o.Services[:i], name):
			all = append(all, errs.Field("SERVICE", "%s is named twice", name))
		}
	}
	switch {
	case o.NATS.URL != "" && o.Redis.URL == "":
		all = append(all, errs.Field("--redis", "--nats shares the bus; the store has to be shared as well: give --redis redis://HOST:PORT"))
	case o.NATS.URL == "" && o.Redis.URL != "":
		all = append(all, errs.Field("--nats", "--redis shares the store; the bus has to be shared as well: give --nats nats://HOST:PORT"))
	case o.alone() && len(o.Services) < len(Services):
		all = append(all, errs.Field("--nats", "%s alone shares a bus and a store with the other services: give --nats nats://HOST:PORT and --redis redis://HOST:PORT; without names, all services run in one process",
			strings.Join(o.Services, ", ")))
	}
	return errs.Fields(all...)
}

func (o *Options) checkAddrs() error {
	encrypted := o.InsecureListen || o.TLS.Cert != ""
	var all []error
	for _, a := range []struct {
		field   string
		addr    *string
		consent bool
	}{{"grpc-addr", &o.GRPCAddr, encrypted}, {"http-addr", &o.HTTPAddr, encrypted}, {"nats-addr", &o.NATSAddr, o.InsecureListen}} {
		if *a.addr == "" {
			*a.addr = "127.0.0.1:0"
		}
		all = append(all, serve.CheckAddr(a.field, *a.addr, a.consent))
	}
	return errs.Fields(all...)
}

// checkPeers asks for the peers that the services call, and for nothing that
// would send the token unencrypted unasked.
func (o *Options) checkPeers() error {
	var all []error
	for name, addrs := range o.Peers {
		if calledService(name) == "" {
			all = append(all, errs.Field("--peer", "there is no service %q to call; there are %s", name, strings.Join(callable(), ", ")))
			continue
		}
		if len(addrs) == 0 {
			all = append(all, errs.Field("--peer", "%s has no address; write --peer %[1]s=HOST:PORT", name))
		}
		for _, addr := range addrs {
			if err := serve.CheckPeerAddr(addr); err != nil {
				all = append(all, errs.Field("--peer", "%s=%w", name, err))
				continue
			}
			if host, _, _ := net.SplitHostPort(addr); !serve.IsLoopback(host) && !o.TLS.Set() && !o.InsecureListen && !o.runs(name) {
				all = append(all, errs.Field("--peer", "%s=%s may be another machine, and the token would go there unencrypted: give --tls-ca (and serve TLS there), or consent with --insecure-listen", name, addr))
			}
		}
	}
	for name, callers := range o.peersCalled() {
		if len(o.Peers[name]) == 0 {
			all = append(all, errs.Field("--peer", "%s is called by %s, and is not in this process: give --peer %[1]s=HOST:PORT, or name it as a service here", name, strings.Join(callers, " and ")))
		}
	}
	return errs.Fields(all...)
}

// readTLS reads the files of TLS.
func (o *Options) readTLS() error {
	var all []error
	read := func(into **tls.Config, wanted bool, flag string, f serve.TLSFiles, how func(string, serve.TLSFiles, *slog.Logger) (*tls.Config, error)) {
		if !wanted {
			return
		}
		var err error
		*into, err = how(flag, f, o.Log)
		all = append(all, err)
	}
	read(&o.secure.own, o.TLS.Cert != "" || o.TLS.Key != "", "tls", serve.TLSFiles{Cert: o.TLS.Cert, Key: o.TLS.Key, CA: o.ClientCA}, serve.ServerTLS)
	read(&o.secure.peers, o.TLS.CA != "" || o.secure.own != nil, "tls", o.TLS, serve.ClientTLS)
	read(&o.secure.nats, o.NATS.encrypted(), "nats", o.NATS.TLS, serve.ClientTLS)
	read(&o.secure.redis, o.Redis.encrypted(), "redis", o.Redis.TLS, serve.ClientTLS)
	return errs.Fields(all...)
}

// runs reports whether the service is one of this process.
func (o *Options) runs(name string) bool { return slices.Contains(o.Services, name) }
