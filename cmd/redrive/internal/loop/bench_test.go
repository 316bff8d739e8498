package loop

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// BenchmarkLoop measures whole cycles of jobs of another scheduler, 64 at a
// time: an attempt fails, is classified and decided on, a second one fails and
// is decided on, and the third succeeds. Every step is on disk before it is
// answered. The physical limit beside it is what the disk syncs one after
// another: cycles/fsync is the ratio of the two rates.
func BenchmarkLoop(b *testing.B) {
	r := launch(b, b.TempDir())
	kind := &redrivev1.JobType{Workflow: "bench", Step: "cycle", Engine: "process"}
	var jobs atomic.Int64
	syncs := fsyncRate(b)
	b.SetParallelism(32) // times GOMAXPROCS
	b.ResetTimer()
	begin := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			job := fmt.Sprintf("job-%d", jobs.Add(1))
			for n := 1; n <= 2; n++ {
				res, err := r.scheduler.ReportFailure(b.Context(), &redrivev1.ReportFailureRequest{
					Attempt: failure.Attempt{Source: "bench", Job: job, Number: n}.Proto(), Type: kind,
					Evidence: &redrivev1.Evidence{Logs: []*redrivev1.Log{{Source: "stderr", Head: "java.net.SocketException: Connection reset by peer"}}},
				})
				if err != nil || res.GetDecision().GetAction() != redrivev1.Decision_ACTION_RETRY {
					b.Errorf("attempt %d: %v, %v", n, res.GetDecision(), err)
					return
				}
			}
			if _, err := r.scheduler.ReportSuccess(b.Context(), &redrivev1.ReportSuccessRequest{
				Attempt: failure.Attempt{Source: "bench", Job: job, Number: 3}.Proto(), Type: kind,
			}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	rate := float64(b.N) / time.Since(begin).Seconds()
	b.ReportMetric(rate, "cycles/s")
	b.ReportMetric(rate/syncs, "cycles/fsync")
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
