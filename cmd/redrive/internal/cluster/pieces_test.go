//go:build cluster

package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

const (
	natsUser   = "redrive"
	clientUser = "client"
	password   = "a password of these tests"
)

// binary returns a program that `make test-cluster` built.
func binary(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../../../bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make test-cluster, which builds it", err)
	}
	return path
}

// natsServers describes three servers of one cluster, whose streams are on the
// disk before they are acknowledged.
func natsServers(t testing.TB, dir string) (servers []*process, url string) {
	t.Helper()
	bin := binary(t, "nats-server")
	checkVersion(t, bin)
	ports := freePorts(t, 9)
	clients, routes, monitors := ports[:3], ports[3:6], ports[6:]
	var urls, peers []string
	for i := range 3 {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", clients[i]))
		peers = append(peers, fmt.Sprintf("nats://127.0.0.1:%d", routes[i]))
	}
	for i := range 3 {
		name := fmt.Sprintf("nats-%d", i+1)
		config := filepath.Join(dir, name+".conf")
		write(t, config, fmt.Sprintf(`
server_name: %s
listen: "127.0.0.1:%d"
http: "127.0.0.1:%d"
max_payload: 2MB
authorization {
  users: [
    {user: %s, password: %q}
    {user: %s, password: %q, permissions: {
      publish: {allow: ["redrive.report.attempt.failed", "redrive.report.attempt.succeeded"]}
      subscribe: {allow: ["_INBOX.>"]}
    }}
  ]
}
jetstream {store_dir: %q, sync_interval: always, max_file_store: 8GB, max_memory_store: 64MB}
cluster {name: redrive, listen: "127.0.0.1:%d", routes: [%s]}
`, name, clients[i], monitors[i], natsUser, password, clientUser, password, filepath.Join(dir, name), routes[i], strings.Join(peers, ", ")))
		monitor := fmt.Sprintf("http://127.0.0.1:%d/healthz", monitors[i])
		servers = append(servers, &process{
			t: t, name: name, args: []string{bin, "--config", config}, log: filepath.Join(dir, name+".log"),
			ready: func(ctx context.Context) error { return answersOK(ctx, monitor) },
		})
	}
	return servers, strings.Join(urls, ",")
}

// checkVersion refuses another server than the one that Redrive embeds.
func checkVersion(t testing.TB, bin string) {
	t.Helper()
	const module = "github.com/nats-io/nats-server/v2"
	out, err := exec.CommandContext(t.Context(), bin, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module && !strings.Contains(string(out), m.Version) {
			t.Fatalf("bin/nats-server is %s, and go.mod has %s: make tools/go.mod say the same", strings.TrimSpace(string(out)), m.Version)
		}
	}
}

// redisServer describes a Redis that has everything on its disk before it
// answers.
func redisServer(t testing.TB, dir string) (server *process, addr string) {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("%v: run make test-cluster, which installs it", err)
	}
	port := freePorts(t, 1)[0]
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	data := filepath.Join(dir, "redis")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "redis.conf")
	write(t, config, fmt.Sprintf(`
bind 127.0.0.1
port %d
dir %q
requirepass %q
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
`, port, data, password))
	return &process{
		t: t, name: "redis", args: []string{bin, config}, log: filepath.Join(dir, "redis.log"),
		ready: func(ctx context.Context) error { return pong(ctx, addr) },
	}, addr
}

// pong is nil when a Redis answers and has read its files.
func pong(ctx context.Context, addr string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing is left to say
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(conn, "AUTH %q\r\nPING\r\n", password); err != nil {
		return err
	}
	answers := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		if line, err := answers.ReadString('\n'); err != nil || strings.TrimSpace(line) != want {
			return errors.Join(fmt.Errorf("redis says %q, want %s", line, want), err)
		}
	}
	return nil
}

// answersOK is nil when an address answers 200.
func answersOK(ctx context.Context, url string) error {
	code, text, err := fetch(ctx, url)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", url, code, text)
	}
	return err
}

func fetch(ctx context.Context, url string) (code int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := plainHTTP.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b := make([]byte, 4<<10)
	n, _ := res.Body.Read(b)
	return res.StatusCode, string(b[:n]), nil
}

// plainHTTP keeps no connections to processes that will be killed.
var plainHTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
