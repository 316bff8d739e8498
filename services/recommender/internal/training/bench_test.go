package training_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
	"github.com/redrive-io/redrive/services/recommender/internal/training"
)

// BenchmarkTraining stores REDRIVE_BENCH_RECORDS records (10,000 when it is not
// set) in an embedded store, trains on all of them and then on one hundredth
// more, counts them as each training does, and audits what it learnt. It reports
// how long each took, the size of the store, and the largest heap meanwhile,
// beyond that of the store before.
func BenchmarkTraining(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("REDRIVE_BENCH_RECORDS"))
	if err != nil {
		n = 10_000
	}
	for b.Loop() {
		benchmark(b, n)
	}
}

func benchmark(b *testing.B, n int) {
	folder := b.TempDir()
	documents, err := pebblestore.Open(folder, pebblestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := documents.Close(); err != nil {
			b.Error(err)
		}
	}()
	s := store.NewRecords(documents)
	random := rand.New(rand.NewPCG(1, 2))
	write := func(from, until int) time.Duration {
		began := time.Now()
		for batch := make([]record.Record, 0, docstore.MaxWrites/2); from < until; batch = batch[:0] {
			for ; from < until && len(batch) < cap(batch); from++ {
				batch = append(batch, usual(random, from))
			}
			if _, err := s.Add(b.Context(), batch...); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(began)
	}
	measure := func(base model.Content) (model.Content, time.Duration) {
		began := time.Now()
		c, err := training.Run(b.Context(), s, base, time.Time{}, amdahl, silent)
		if err != nil {
			b.Fatal(err)
		}
		return c, time.Since(began)
	}
	b.ReportMetric(write(0, n).Seconds(), "write-s")
	peak := watchHeap()
	full, took := measure(model.Content{})
	b.ReportMetric(took.Seconds(), "train-s")
	write(n, n+n/100)
	more, took := measure(full)
	b.ReportMetric(took.Seconds(), "increment-s")
	began := time.Now()
	last := start.Add(time.Duration(n+n/100) * interval)
	calendar, err := audit.Count(b.Context(), s.ByType(b.Context()), last)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(began).Seconds(), "count-s")
	began = time.Now()
	report, err := audit.Run(b.Context(), s.ByType(b.Context()), calendar, model.New("m", more), model.Builtin(), prices)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(began).Seconds(), "audit-s")
	b.ReportMetric(float64(report.Replay[0].Failures), "audited")
	b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
	b.ReportMetric(float64(size(b, folder))/(1<<20), "disk-MiB")
	b.ReportMetric(0, "ns/op")
	if full.Records != int64(n) || more.Records != int64(n+n/100) {
		b.Fatalf("%d and %d records were learnt, of %d", full.Records, more.Records, n)
	}
}

// interval is how far apart records are told.
const interval = 30 * time.Second

func prices(failure.Type, string, failure.Class) search.Settings {
	return search.Settings{
		Weight: 0.05, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 64 << 30, MinSeconds: 60,
	}
}

// usual is attempt i of a made-up installation: a failure, its retry, and eight
// successes, of a thousand job types.
func usual(random *rand.Rand, i int) record.Record {
	step := (i / 10) % 1000
	r := record.Record{
		Type: failure.Type{Workflow: fmt.Sprintf("workflow-%02d", step%50), Step: fmt.Sprintf("step-%04d", step), Engine: engine.Process},
		Told: start.Add(time.Duration(i) * interval), Number: 1, Cores: 2,
	}
	r.ID, r.Outcome, r.Seconds, r.Input = id(i), history.Succeeded, 100+random.Float64()*1000, random.Int64N(1<<34)
	r.End, r.Limit, r.Peak = r.Told.Add(-time.Second), 4<<30, 1<<30+random.Int64N(2<<30)
	r.Sizes = map[engine.Part]int64{engine.Tree: r.Limit}
	switch i % 10 {
	case 0:
		code := int32(137)
		r.Outcome, r.Class, r.Fingerprint, r.Owner, r.Exit, r.Killed = history.Failed, failure.MemoryContainer, "5a0e4d2c", "etl", &code, i%20 == 0
		r.Recommended, r.Model = record.Change, "need-3+0123abcd"
		r.Features = &features.Features{
			Version: features.Version, Time: r.Told, Observations: i / 1000, Successes: i / 1200, Attempt: 1, InputBytes: r.Input, Proven: r.Limit,
			Seen: r.Limit, Median: 2 * r.Limit, Seconds: 300, Permanent: 0.05, Predictor: "line", Part: engine.Tree, Chosen: 2 * r.Limit, Cores: 2,
			FailProbability: 0.2, Raw: random.Float64() / 2, ExpectedCost: 0.01, Propensity: 1,
		}
	case 1:
		r.Number, r.Previous = 2, id(i-1)
		r.Limit = 2 * r.Limit
		r.Sizes, r.Peak = map[engine.Part]int64{engine.Tree: r.Limit}, 4<<30+random.Int64N(4<<30)
	}
	return r
}

// id returns the id of attempt i: like those of real attempts, whose digits are a
// digest, it does not ascend with i.
func id(i int) string { return fmt.Sprintf("%08x%016x", uint32(i)*2654435769, i) }

// watchHeap looks at the heap in use every few milliseconds, and returns what
// ends that and returns by how much it grew at most.
func watchHeap() (grew func() uint64) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, heap())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-stopped
		return most - min(most, before)
	}
}

func size(b *testing.B, folder string) (bytes int64) {
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
