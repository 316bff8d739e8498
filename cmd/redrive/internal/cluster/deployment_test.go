//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/serve"
)

// services are what two replicas each are served of, and which of the others
// each one calls.
var services = map[string][]string{
	"configsvc":   nil,
	"recommender": {"configsvc"},
	"notifier":    nil,
	"classifier":  {"recommender", "configsvc"},
	"scheduler":   {"configsvc"},
	"gateway":     {"scheduler", "classifier", "recommender", "configsvc", "notifier"},
}

const (
	replicas = 2
	// startPatience bounds the start of one process, on a busy machine too.
	startPatience = 90 * time.Second
)

// deployment is all of Redrive, every part a process of its own.
type deployment struct {
	t     testing.TB
	dir   string
	token string
	flags map[string][]string // of a service, besides those that it needs
	hook  *hook

	all   []*process // the NATS servers, Redis, and then the replicas
	nats  []*process
	redis *process
	http  map[string]string             // host:port of the HTTP of a replica
	conns map[string][]*grpc.ClientConn // to the replicas of a service
	bus   jetstream.JetStream           // as Redrive's own user
	guest jetstream.JetStream           // as another scheduler
	store docstore.Store
}

// deploy starts everything and waits until it is ready. flags are more flags of
// a service. When the test ends it is all killed.
func deploy(t testing.TB, flags map[string][]string) *deployment {
	t.Helper()
	d := &deployment{t: t, flags: flags, dir: folder(t), token: serve.NewToken(), http: map[string]string{}, conns: map[string][]*grpc.ClientConn{}}
	t.Cleanup(d.end)
	var natsURL, redisAddr string
	d.nats, natsURL = natsServers(t, d.dir)
	d.redis, redisAddr = redisServer(t, d.dir)
	d.all = append(slices.Clone(d.nats), d.redis)
	d.startAll(d.all)
	d.describeServices(natsURL, redisAddr)
	began := time.Now()
	d.startAll(d.all[len(d.nats)+1:])
	t.Logf("%d replicas were ready after %v", len(d.all)-len(d.nats)-1, time.Since(began).Round(time.Millisecond))
	d.connect(natsURL, redisAddr)
	return d
}

// folder is where a deployment keeps everything: CLUSTER_DIR, where whoever
// looks for a bug finds it afterwards, or a folder that goes with the test.
func folder(t testing.TB) string {
	keep := os.Getenv("CLUSTER_DIR")
	if keep == "" {
		return t.TempDir()
	}
	dir := filepath.Join(keep, t.Name())
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startAll starts processes at the same time and waits until all are ready.
func (d *deployment) startAll(all []*process) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), startPatience)
	defer cancel()
	var group errgroup.Group
	for _, p := range all {
		group.Go(func() error { return d.start(ctx, p) })
	}
	if err := group.Wait(); err != nil {
		d.t.Fatal(err)
	}
}

// start starts one process and waits until it is ready.
func (d *deployment) start(ctx context.Context, p *process) error {
	if err := p.start(); err != nil {
		return err
	}
	ctx, cancel := p.alive(ctx)
	defer cancel()
	return until(ctx, p.name+" is not ready", p.ready)
}

