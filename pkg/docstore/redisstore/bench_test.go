package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
)

const (
	benchWriters = 64
	benchFor     = 1 * time.Second
	benchRounds  = 5
)

// bareCAS is the least that a compare-and-swap of one document can be.
var bareCAS = redis.NewScript(`
if (redis.call('HGET', KEYS[1], 'r') or '0') ~= ARGV[1] then return 1 end
redis.call('HSET', KEYS[1], 'r', ARGV[1] + 1, 'v', ARGV[2])
return 0`)

// BenchmarkCommits compares, in one run, 64 writers that each write their
// documents of 1 KB again and again: this driver against a bare script on the
// same server, the embedded driver against the syncs of the disk, which one
// after the other are what a store without group commit can do. It ends with
// lines "ratio NAME VALUE". Rounds take turns, so that a busy machine disturbs
// all alike; the best of each counts.
func BenchmarkCommits(b *testing.B) {
	server := redistest.Start(b)
	rs := open(b, server)
	bare := server.Client(func(o *redis.Options) { o.PoolSize = benchWriters })
	bs, err := pebblestore.Open(filepath.Join(b.TempDir(), "bench.db"), pebblestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = bs.Close() }()
	file, err := os.Create(filepath.Join(b.TempDir(), "bench.sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	value := make([]byte, 1024)
	over := func(s docstore.Store, index ...docstore.Entry) func(worker, n int) error {
		return func(worker, n int) error {
			w := docstore.Write{Kind: "job", ID: strconv.Itoa(worker), Revision: int64(n), Value: value, Index: index}
			return s.Commit(b.Context(), w)
		}
	}
	fresh := 0 // each round has its own documents, so that revisions are known
	best := map[string]float64{}
	measure := func(name string, writers int, do func(worker, n int) error) {
		var done atomic.Int64
		ctx, cancel := context.WithTimeout(b.Context(), benchFor)
		defer cancel()
		var wait sync.WaitGroup
		start := time.Now()
		for w := range writers {
			wait.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					if err := do(fresh+w, n); err != nil {
						b.Errorf("%s: %v", name, err)
						return
					}
					done.Add(1)
				}
			})
		}
		wait.Wait()
		fresh += writers
		best[name] = max(best[name], float64(done.Load())/time.Since(start).Seconds())
	}
	for range benchRounds {
		measure("bare", benchWriters, func(worker, n int) error {
			return bareCAS.Run(b.Context(), bare, []string{"bare:" + strconv.Itoa(worker)}, n, value).Err()
		})
		measure("redis", benchWriters, over(rs))
		measure("redis indexed", benchWriters, over(rs, docstore.Entry{Name: "due", Value: "2026"}, docstore.Entry{Name: "state", Value: "open"}))
		measure("pebble", benchWriters, over(bs))
		measure("sync", 1, func(_, _ int) error {
			if _, err := file.WriteAt(value, 0); err != nil {
				return err
			}
			return file.Sync()
		})
		measure("redis get", benchWriters, func(worker, _ int) error {
			_, err := rs.Get(b.Context(), "job", strconv.Itoa(benchWriters+worker%benchWriters))
			return err
		})
		measure("bare get", benchWriters, func(worker, _ int) error {
			return bare.HGet(b.Context(), "bare:"+strconv.Itoa(worker%benchWriters), "v").Err()
		})
	}
	for _, name := range []string{"bare", "redis", "redis indexed", "pebble", "sync", "redis get", "bare get"} {
		fmt.Printf("%-14s %9.0f a second\n", name, best[name])
	}
	for _, r := range []struct{ name, a, b string }{
		{"redisstore-commit-to-bare-cas", "redis", "bare"},
		{"redisstore-indexed-commit-to-bare-cas", "redis indexed", "bare"},
		{"redisstore-get-to-bare-get", "redis get", "bare get"},
		{"pebblestore-commit-to-fsync", "pebble", "sync"},
	} {
		fmt.Printf("ratio %s %.2f\n", r.name, best[r.a]/best[r.b])
	}
	b.ReportMetric(0, "ns/op")
}
