package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

const gib = 1 << 30

// largest is above all amounts that bounded draws.
const largest = 4 * gib

// tight are parts whose total grows by more than the part, by as much, or not at
// all, alone or shared by tasks.
func tight(tb testing.TB) (all []engine.Setting) {
	tb.Helper()
	for _, of := range []struct {
		engine string
		class  failure.Class
		config map[string]any
	}{
		{engine.Process, failure.MemoryContainer, map[string]any{"memory_mb": 300.0}},
		{engine.Process, failure.MemoryContainer, map[string]any{"memory_mb": 300.0, "cores": 2.0}},
		{engine.JVM, failure.MemoryExecutor, map[string]any{"heap_mb": 300.0, "memory_mb": 400.0, "cores": 0.5}},
		{engine.Spark, failure.MemoryDriver, map[string]any{"spark.driver.memory": "200m", "spark.driver.cores": 4.0}},
		{engine.Spark, failure.MemoryExecutor, map[string]any{"spark.executor.memory": "300m", "spark.executor.memoryOverheadFactor": "0.7"}},
		{engine.Spark, failure.MemoryExecutor, map[string]any{"spark.executor.memory": "300m", "spark.executor.cores": 8.0, "spark.executor.instances": 3.0}},
		{engine.Spark, failure.MemoryContainer, map[string]any{"spark.executor.memory": "200m", "spark.executor.cores": 4.0, "spark.sql.shuffle.partitions": 100.0}},
		{engine.Spark, failure.MemoryPython, map[string]any{
			"spark.executor.memory": "64m", "spark.executor.pyspark.memory": "100m", "spark.executor.memoryOverhead": "10m",
			"spark.executor.cores": "4", "spark.task.cpus": "2",
		}},
	} {
		p, err := engine.Lookup(of.engine)
		if err != nil {
			tb.Fatal(err)
		}
		s, err := p.Setting(of.config, engine.Cause{Class: of.class}, 0)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// anyBytes is some bytes, mostly of no whole number of MiB.
func anyBytes(r *rand.Rand) int64 {
	bytes := int64(64*mib) + r.Int64N(3*gib)
	if r.IntN(2) == 0 {
		bytes = bytes / mib * mib
	}
	return bytes
}

// bounded are inputs whose settings bound the memory in some of the ways there
// are; a step may go everywhere, and nothing is known not to suffice.
func bounded(r *rand.Rand, settings []engine.Setting) Inputs {
	in := Inputs{
		Question: MoreMemory, Setting: settings[r.IntN(len(settings))], Permanent: 0.05, Seconds: 600, FailedShare: 1, Reach: 1 << 44,
		Settings: Settings{Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MaxMemory: anyBytes(r)},
	}
	for i := range 20 {
		in.Need = append(in.Need, need.Quantile{Probability: float64(i) / 20, Bytes: int64(i+1)*200*mib + r.Int64N(100*mib)})
	}
	s := &in.Settings
	if r.IntN(2) == 0 {
		s.Step = (1 + r.Int64N(300)) * mib
	}
	if r.IntN(3) == 0 {
		s.MaxCores = 2
	}
	if r.IntN(2) == 0 {
		for range 1 + r.IntN(8) {
			s.Allowed = append(s.Allowed, anyBytes(r))
		}
		slices.Sort(s.Allowed)
	}
	if r.IntN(2) == 0 {
		for range 1 + r.IntN(4) {
			s.Nodes = append(s.Nodes, Node{Memory: anyBytes(r), Cores: []float64{0.5, 1, 2, 4, 8}[r.IntN(5)]})
		}
	}
	if len(s.Allowed)+len(s.Nodes) > 0 && r.IntN(2) == 0 {
		s.MaxMemory = 0
	}
	return in
}

// byHand returns the most that may be given with some cores, found by looking at
// every amount.
func byHand(in Inputs, cores float64) (most int64) {
	s, at := in.Settings, in.Setting.Size
	machines := []int64{math.MaxInt64}
	if len(s.Nodes) > 0 {
		machines = nil
	}
	for _, n := range s.Nodes {
		if max(cores, 0.01) <= n.Cores && (cores > 0 || n.Cores >= 1) {
			machines = append(machines, n.Memory)
		}
	}
	onMachine := func(total int64) bool {
		return slices.ContainsFunc(machines, func(m int64) bool { return total <= m })
	}
	inBounds := func(total int64) bool { return (s.MaxMemory == 0 || total <= s.MaxMemory) && onMachine(total) }
	within := func(total int64) bool {
		sold := func(a int64) bool { return total <= a && inBounds(a) }
		return inBounds(total) && (len(s.Allowed) == 0 || slices.ContainsFunc(s.Allowed, sold))
	}
	had := in.Setting.Memory
	for bytes := int64(mib); bytes <= largest; bytes += mib {
		at.Memory = bytes
		total := in.Setting.Total(at)
		switch {
		case bytes == had && !in.First && onMachine(total), bytes == had && in.First && within(total),
			bytes == in.Most && within(total), bytes%max(s.Step, mib) == 0 && within(total):
			most = bytes
		}
	}
	return most
}

// given returns the amounts of the candidates in each way, by its cores, and the
// largest need that one covers.
func given(in Inputs) (amounts map[engine.Size][]int64, covered float64) {
	b := in.over(in.grid())
	amounts = map[engine.Size][]int64{}
	for w, way := range b.grid.Ways {
		l := b.lane(w)
		for m, memory := range b.grid.Memory {
			if _, ok := l.score(m); ok {
				amounts[way.Size] = append(amounts[way.Size], memory)
				covered = max(covered, float64(memory)/way.Need)
			}
		}
	}
	return amounts, covered
}

func TestNoCandidateIsAboveTheCeilingAndOneReachesIt(t *testing.T) {
	r, settings := rand.New(rand.NewPCG(7, 9)), tight(t)
	reached, differ, none := 0, 0, 0
	for range 300 {
		in := bounded(r, settings)
		amounts, covered := given(in)
		byCores, ceilings := map[float64]int64{}, map[int64]bool{}
		for _, way := range in.Setting.Ways(in.Settings.MaxCores) {
			got := in.Ceiling(way.Size)
			if _, seen := byCores[way.Cores]; !seen {
				byCores[way.Cores] = byHand(in, way.Cores)
			}
			if want := byCores[way.Cores]; got != want {
				t.Fatalf("the ceiling with %g cores is %d, want %d: %+v of %+v", way.Cores, got, want, in.Settings, in.Setting.Size)
			}
			ceilings[got] = true
			switch all := amounts[way.Size]; {
			case len(all) > 0 && slices.Max(all) > got:
				t.Fatalf("%d bytes are a candidate, %d is the ceiling: %+v of %+v", slices.Max(all), got, in.Settings, in.Setting.Size)
			case got < in.Setting.Memory: // less than before is no candidate
				none++
			case len(all) == 0 || slices.Max(all) < got:
				t.Fatalf("no candidate with %g cores has %d bytes, the ceiling: %+v of %+v", way.Cores, got, in.Settings, in.Setting.Size)
			default:
				reached++
			}
		}
		differ += min(len(ceilings)-1, 1)
		if got := in.Covered(); got != int64(covered) {
			t.Fatalf("a need of %d bytes is covered, want %.0f: %+v of %+v", got, covered, in.Settings, in.Setting.Size)
		}
	}
	if reached < 300 || differ < 10 || none < 10 {
		t.Errorf("%d ceilings reached, %d searches with several, %d with less than before: too few to tell", reached, differ, none)
	}
}

// A need is hopeless exactly from where no candidate is left.
func TestWhatIsCoveredHasACandidate(t *testing.T) {
	r, settings := rand.New(rand.NewPCG(17, 4)), tight(t)
	for range 300 {
		in := bounded(r, settings)
		covered := in.Covered()
		if in.Proven = covered - 1; in.Proven > in.Setting.Memory {
			if a := Find(t.Context(), in); a.Outcome != Change {
				t.Fatalf("more than %d bytes of %d are needed: %v, %s", in.Proven, covered, a.Outcome, a.Reason)
			}
		}
		in.Proven = max(covered, in.Setting.Memory) + 1
		if a := Find(t.Context(), in); a.Outcome != NotFeasible {
			t.Fatalf("more than %d bytes are needed, %d may be given: %v %+v", in.Proven, covered, a.Outcome, a.Chosen)
		}
	}
}

// The same for a first attempt, and for one that may have its job's own.
func TestNoBoundedCandidateIsAboveTheCeiling(t *testing.T) {
	r, settings := rand.New(rand.NewPCG(1, 5)), tight(t)
	candidates := 0
	for range 300 {
		in := bounded(r, settings)
		if in.First = r.IntN(2) == 0; !in.First || r.IntN(2) == 0 {
			in.Most = in.Setting.Memory + r.Int64N(2*gib)/mib*mib
		}
		if in.Most > 0 && r.IntN(2) == 0 {
			in.Least = in.Most
		}
		amounts, _ := given(in)
		byCores := map[float64]int64{}
		for _, way := range in.Setting.Ways(in.Settings.MaxCores) {
			got := in.Ceiling(way.Size)
			if _, seen := byCores[way.Cores]; !seen {
				byCores[way.Cores] = byHand(in, way.Cores)
			}
			if want := byCores[way.Cores]; got != want {
				t.Fatalf("the ceiling with %g cores is %d, want %d: %+v", way.Cores, got, want, in)
			}
			all := amounts[way.Size]
			candidates += len(all)
			if len(all) > 0 && slices.Max(all) > got {
				t.Fatalf("%d bytes are a candidate, %d is the ceiling: %+v", slices.Max(all), got, in)
			}
			if !in.First && in.Most <= got && !slices.Contains(all, in.Most) {
				t.Fatalf("the job's own %d bytes are no candidate, %d is the ceiling: %+v", in.Most, got, in)
			}
		}
	}
	if candidates < 1000 {
		t.Errorf("%d candidates are too few to tell", candidates)
	}
}
