package command

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/services/classifier"
	"github.com/redrive-io/redrive/services/scheduler"
)

// serveFlags are the flags of `redrive serve`: the options of a system, and what
// has to be read to complete them.
type serveFlags struct {
	o                         system.Options
	natsPassword, redisSecret string // files
	peers                     []string
	stopTimeout               time.Duration
	level                     levelValue
}

// add adds the flags to cmd, in groups.
func (f *serveFlags) add(cmd *cobra.Command) {
	g := flagGroups{}
	o := &f.o
	flags := g.group("Listen").Flags()
	flags.StringVar(&o.GRPCAddr, "grpc-addr", "127.0.0.1:8470", "`HOST:PORT` to serve gRPC on; port 0 takes a free one")
	flags.StringVar(&o.HTTPAddr, "http-addr", "127.0.0.1:8471", "`HOST:PORT` to serve REST, /metrics, /healthz and /readyz on")
	flags.StringVar(&o.NATSAddr, "nats-addr", "127.0.0.1:8472", "`HOST:PORT` where other schedulers connect to the events, without --nats")
	flags.BoolVar(&o.InsecureListen, "insecure-listen", false, "consent to other machines without encryption: listeners and peers")
	flags.StringSliceVar(&o.AllowHosts, "allow-host", nil, "a host `NAME` that REST requests may be addressed to, besides loopback")
	flags.StringVar(&o.PublicURL, "public-url", "", "`URL` where people reach the REST API, for links in notifications")

	flags = g.group("TLS (files are PEM; --tls-cert and --tls-key are read again when they change)").Flags()
	flags.StringVar(&o.TLS.Cert, "tls-cert", "", "`FILE` with the certificate to serve gRPC and HTTP with, and to present to peers")
	flags.StringVar(&o.TLS.Key, "tls-key", "", "`FILE` with its key")
	flags.StringVar(&o.TLS.CA, "tls-ca", "", "`FILE` with the authorities by which peers are verified (default: the operating system's)")
	flags.StringVar(&o.ClientCA, "tls-client-ca", "", "callers must present a certificate of the authorities in this `FILE`")

	flags = g.group("Decide").Flags()
	flags.StringVar(&o.RetryPolicy, "retry-policy", "", "YAML `FILE` that changes what the classes of failures mean for a retry")
	flags.StringVar(&o.AlertPolicy, "alert-policy", "", "YAML `FILE` that says who is told of what (default: alerts are only kept)")
	flags.StringVar(&o.CostPolicy, "cost-policy", "", "YAML `FILE` with prices, the weight of a failed retry and ceilings")

	flags = g.group("Logs that a failure points to (docs/logs.md)").Flags()
	flags.StringSliceVar(&o.LogRoots, "log-root", nil, "a `FOLDER` below which files may be read")
	flags.StringArrayVar(&o.Logs.Sources, "log-source", nil, "`URL` below which logs may be read: https://HOST/, s3://BUCKET/, nats-obj://BUCKET/,\nk8s://NAMESPACE/, yarn+http://HOST:8088?logs=http://HISTORY:19888; with {application_id}\nin it, where the logs of an application are, such as driver=s3://logs/{application_id}/driver*")
	flags.StringArrayVar(&o.Logs.Tokens, "log-token", nil, "`URL=FILE` with the bearer token for a server of --log-source https://")
	flags.DurationVar(&o.Logs.Timeout, "log-timeout", classifier.DefaultLogTimeout, "how long reading all logs of a failure together may take")
	flags.DurationVar(&o.Logs.Delay, "log-delay", classifier.DefaultLogDelay, "when a log is read once more that was missing or still growing")
	flags.StringVar(&o.Logs.Kubeconfig, "log-kubeconfig", "", "`FILE` with access to pods (default: the service account of this pod)")

	flags = g.group("Several processes").Flags()
	flags.StringVar(&o.NATS.URL, "nats", "", "the bus that they share: `URL` nats://HOST:PORT, tls:// with TLS; more servers after commas")
	flags.StringVar(&o.Redis.URL, "redis", "", "the store that they share: `URL` redis://[USER@]HOST:PORT[/DB], rediss:// with TLS")
	flags.StringArrayVar(&f.peers, "peer", nil, "a service elsewhere, `SERVICE=HOST:PORT[,…]`; a host may have many addresses")
	flags.StringVar(&o.Replica, "replica", "", "`NAME` of this process, the same over restarts (default: made once, kept in DATA/replica)")
	flags.DurationVar(&o.LostAfter, "lost-after", scheduler.DefaultLostAfter, "how long a scheduler must be silent before others end its attempts as lost")

	flags = g.group("NATS").Flags()
	flags.StringVar(&o.NATS.User, "nats-user", "", "`USER` to log in as")
	flags.StringVar(&f.natsPassword, "nats-password-file", "", "`FILE` with the password (env REDRIVE_NATS_PASSWORD has the password itself)")
	flags.StringVar(&o.NATS.CredsFile, "nats-creds", "", "a .creds `FILE` instead of user and password")
	flags.StringVar(&o.NATS.TLS.CA, "nats-ca", "", "`FILE` with the authorities by which the servers are verified (default: the operating system's)")
	flags.StringVar(&o.NATS.TLS.Cert, "nats-cert", "", "`FILE` with a certificate to present")
	flags.StringVar(&o.NATS.TLS.Key, "nats-key", "", "`FILE` with its key")
	flags.IntVar(&o.NATS.Replicas, "nats-replicas", 0, "`NUMBER` of servers that keep each stream; 0 is 3 where the cluster has three, else 1")

	flags = g.group("Redis").Flags()
	flags.StringVar(&f.redisSecret, "redis-password-file", "", "`FILE` with the password (env REDRIVE_REDIS_PASSWORD has the password itself)")
	flags.StringVar(&o.Redis.SentinelMaster, "redis-sentinel-master", "", "the addresses are sentinels; this is their `NAME` of the primary\n(env REDRIVE_REDIS_SENTINEL_PASSWORD is the sentinels' own password)")
	flags.StringVar(&o.Redis.Prefix, "redis-prefix", "", "`PREFIX` of every key (default \"redrive:\")")
	flags.StringVar(&o.Redis.TLS.CA, "redis-ca", "", "`FILE` with the authorities by which the server is verified (default: the operating system's)")
	flags.StringVar(&o.Redis.TLS.Cert, "redis-cert", "", "`FILE` with a certificate to present")
	flags.StringVar(&o.Redis.TLS.Key, "redis-key", "", "`FILE` with its key")

	flags = g.group("Process").Flags()
	flags.DurationVar(&f.stopTimeout, "stop-timeout", 25*time.Second, "how long an orderly stop may take")
	f.level = levelValue(slog.LevelInfo)
	flags.Var(&f.level, "log-level", "what is logged, a `LEVEL`: debug, info, warn or error")
	g.addTo(cmd)
}

