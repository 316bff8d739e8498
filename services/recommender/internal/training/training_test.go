package training_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
	"github.com/redrive-io/redrive/services/recommender/internal/training"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// amdahl says that half of a run does not share, whatever the runs are.
func amdahl(runs []record.Record) ([4]float64, bool) {
	return [4]float64{0.5, 0.5}, len(runs) > 1
}

func silent(int64) {}

func put(t *testing.T, all ...record.Record) *store.Records {
	t.Helper()
	s := store.NewRecords(storetest.Open(t))
	if _, err := s.Add(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	return s
}

func train(t *testing.T, s training.Records, base model.Content, until time.Time) model.Content {
	t.Helper()
	c, err := training.Run(t.Context(), s, base, until, amdahl, silent)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// attempt is attempt n of a job, told n hours after the job began.
func attempt(job, n int, class failure.Class) record.Record {
	r := record.Record{Type: failure.Type{Workflow: "w", Step: fmt.Sprint("s", job%7), Engine: engine.Process}, Number: n}
	r.ID, r.Seconds, r.Class = fmt.Sprintf("job-%d-%d", job, n), 60, class
	if n > 1 {
		r.Previous = fmt.Sprintf("job-%d-%d", job, n-1)
	}
	r.Outcome = history.Failed
	if class == "" {
		r.Outcome = history.Succeeded
	} else {
		r.Fingerprint = string(class)
	}
	r.Told = start.Add(time.Duration(7*job)*time.Minute + time.Duration(n)*time.Hour)
	r.End = r.Told
	return r
}

func TestFirstRetriesAreCountedByWhatTheyFollowed(t *testing.T) {
	code := int32(137)
	proven := attempt(1, 1, failure.MemoryContainer)
	proven.Killed, proven.Exit, proven.Owner = true, &code, "etl"
	s := put(t,
		proven, attempt(1, 2, failure.MemoryContainer), attempt(1, 3, ""), // memory: again, then mended
		attempt(2, 1, failure.Unknown), attempt(2, 2, failure.Unknown), attempt(2, 3, failure.Unknown), // the second retry says nothing new
		attempt(3, 1, failure.Unknown), attempt(3, 2, ""),
		attempt(4, 1, failure.Unknown), attempt(4, 2, failure.DiskFull), attempt(4, 3, ""), // failed of something else
	)
	c := train(t, s, model.Content{}, time.Time{})
	want := []model.Retries{
		{Class: "disk.full", Succeeded: 1},
		{Class: "memory.container", Key: "exit=137", Failed: 0.5},
		{Class: "memory.container", Key: "owner=etl", Failed: 0.5},
		{Class: "memory.container", Key: "proof", Failed: 0.5},
		{Class: "unknown", Failed: 1, Succeeded: 1},
	}
	if !slices.Equal(c.Retries, want) || c.Records != 11 {
		t.Errorf("%d records, retries\n%+v, want\n%+v", c.Records, c.Retries, want)
	}
	if c.Failing != (model.Sum{Sum: 1, Count: 1}) {
		t.Errorf("failing attempts %+v, want one that took as long as its success", c.Failing)
	}
}

func TestPredictionsCountWhereTheyWereFollowed(t *testing.T) {
	predict := func(job int, recommended string, given int64, class failure.Class) []record.Record {
		first, second := attempt(job, 1, failure.MemoryContainer), attempt(job, 2, class)
		first.Recommended = recommended
		first.Features = &features.Features{Raw: 0.25, FailProbability: 0.9, Part: engine.Tree, Chosen: 1000}
		second.Sizes = map[engine.Part]int64{engine.Tree: given}
		return []record.Record{first, second}
	}
	s := put(t, slices.Concat(
		predict(1, record.Change, 1000, ""), predict(2, record.Change, 1010, failure.MemoryContainer),
		predict(3, record.Change, 2000, ""),                 // somebody gave it more
		predict(4, record.NotFeasible, 1000, ""),            // nothing was predicted of a retry
		predict(5, record.Change, 1000, failure.Preemption), // failed of something else
	)...)
	c := train(t, s, model.Content{}, time.Time{})
	if want := []model.Bin{{Index: model.BinOf(0.25), Predicted: 0.5, Count: 2, Observed: 1}}; !slices.Equal(c.Bins, want) {
		t.Errorf("bins %+v, want %+v", c.Bins, want)
	}
	var counted int64
	for _, b := range model.New("", c).Histogram("chosen_bytes").Buckets {
		counted += b.Count
	}
	if counted != 5 {
		t.Errorf("%d decisions counted, want 5", counted)
	}
}

func TestSpotMachinesAndClusters(t *testing.T) {
	on := func(r record.Record, spot bool) record.Record {
		r.Shape, r.Seconds = failure.Shape{Nodes: 4, CoresPerNode: 8, MemoryPerNode: 1 << 30, Spot: spot}, 1800
		return r
	}
	s := put(t, on(attempt(1, 1, failure.Preemption), true), on(attempt(8, 1, ""), true), on(attempt(15, 1, ""), false), on(attempt(2, 1, ""), false))
	c := train(t, s, model.Content{}, time.Time{})
	if c.Spot != (model.Interruptions{Count: 1, Hours: 4}) {
		t.Errorf("spot machines %+v, want one interruption in 4 hours", c.Spot)
	}
	if want := []model.Curve{{Engine: engine.Process, Terms: [4]float64{0.5, 0.5}, Types: 1}}; !slices.Equal(c.Curves, want) {
		t.Errorf("curves %+v, want %+v: the other type ran once", c.Curves, want)
	}
	if c := train(t, s, model.Content{}, start.Add(75*time.Minute)); c.Curves != nil {
		t.Errorf("curves %+v of runs that are told of later", c.Curves)
	}
}

// life is what many jobs told, at random.
func life(random *rand.Rand, jobs int) []record.Record {
	classes := []failure.Class{failure.Unknown, failure.MemoryContainer, failure.Preemption, failure.DiskFull}
	var all []record.Record
	for job := range jobs {
		for n := 1; n < 6; n++ {
			class := classes[random.IntN(len(classes))]
			if random.IntN(2) == 0 {
				class = ""
			}
			r := attempt(job, n, class)
			r.Seconds, r.Killed = random.Float64()*1000, class == failure.MemoryContainer && random.IntN(2) == 0
			if class != "" {
				code := int32(random.IntN(3))
				r.Exit, r.Owner = &code, fmt.Sprint("owner", random.IntN(4))
				if random.IntN(2) == 0 {
					r.Recommended = record.Change
					r.Features = &features.Features{Raw: random.Float64(), Seconds: random.Float64() * 100, InputBytes: random.Int64N(1 << 40)}
				}
			}
			if random.IntN(3) == 0 {
				r.Shape = failure.Shape{Nodes: 1 + random.IntN(8), CoresPerNode: 4, Spot: random.IntN(2) == 0}
			}
			if all = append(all, r); class == "" {
				break
			}
		}
	}
	return all
}

func TestGoingOnGivesWhatAFullTrainingGives(t *testing.T) {
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 2))
		all := life(random, 60)
		s := put(t, all...)
		full := train(t, s, model.Content{}, start.Add(100*time.Hour))
		var grown model.Content
		for until := start; until.Before(start.Add(100 * time.Hour)); until = until.Add(time.Duration(random.IntN(1000)) * time.Minute) {
			grown = train(t, s, grown, until)
		}
		grown = train(t, s, grown, start.Add(100*time.Hour))
		if !reflect.DeepEqual(grown, full) || full.Records != int64(len(all)) || len(full.Retries) < 10 || len(full.Bins) < 5 || len(full.Curves) != 1 {
			t.Fatalf("in steps\n%+v\nat once\n%+v", grown, full)
		}
		if again := train(t, s, full, start.Add(100*time.Hour)); !reflect.DeepEqual(again, full) {
			t.Fatalf("nothing new gave\n%+v, want\n%+v", again, full)
		}
		name, err := wire.ModelName(full)
		back := wire.ModelContentFromProto(wire.ModelContent(full))
		if again, _ := wire.ModelName(back); err != nil || !reflect.DeepEqual(back, full) || again != name || len(name) != 16 {
			t.Fatalf("the content of %q, %v, came back as %q\n%+v, want\n%+v", name, err, again, back, full)
		}
	}
}

