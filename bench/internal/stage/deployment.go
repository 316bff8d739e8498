package stage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// services are what a process each is started of, and which of the others each
// one calls.
var services = map[string][]string{
	"configsvc":   nil,
	"recommender": {"configsvc"},
	"notifier":    nil,
	"classifier":  {"recommender", "configsvc"},
	"scheduler":   {"configsvc"},
	"gateway":     {"scheduler", "classifier", "recommender", "configsvc", "notifier"},
}

// Deployment is Redrive as it is deployed: NATS servers, a Redis, and a process
// for each service, all on this machine.
type Deployment struct {
	Addr      string // of the gateway's gRPC
	TokenFile string
	all       []*process
}

// Programs are what a deployment consists of.
type Programs struct {
	Redrive, NATS string
}

// user is who the services log in to NATS as.
const user = "redrive"

// StartDeployment starts a deployment with this many NATS servers in a folder.
func StartDeployment(ctx context.Context, p Programs, dir string, servers int) (_ *Deployment, err error) {
	d := &Deployment{TokenFile: filepath.Join(dir, "token")}
	defer func() {
		if err != nil {
			d.Stop()
		}
	}()
	for name, text := range map[string]string{
		"token": rand.Text() + rand.Text(), "secret": rand.Text(), "retries.yaml": "classes: {\"*\": {base_delay: 0s}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	nats, err := d.startNATS(ctx, p.NATS, dir, servers)
	if err != nil {
		return nil, err
	}
	store := filepath.Join(dir, "redis")
	if err := os.Mkdir(store, 0o700); err != nil {
		return nil, err
	}
	redis, err := StartRedis(ctx, store)
	if err != nil {
		return nil, err
	}
	d.all = append(d.all, redis.process)
	return d, d.startServices(ctx, p.Redrive, dir, nats, redis.Addr)
}

// startNATS starts servers, a cluster when there are several. Each has what it
// confirms on its disk.
func (d *Deployment) startNATS(ctx context.Context, program, dir string, servers int) (url string, err error) {
	secret, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil {
		return "", err
	}
	var clients, routes []string
	for range servers {
		for _, list := range []*[]string{&clients, &routes} {
			addr, err := FreeAddr()
			if err != nil {
				return "", err
			}
			*list = append(*list, addr)
		}
	}
	var started []*process
	for i := range servers {
		name := "nats-" + strconv.Itoa(i+1)
		config := fmt.Sprintf("server_name: %s\nlisten: %q\nmax_payload: 2MB\njetstream {store_dir: %q, sync_interval: always}\nauthorization {users: [{user: %s, password: %q}]}\n",
			name, clients[i], filepath.Join(dir, name), user, secret)
		if servers > 1 {
			config += fmt.Sprintf("cluster {name: bench, listen: %q, routes: [%s]}\n", routes[i], `"nats://`+strings.Join(routes, `", "nats://`)+`"`)
		}
		file := filepath.Join(dir, name+".conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return "", err
		}
		p, err := start(dir, program, "--config", file)
		if err != nil {
			return "", err
		}
		started = append(started, p)
		d.all = append(d.all, p)
	}
	for i, p := range started {
		if err := p.answers(ctx, clients[i]); err != nil {
			return "", err
		}
	}
	return "nats://" + strings.Join(clients, ",nats://"), nil
}

// startServices starts a process for each service and returns when all are
// ready.
func (d *Deployment) startServices(ctx context.Context, program, dir, nats, redis string) error {
	grpc, web := map[string]string{}, map[string]string{}
	for service := range services {
		for _, addrs := range []map[string]string{grpc, web} {
			addr, err := FreeAddr()
			if err != nil {
				return err
			}
			addrs[service] = addr
		}
	}
	d.Addr = grpc["gateway"]
	started := map[string]*process{}
	for _, service := range slices.Sorted(maps.Keys(services)) {
		args := []string{
			"serve", service, "--data", filepath.Join(dir, service), "--token-file", d.TokenFile, "--log-level", "warn",
			"--grpc-addr", grpc[service], "--http-addr", web[service],
		}
		if service != "gateway" {
			args = append(args, "--nats", nats, "--nats-user", user, "--nats-password-file", filepath.Join(dir, "secret"), "--redis", "redis://"+redis)
		}
		if service == "scheduler" {
			args = append(args, "--retry-policy", filepath.Join(dir, "retries.yaml"))
		}
		for _, peer := range services[service] {
			args = append(args, "--peer", peer+"="+grpc[peer])
		}
		p, err := start(dir, program, args...)
		if err != nil {
			return err
		}
		started[service] = p
		d.all = append(d.all, p)
	}
	for service, p := range started {
		if err := p.ready(ctx, "http://"+web[service]+"/readyz"); err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
	}
	return nil
}

// readyLimit is how long a service may take until it is ready: a cluster of
// NATS servers takes some seconds to choose its leaders.
const readyLimit = 90 * time.Second

// ready returns when the process says that it is ready.
func (p *process) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for last := errors.New("it was not asked"); ; {
		select {
		case <-again.C:
			if last = answersOK(ctx, url); last == nil {
				return nil
			}
		case <-p.ended:
			return fmt.Errorf("it ended: %s", p.said())
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w; it said: %s", last, p.said())
		}
	}
}

func answersOK(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return errors.Join(err, res.Body.Close())
}

// PIDs are the processes of the deployment.
func (d *Deployment) PIDs() []int {
	var all []int
	for _, p := range d.all {
		all = append(all, p.PID())
	}
	return all
}

// Stop stops everything, what was started last first.
func (d *Deployment) Stop() {
	for _, p := range slices.Backward(d.all) {
		p.Stop()
	}
}
