package loop

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkLoop measures whole cycles of jobs of another scheduler, 64 at a
// time: an attempt fails, is classified and decided on, a second one fails and
// is decided on, and the third succeeds. Every step is on disk before it is
// answered. The physical limit beside it is what the disk syncs one after
// another: cycles/fsync is the ratio of the two rates. bench/ compares the same
// cycles with those of other systems.
func BenchmarkLoop(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(ailments)) {
		b.Run(name, func(b *testing.B) {
			r := launch(b, b.TempDir())
			c := newCycler(r.sys.Conn(), ailments[name])
			var mu sync.Mutex
			var waits []time.Duration
			c.waited = func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				waits = append(waits, d)
			}
			syncs := fsyncRate(b)
			left := atomic.Int64{}
			left.Store(int64(b.N))
			cpu := cpuOf(os.Getpid())
			b.ResetTimer()
			begin := time.Now()
			if err := c.keepOpen(b.Context(), 64, func() bool { return left.Add(-1) >= 0 }, func() {}); err != nil {
				b.Fatal(err)
			}
			rate := float64(b.N) / time.Since(begin).Seconds()
			b.StopTimer()
			slices.Sort(waits)
			b.ReportMetric(rate, "cycles/s")
			b.ReportMetric(rate/syncs, "cycles/fsync")
			b.ReportMetric((cpuOf(os.Getpid())-cpu).Seconds()*1e3/float64(b.N), "cpu-ms/cycle")
			b.ReportMetric(waits[len(waits)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(waits[len(waits)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
}

// fsyncRate returns how many appends of 1 KiB the disk syncs in a second, one
// after another.
func fsyncRate(b *testing.B) float64 {
	f, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }() // nothing is read from it
	block := make([]byte, 1024)
	const rounds = 500
	begin := time.Now()
	for range rounds {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return rounds / time.Since(begin).Seconds()
}