// options completes the options.
func (f *serveFlags) options(a *app, cmd *cobra.Command, services []string) (o system.Options, err error) {
	o = f.o
	o.Services = services
	if o.Data, err = a.folder(); err != nil {
		return o, err
	}
	if o.Token, err = a.givenToken(); err != nil {
		return o, err
	}
	if o.LogRoots, err = folders(o.LogRoots); err != nil {
		return o, err
	}
	if f.stopTimeout < 0 {
		return o, usagef("--stop-timeout %s is negative", f.stopTimeout)
	}
	if o.NATS.URL != "" && cmd.Flags().Changed("nats-addr") {
		return o, usagef("--nats-addr is where this process would serve the events; with --nats, other schedulers connect there")
	}
	if o.NATS.Password, err = secretOf("--nats-password-file", f.natsPassword, "REDRIVE_NATS_PASSWORD", o.NATS.URL); err != nil {
		return o, err
	}
	if o.Redis.Password, err = secretOf("--redis-password-file", f.redisSecret, "REDRIVE_REDIS_PASSWORD", o.Redis.URL); err != nil {
		return o, err
	}
	if o.Redis.SentinelMaster != "" {
		o.Redis.SentinelPassword = os.Getenv("REDRIVE_REDIS_SENTINEL_PASSWORD")
	}
	if o.Peers, err = peersOf(f.peers); err != nil {
		return o, err
	}
	o.Version, _ = buildOf(a.version)
	o.Log = a.logger(slog.Level(f.level))
	return o, nil
}