// describeServices lists the replicas of all services in d.all.
func (d *deployment) describeServices(natsURL, redisAddr string) {
	bin := d.copyOf(binary(d.t, "redrive"))
	names := slices.Sorted(maps.Keys(services))
	ports := freePorts(d.t, 2*replicas*len(names))
	write(d.t, filepath.Join(d.dir, "retries.yaml"), "classes: {\"*\": {base_delay: 0s}}\n")
	d.hook = newHook(d.t)
	write(d.t, filepath.Join(d.dir, "alerts.yaml"), fmt.Sprintf(
		"receivers: [{name: hook, type: webhook, url: %q}]\nroutes: [{severities: [info, warning, page], receivers: [hook]}]\n", d.hook.url))
	write(d.t, filepath.Join(d.dir, "secret"), password+"\n")
	write(d.t, filepath.Join(d.dir, "token"), d.token+"\n")
	grpcs := map[string][]string{}
	for _, service := range names {
		for range replicas {
			grpcs[service] = append(grpcs[service], fmt.Sprintf("127.0.0.1:%d", ports[0]))
			ports = ports[1:]
		}
	}
	for _, service := range names {
		for i, addr := range grpcs[service] {
			name := fmt.Sprintf("%s-%d", service, i+1)
			d.http[name] = fmt.Sprintf("127.0.0.1:%d", ports[0])
			ports = ports[1:]
			args := []string{
				bin, "serve", service, "--data", filepath.Join(d.dir, name), "--replica", name,
				"--grpc-addr", addr, "--http-addr", d.http[name], "--token-file", filepath.Join(d.dir, "token"),
			}
			if service != "gateway" {
				args = append(args, "--nats", natsURL, "--nats-user", natsUser, "--nats-password-file", filepath.Join(d.dir, "secret"),
					"--redis", "redis://"+redisAddr, "--redis-password-file", filepath.Join(d.dir, "secret"))
			}
			switch service {
			case "scheduler":
				args = append(args, "--retry-policy", filepath.Join(d.dir, "retries.yaml"))
			case "notifier":
				args = append(args, "--alert-policy", filepath.Join(d.dir, "alerts.yaml"))
			}
			args = append(args, d.flags[service]...)
			for _, peer := range services[service] {
				args = append(args, "--peer", peer+"="+strings.Join(grpcs[peer], ","))
			}
			ready := "http://" + d.http[name] + "/readyz"
			d.all = append(d.all, &process{
				t: d.t, name: name, args: args, log: filepath.Join(d.dir, name+".log"),
				ready: func(ctx context.Context) error { return answersOK(ctx, ready) },
			})
		}
		for _, addr := range grpcs[service] {
			conn, err := serve.Dial(addr, d.token, nil)
			if err != nil {
				d.t.Fatal(err)
			}
			d.conns[service] = append(d.conns[service], conn)
		}
	}
}

// copyOf copies a program: the one of bin may be built again meanwhile.
func (d *deployment) copyOf(bin string) string {
	text, err := os.ReadFile(bin)
	if err != nil {
		d.t.Fatal(err)
	}
	name := filepath.Join(d.dir, filepath.Base(bin))
	if err := os.WriteFile(name, text, 0o700); err != nil {
		d.t.Fatal(err)
	}
	return name
}

// connect connects the tests themselves to NATS and Redis.
func (d *deployment) connect(natsURL, redisAddr string) {
	for user, js := range map[string]*jetstream.JetStream{natsUser: &d.bus, clientUser: &d.guest} {
		conn, err := nats.Connect(natsURL, nats.UserInfo(user, password), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
			nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2))
		if err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(conn.Close)
		if *js, err = jetstream.New(conn); err != nil {
			d.t.Fatal(err)
		}
	}
	store, err := redisstore.Open(d.t.Context(), redisstore.Options{Addrs: []string{redisAddr}, Password: password, Name: "tests"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.store = store
	d.t.Cleanup(func() { _ = store.Close() }) // Redis goes with the test
}

// find returns a process by its name.
func (d *deployment) find(name string) *process {
	for _, p := range d.all {
		if p.name == name {
			return p
		}
	}
	d.t.Errorf("there is no process %q", name)
	return d.redis
}

// leader returns the server that leads the stream of events now, or the first
// one where none does.
func (d *deployment) leader(ctx context.Context) *process {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if s, err := d.bus.Stream(ctx, "REDRIVE_EVENTS"); err == nil {
		if c := s.CachedInfo().Cluster; c != nil && c.Leader != "" {
			return d.find(c.Leader)
		}
	}
	return d.nats[0]
}

// end kills everything and, when the test failed, shows the ends of the logs.
func (d *deployment) end() {
	for _, conns := range d.conns {
		for _, c := range conns {
			_ = c.Close() // the servers go anyway
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for _, p := range slices.Backward(d.all) {
		group.Go(func() {
			p.signal(syscall.SIGKILL)
			_, _ = p.wait(ctx) // one that was never started does not end
		})
	}
	group.Wait()
	killAllIn(d.t, d.dir)
	if !d.t.Failed() {
		return
	}
	for _, p := range d.all {
		d.t.Logf("the log of %s ends:\n%s", p.name, p.tail(8))
	}
}
