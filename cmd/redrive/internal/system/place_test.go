package system_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/pkg/serve/certtest"
)

// patience bounds how long a test waits for what has to come.
const patience = 30 * time.Second

// until tries until ok, and fails the test when it does not come to be.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// place is a bus and a store that systems share.
type place struct {
	t       *testing.T
	ca      *certtest.Authority // nil: nothing is encrypted
	files   serve.TLSFiles      // of everybody
	token   string
	redis   *redistest.Server
	options server.Options
	nats    *server.Server
	log     *log

	addrs map[string][]string // gRPC, of services that have been started
}

// log may be read while it is written.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

const password = "a-password-of-a-test"

// newPlace starts a NATS server and a Redis, both with passwords, and with TLS
// when secure.
func newPlace(t *testing.T, secure bool) *place {
	t.Helper()
	p := &place{t: t, token: serve.NewToken(), log: &log{}, addrs: map[string][]string{}, options: server.Options{
		ServerName: "nats", Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 2 << 20, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "redrive", Password: password}},
	}}
	lines := []string{"user default off", "user redrive on ~* &* +@all >" + password}
	if secure {
		p.ca = certtest.New(t)
		p.files.CA = p.ca.CA
		p.files.Cert, p.files.Key = p.ca.Pair(t, "127.0.0.1", "localhost")
		pair, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
		if err != nil {
			t.Fatal(err)
		}
		p.options.TLS, p.options.TLSConfig, p.options.TLSTimeout = true, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, 5
		lines = append(lines, "tls-port SAME", "tls-cert-file "+p.files.Cert, "tls-key-file "+p.files.Key, "tls-ca-cert-file "+p.files.CA)
	}
	p.redis = redistest.Start(t, lines...)
	p.startNATS()
	p.options.Port = p.nats.Addr().(*net.TCPAddr).Port
	t.Cleanup(func() { p.stopNATS() })
	return p
}

func (p *place) startNATS() {
	p.t.Helper()
	o := p.options
	s, err := server.NewServer(&o)
	if err != nil {
		p.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		p.t.Fatal("NATS does not start")
	}
	p.nats = s
}

func (p *place) stopNATS() {
	p.nats.Shutdown()
	p.nats.WaitForShutdown()
}

// deadLetters counts the events that were given up.
func (p *place) deadLetters() uint64 {
	p.t.Helper()
	conn, err := nats.Connect(p.nats.ClientURL(), nats.UserInfo("redrive", password))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := js.Stream(p.t.Context(), bus.DeadLetterStream)
	if err != nil {
		p.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// settings are those of a process that serves some services here.
func (p *place) settings(services ...string) system.Options {
	o := options(p.t.TempDir())
	o.Services, o.Token, o.Peers = services, p.token, map[string][]string{}
	for name, addrs := range p.addrs {
		if name != system.Gateway { // nobody calls it
			o.Peers[name] = addrs
		}
	}
	o.Supervisor = []string{os.Args[0], "supervise"}
	o.Log = slog.New(slog.NewTextHandler(p.log, nil))
	natsAddr := p.nats.Addr().String()
	o.NATS = system.NATS{URL: "nats://" + natsAddr, User: "redrive", Password: password}
	o.Redis = system.Redis{URL: "redis://redrive@" + p.redis.Addr, Password: password}
	if p.ca != nil {
		o.TLS = p.files
		o.NATS.URL, o.NATS.TLS.CA = "tls://"+natsAddr, p.files.CA
		o.Redis.URL, o.Redis.TLS = "rediss://redrive@"+p.redis.Addr, p.files
	}
	return o
}

// start starts a process.
func (p *place) start(o system.Options) *system.System {
	p.t.Helper()
	s, err := system.Start(p.t.Context(), o)
	if err != nil {
		p.t.Fatalf("start %v: %v", o.Services, err)
	}
	p.t.Cleanup(func() { stop(p.t, s) })
	for _, name := range s.Services() {
		p.addrs[name] = []string{s.Endpoint().GRPC}
	}
	return s
}

// dial connects as the command line does.
func (p *place) dial(addr string) *grpc.ClientConn {
	p.t.Helper()
	var secure credentials.TransportCredentials
	if p.ca != nil {
		secure = credentials.NewTLS(p.tls())
	}
	conn, err := serve.Dial(addr, p.token, secure)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (p *place) tls() *tls.Config {
	p.t.Helper()
	c, err := serve.ClientTLS("tls", serve.TLSFiles{CA: p.files.CA}, slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// get asks a process over HTTP.
func (p *place) get(s *system.System, path string) (int, string) {
	p.t.Helper()
	if p.ca == nil {
		return get(p.t, "http://"+s.Endpoint().HTTP+path, p.token)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "https://"+s.Endpoint().HTTP+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	transport := &http.Transport{TLSClientConfig: p.tls()}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// readyz waits until a process answers so.
func (p *place) readyz(s *system.System, code int, text string) {
	p.t.Helper()
	until(p.t, "readyz is "+text, func() bool {
		got, body := p.get(s, "/readyz")
		return got == code && strings.Contains(body, text)
	})
}

// up waits until the metric of a dependency is so.
func (p *place) up(s *system.System, dependency, value string) {
	p.t.Helper()
	until(p.t, dependency+" is "+value+" in the metrics", func() bool {
		_, body := p.get(s, "/metrics")
		return strings.Contains(body, `redrive_dependency_up{dependency="`+dependency+`"} `+value)
	})
}