// folders makes the paths absolute, and refuses what is not a folder.
func folders(roots []string) ([]string, error) {
	all := make([]string, len(roots))
	for i, root := range roots {
		var err error
		if all[i], err = filepath.Abs(root); err != nil {
			return nil, err
		}
		if info, err := os.Stat(root); err != nil || !info.IsDir() {
			return nil, usagef("--log-root %s is not a folder", root)
		}
	}
	return all, nil
}

// secretOf reads the secret from a file, or else from the environment. The
// environment is of use only where there is a server to present it to.
func secretOf(flag, file, env, server string) (string, error) {
	if file == "" {
		if server == "" {
			return "", nil
		}
		return os.Getenv(env), nil
	}
	secret, err := serve.ReadGivenSecret(file)
	switch {
	case err != nil:
		return "", errs.Field(flag, "%w", err)
	case secret == "":
		return "", errs.Field(flag, "%s is empty", file)
	}
	return secret, nil
}

// peersOf reads SERVICE=HOST:PORT[,HOST:PORT].
func peersOf(all []string) (map[string][]string, error) {
	peers := map[string][]string{}
	for _, one := range all {
		name, addrs, ok := strings.Cut(one, "=")
		if !ok || name == "" || addrs == "" {
			return nil, usagef("--peer %q is not SERVICE=HOST:PORT[,HOST:PORT], such as configsvc=10.0.0.7:8470", one)
		}
		for addr := range strings.SplitSeq(addrs, ",") {
			if !slices.Contains(peers[name], addr) {
				peers[name] = append(peers[name], addr)
			}
		}
	}
	return peers, nil
}

// flagGroups are flags under headings. A group is a command without a name,
// since only commands make sets of flags.
type flagGroups struct {
	titles []string
	sets   []*cobra.Command
}

func (g *flagGroups) group(title string) *cobra.Command {
	c := &cobra.Command{}
	c.Flags().SortFlags = false
	g.titles, g.sets = append(g.titles, title), append(g.sets, c)
	return c
}

// addTo adds all flags to cmd, whose help shows them in their groups.
func (g *flagGroups) addTo(cmd *cobra.Command) {
	for _, c := range g.sets {
		cmd.Flags().AddFlagSet(c.Flags())
	}
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		var b strings.Builder
		fmt.Fprintf(&b, "Usage:\n  %s\n\nExamples:\n%s\n", cmd.UseLine(), cmd.Example)
		for i, c := range g.sets {
			fmt.Fprintf(&b, "\n%s:\n%s", g.titles[i], c.Flags().FlagUsages())
		}
		fmt.Fprintf(&b, "\nGlobal Flags:\n%s", cmd.InheritedFlags().FlagUsages())
		_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
		return err
	})
}

// levelValue is the flag --log-level.
type levelValue slog.Level

// String implements pflag.Value.
func (v *levelValue) String() string { return strings.ToLower(slog.Level(*v).String()) }

// Type implements pflag.Value.
func (v *levelValue) Type() string { return "level" }

// Set implements pflag.Value.
func (v *levelValue) Set(s string) error {
	if err := (*slog.Level)(v).UnmarshalText([]byte(s)); err != nil {
		return errors.New("must be debug, info, warn or error")
	}
	return nil
}
