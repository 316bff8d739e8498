package search_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/curve"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// shape is a cluster at list prices.
func shape(nodes int, cores float64, memory int64) failure.Shape {
	s := failure.Shape{Name: fmt.Sprintf("%d x %g/%d", nodes, cores, memory/gib), Nodes: nodes, CoresPerNode: cores, MemoryPerNode: memory}
	s.DollarsPerHour = float64(nodes) * (cores*0.04 + float64(memory)/gib*0.005)
	return s
}

// shapes are clusters of 2 to 32 machines of three sizes with three amounts of
// memory a core.
func shapes() (all []failure.Shape) {
	for nodes := 2; nodes <= 32; nodes *= 2 {
		for _, cores := range []float64{2, 4, 8} {
			for _, perCore := range []int64{2, 4, 8} {
				all = append(all, shape(nodes, cores, int64(cores)*perCore*gib))
			}
		}
	}
	return all
}

// failedOn is the first failure of a job of ten minutes, of which three quarters
// are shared.
func failedOn(s failure.Shape, timedOut bool) search.Clusters {
	return search.Clusters{
		Shapes: shapes(), Failed: []search.FailedOn{{Shape: s, Seconds: 600, TimedOut: timedOut}},
		Curves: []search.Curve{{Terms: curve.Terms{100, 400}, Weight: 1}, {Terms: curve.Terms{50, 600}, Weight: 1}}, Interruptions: 0.05,
		Permanent: 0.5, Observations: 1, Settings: defaults,
	}
}

func TestATimeoutAsksForAFasterCluster(t *testing.T) {
	from := shape(4, 4, 16*gib)
	got := search.FindCluster(failedOn(from, true))
	if got.Outcome != search.Change || got.Chosen.Shape.Cores() <= from.Cores() {
		t.Errorf("FindCluster = %v %+v (%s), want more cores than 16", got.Outcome, got.Chosen, got.Reason)
	}
	if !strings.Contains(got.Reason, got.Chosen.Shape.Name) || got.Count != len(shapes()) {
		t.Errorf("reason = %q of %d", got.Reason, got.Count)
	}
}

func TestAnErrorAsksForMoreMemoryOfSomeKind(t *testing.T) {
	from := shape(4, 4, 8*gib)
	got := search.FindCluster(failedOn(from, false))
	if c := got.Chosen; got.Outcome != search.Change || c.Shape.Memory() <= from.Memory() || c.Shape.MemoryPerNode <= from.MemoryPerNode {
		t.Errorf("FindCluster = %v %+v, want more memory in all and on each node", got.Outcome, got.Chosen)
	}
}

// Success with no more memory than what failed says that memory is not why.
func TestWhatHeldBeforeIsNotAskedForAgain(t *testing.T) {
	in := failedOn(shape(4, 4, 8*gib), false)
	before := search.FindCluster(in)
	for range 20 {
		in.Held = append(in.Held, shape(2, 2, 4*gib))
	}
	after := search.FindCluster(in)
	if after.Chosen.Shape.Memory() >= before.Chosen.Shape.Memory() {
		t.Errorf("chosen = %s at first, %s after successes on less; want less memory", before.Chosen.Shape.Name, after.Chosen.Shape.Name)
	}
}

func TestAClusterThatFailedIsNotTriedAgain(t *testing.T) {
	in := failedOn(shape(4, 4, 16*gib), false)
	var tried []failure.Shape
	for range in.Shapes {
		a := search.FindCluster(in)
		if a.Outcome == search.NotFeasible {
			break
		}
		for _, s := range tried {
			if s == a.Chosen.Shape {
				t.Fatalf("%s is tried twice", s.Name)
			}
		}
		tried = append(tried, a.Chosen.Shape)
		in.Failed = append(in.Failed, search.FailedOn{Shape: a.Chosen.Shape, Seconds: 300})
	}
	if len(tried) != len(in.Shapes)-1 {
		t.Errorf("%d clusters were tried, want all %d others", len(tried), len(in.Shapes)-1)
	}
	if a := search.FindCluster(in); a.Outcome != search.NotFeasible || !strings.Contains(a.Reason, "every cluster") {
		t.Errorf("after all = %v %q", a.Outcome, a.Reason)
	}
}

func TestAHopelessJobGetsNoCluster(t *testing.T) {
	in := failedOn(shape(4, 4, 16*gib), false)
	in.Permanent, in.Observations = 0.95, 5
	if a := search.FindCluster(in); a.Outcome != search.NotFeasible || a.Chosen != nil {
		t.Errorf("FindCluster = %v", a.Outcome)
	}
}

func TestMachinesThatMayBeTakenAwayAreCheaperAndLessSure(t *testing.T) {
	in := failedOn(shape(4, 4, 16*gib), true)
	for _, s := range in.Shapes {
		s.Spot, s.Name = true, "spot "+s.Name
		s.DollarsPerHour /= 3
		in.Shapes = append(in.Shapes, s)
	}
	in.Interruptions = 0
	if a := search.FindCluster(in); !a.Chosen.Shape.Spot {
		t.Errorf("chosen = %s where none is taken away", a.Chosen.Shape.Name)
	}
	in.Interruptions = 20
	if a := search.FindCluster(in); a.Chosen.Shape.Spot {
		t.Errorf("chosen = %s where one is taken away every three minutes", a.Chosen.Shape.Name)
	}
}

func TestPredictionsOfClustersAreSound(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	random := func() failure.Shape { return shapes()[r.IntN(len(shapes()))] }
	for range 300 {
		in := failedOn(random(), r.IntN(2) == 0)
		for range r.IntN(3) {
			in.Failed = append(in.Failed, search.FailedOn{Shape: random(), Seconds: 1e4 * r.Float64(), TimedOut: r.IntN(2) == 0})
		}
		for range r.IntN(3) {
			in.Held = append(in.Held, random())
			in.Curves = append(in.Curves, search.Curve{Terms: curve.Terms{r.Float64(), 1e3 * r.Float64(), r.Float64(), r.Float64()}, Weight: 9 * r.Float64(), Own: r.IntN(2) == 0})
		}
		got := search.FindCluster(in)
		if again := search.FindCluster(in); !reflect.DeepEqual(got, again) {
			t.Fatalf("FindCluster = %+v, then %+v", got, again)
		}
		for i, c := range got.Best {
			if !(c.FailProbability > 0 && c.FailProbability < 1 && c.ExpectedCost > 0 && c.Seconds > 0) || math.IsInf(c.Objective, 0) {
				t.Fatalf("candidate %+v of %+v", c, in)
			}
			if i > 0 && c.Objective < got.Best[i-1].Objective {
				t.Fatalf("candidates are not best first: %+v", got.Best)
			}
		}
		// More machines of the same kind fail no more.
		in.Shapes = []failure.Shape{shape(3, 4, 16*gib), shape(5, 4, 16*gib)}
		got = search.FindCluster(in)
		fail := map[int]float64{}
		for _, c := range got.Best {
			fail[c.Shape.Nodes] = c.FailProbability
		}
		if fail[5] > fail[3] {
			t.Fatalf("more machines fail more: %v", fail)
		}
	}
}
