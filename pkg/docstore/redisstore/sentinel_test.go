package redisstore_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/errs"
)

func withPassword(p string) func(*redis.Options) {
	return func(o *redis.Options) { o.Password = p }
}

// A real sentinel makes the replica the primary when the primary dies; the
// store follows, and nothing that the replica had received is lost.
func TestAFailoverIsFollowed(t *testing.T) {
	secret := []string{"requirepass secret", "masterauth secret"}
	first := redistest.Start(t, secret...)
	host, port, err := net.SplitHostPort(first.Addr)
	if err != nil {
		t.Fatal(err)
	}
	second := redistest.Start(t, append(secret, "replicaof "+host+" "+port)...)
	sentinel := redistest.StartSentinel(t, "main", first.Addr, "requirepass sesame", "sentinel auth-pass main secret")
	o := redisstore.Options{
		Addrs: []string{sentinel.Addr}, SentinelMaster: "main", SentinelPassword: "sesame", Password: "secret",
	}
	bad := o
	bad.SentinelPassword = ""
	wantRefused(t, "no password of the sentinel", bad, errs.Unauthenticated, "password")
	bad = o
	bad.SentinelMaster = "other"
	wantRefused(t, "another name of the master", bad, errs.FailedPrecondition, `"other"`, "know no such master")
	s, err := redisstore.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open by the sentinel: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	commit := func(id string) error {
		return s.Commit(ctx, docstore.Write{Kind: "job", ID: id, Revision: docstore.AnyRevision, Value: []byte("v")})
	}
	if err := commit("before"); err != nil {
		t.Fatal(err)
	}
	// The replica has it, and the sentinel knows the replica.
	until(ctx, t, "the replica has the commit", func() bool {
		n, err := second.Client(withPassword("secret")).Exists(ctx, "redrive:d:3:job:before").Result()
		return err == nil && n == 1
	})
	until(ctx, t, "the sentinel knows the replica", func() bool {
		text, err := sentinel.Client(withPassword("sesame")).Info(ctx, "sentinel").Result()
		return err == nil && strings.Contains(text, "slaves=1")
	})
	first.Kill()
	start := time.Now()
	until(ctx, t, "the store writes to the new primary", func() bool {
		err := commit("after")
		if err != nil && !errs.Is(err, errs.Unavailable) {
			t.Fatalf("Commit during the failover = %v, want Unavailable", err)
		}
		return err == nil
	})
	t.Logf("commits were unavailable for %v", time.Since(start).Round(time.Millisecond))
	for _, id := range []string{"before", "after"} {
		if _, err := s.Get(ctx, "job", id); err != nil {
			t.Errorf("Get of %q = %v", id, err)
		}
	}
	if n, err := second.Client(withPassword("secret")).Exists(ctx, "redrive:d:3:job:after").Result(); err != nil || n != 1 {
		t.Errorf("the new primary has %d of the commit, %v", n, err)
	}
}