// forgetful counts what is read again.
type forgetful struct {
	*store.Records
	read int
}

func (f *forgetful) Get(ctx context.Context, id string) (record.Record, error) {
	f.read++
	return f.Records.Get(ctx, id)
}

func TestWhatIsNotRememberedIsReadAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := put(t, life(random, 40)...)
	want := train(t, s, model.Content{}, time.Time{})
	f := &forgetful{Records: s}
	got, err := training.RunRemembering(t.Context(), f, model.Content{}, time.Time{}, amdahl, silent, 1)
	if err != nil || !reflect.DeepEqual(got, want) || f.read == 0 {
		t.Errorf("with one failure remembered, and %d read again, %v:\n%+v, want\n%+v", f.read, err, got, want)
	}
}

func TestTheRarestKeysOfAClassAreForgotten(t *testing.T) {
	var all []record.Record
	for job := range model.MaxKeys + 40 {
		for twice := range 2 {
			first := attempt(2*job+twice, 1, failure.Unknown)
			if first.Owner = fmt.Sprintf("owner-%04d", job); twice == 1 && job < 40 {
				first.Owner = "owner-0040"
			}
			all = append(all, first, attempt(2*job+twice, 2, ""))
		}
	}
	c := train(t, put(t, all...), model.Content{}, time.Time{})
	if len(c.Retries) > model.MaxKeys+2 || c.Retries[0] != (model.Retries{Class: "unknown", Succeeded: 2 * (model.MaxKeys + 40)}) {
		t.Fatalf("%d keys, the first %+v", len(c.Retries), c.Retries[0])
	}
	if slices.ContainsFunc(c.Retries, func(r model.Retries) bool { return r.Key == "owner=owner-0001" }) {
		t.Error("the one with the least was kept")
	}
	if m := model.New("m", c).Permanent(failure.Unknown, nil, "owner-0040", false).Mean(); !(m > 0 && m < 0.1) || math.IsNaN(m) {
		t.Errorf("permanent %v where every retry succeeded", m)
	}
}
