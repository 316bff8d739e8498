package redisstore_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// wantRefused checks that Open is refused with all words.
func wantRefused(t *testing.T, what string, o redisstore.Options, kind errs.Kind, words ...string) {
	t.Helper()
	s, err := redisstore.Open(t.Context(), o)
	if err == nil {
		_ = s.Close()
	}
	if !errs.Is(err, kind) {
		t.Errorf("%s: Open = %v, want kind %v", what, err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: Open = %v, want it to say %q", what, err, w)
		}
	}
}

func TestSettingsThatLoseCommitsAreRefused(t *testing.T) {
	server := redistest.Start(t)
	o := redisstore.Options{Addrs: []string{server.Addr}}
	for _, tc := range []struct{ name, bad, good string }{
		{"appendfsync", "everysec", "always"},
		{"appendfsync", "no", "always"},
		{"no-appendfsync-on-rewrite", "yes", "no"},
		{"maxmemory-policy", "allkeys-lru", "noeviction"},
		{"appendonly", "no", "yes"},
	} {
		server.Do("CONFIG", "SET", tc.name, tc.bad)
		wantRefused(t, tc.name, o, errs.FailedPrecondition, tc.name, tc.bad, "CONFIG SET "+tc.name+" "+tc.good, "redis.conf: "+tc.name+" "+tc.good)
		server.Do("CONFIG", "SET", tc.name, tc.good)
	}
	// What the last remedy says to wait for.
	for {
		s, err := redisstore.Open(t.Context(), o)
		if err == nil {
			_ = s.Close()
			return
		}
		if !errs.Is(err, errs.Unavailable) {
			t.Fatalf("Open while the log is switched on = %v, want Unavailable until it is", err)
		}
	}
}

func TestServersOfAnotherKindAreRefused(t *testing.T) {
	server := redistest.Start(t)
	cluster := redistest.Start(t, "cluster-enabled yes")
	wantRefused(t, "cluster", redisstore.Options{Addrs: []string{cluster.Addr}}, errs.FailedPrecondition, "Redis Cluster", "cluster-enabled no")
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := redistest.Start(t, "replicaof "+host+" "+port)
	wantRefused(t, "replica", redisstore.Options{Addrs: []string{replica.Addr}}, errs.FailedPrecondition, "replica", server.Addr)
	sentinel := redistest.StartSentinel(t, "main", server.Addr)
	wantRefused(t, "sentinel", redisstore.Options{Addrs: []string{sentinel.Addr}}, errs.FailedPrecondition, "sentinel", "--redis-sentinel-master")
	server.Do("SET", "other:format", "7")
	wantRefused(t, "another layout", redisstore.Options{Addrs: []string{server.Addr}, Prefix: "other:"}, errs.FailedPrecondition, `"other:"`, `"7"`)
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for _, tc := range []struct {
		field string
		o     redisstore.Options
	}{
		{"addrs", redisstore.Options{}},
		{"addrs", redisstore.Options{Addrs: []string{"localhost"}}},
		{"addrs", redisstore.Options{Addrs: []string{"a:1", "b:2"}}},
		{"db", redisstore.Options{Addrs: []string{"a:1"}, DB: -1}},
		{"prefix", redisstore.Options{Addrs: []string{"a:1"}, Prefix: "redrive"}},
		{"prefix", redisstore.Options{Addrs: []string{"a:1"}, Prefix: strings.Repeat("x", 200) + ":"}},
		{"name", redisstore.Options{Addrs: []string{"a:1"}, Name: "a b"}},
	} {
		wantRefused(t, tc.field, tc.o, errs.Invalid, tc.field)
	}
}

// Connections that are there go on; new ones find out. While the store is in
// use that is Unavailable, whatever the reason: callers can only wait.
func TestASettingThatChangesLaterIsFoundByNewConnections(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, server)
	write := docstore.Write{Kind: "job", ID: "a", Revision: docstore.AnyRevision, Value: []byte("v")}
	commit := func() error { return s.Commit(t.Context(), write) }
	if err := commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v", err)
	}
	server.Do("CONFIG", "SET", "appendfsync", "everysec")
	if err := s.Ready(t.Context()); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), "appendfsync") {
		t.Errorf("Ready = %v, want FailedPrecondition that names the setting", err)
	}
	server.Do("CLIENT", "KILL", "TYPE", "normal")
	err := commit()
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "appendfsync") {
		t.Errorf("Commit = %v, want Unavailable that names the setting", err)
	}
	if _, err := s.Get(t.Context(), "job", "a"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Get = %v, want Unavailable", err)
	}
	server.Do("CONFIG", "SET", "appendfsync", "always")
	if err := commit(); err != nil {
		t.Errorf("Commit when it is mended = %v", err)
	}
}

func TestWhereConfigIsForbiddenTheErrorSaysWhatToAllow(t *testing.T) {
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-config")
	o := redisstore.Options{Addrs: []string{server.Addr}, Username: "limited", Password: "secret"}
	wantRefused(t, "no CONFIG", o, errs.FailedPrecondition, "CONFIG GET is refused", "+config|get")
	server.Do("ACL", "SETUSER", "limited", "+config|get", "-info")
	wantRefused(t, "no INFO", o, errs.FailedPrecondition, "INFO is refused", "+info")
	renamed := redistest.Start(t, `rename-command CONFIG ""`)
	wantRefused(t, "CONFIG renamed", redisstore.Options{Addrs: []string{renamed.Addr}}, errs.FailedPrecondition, "CONFIG GET is refused")
}

func TestAServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	wantRefused(t, "nobody there", redisstore.Options{Addrs: []string{addr}}, errs.Unavailable, addr)
	wantRefused(t, "no sentinel there", redisstore.Options{Addrs: []string{addr}, SentinelMaster: "main"}, errs.Unavailable, addr)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := redisstore.Open(ctx, redisstore.Options{Addrs: []string{addr}}); err == nil {
		t.Error("Open with an ended context is nil")
	}
}
