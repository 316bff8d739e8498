package search_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

const mib, gib = 1 << 20, 1 << 30

var defaults = search.Settings{
	Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 64 * gib,
}

func setting(t testing.TB, name string, config map[string]any, c failure.Class) engine.Setting {
	t.Helper()
	p, err := engine.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Setting(config, engine.Cause{Class: c}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// killed is the first kill of a process with 1 GiB and one core.
func killed(t testing.TB, change func(*search.Inputs)) search.Inputs {
	in := search.Inputs{
		Question: search.MoreMemory,
		Setting:  setting(t, engine.Process, map[string]any{"memory_mb": 1024.0, "cores": 1.0}, failure.MemoryContainer),
		Need:     need.After(nil, gib).Above(gib), Proven: gib,
		Permanent: 0.05, Seconds: 600, Observations: 1, Settings: defaults,
	}
	if change != nil {
		change(&in)
	}
	return in
}

func TestFind(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*search.Inputs)
		want   search.Outcome
		low    int64 // MiB of the chosen memory
		high   int64
		reason string
	}{
		{"first kill", nil, search.Change, 2048, 4096, "raise memory from 1 GiB to"},
		{
			"by cost alone the first step doubles",
			func(in *search.Inputs) { in.Settings.Weight, in.Settings.PerCoreHour = 0, 0 },
			search.Change, 1950, 2150, "raise memory",
		},
		{
			"a failure that costs much is worth more memory, four times at most",
			func(in *search.Inputs) { in.Settings.Weight = 100 },
			search.Change, 4096, 4096, "raise memory",
		},
		{
			"a step that has been seen to be needed may be larger",
			func(in *search.Inputs) { in.Settings.Weight, in.Seen = 100, 8*gib },
			search.Change, 15 * 1024, 16384, "raise memory",
		},
		{
			"a dear hour is worth less memory",
			func(in *search.Inputs) { in.Seconds, in.Settings.PerCoreHour = 100*3600, 0 },
			search.Change, 1500, 2200, "raise memory",
		},
		{
			"what is known of the need decides",
			func(in *search.Inputs) {
				seen := []need.Observation{need.Exactly(1300 * mib), need.Exactly(1310 * mib), need.Exactly(1290 * mib), need.Exactly(1300 * mib), need.Exactly(1295 * mib), need.Exactly(1305 * mib)}
				in.Need, in.Seen = need.After(seen, gib).Above(gib), 1310*mib
			},
			search.Change, 1300, 2000, "raise memory",
		},
		{
			"the ceiling is what is proven not to suffice",
			func(in *search.Inputs) { in.Settings.MaxMemory = gib },
			search.NotFeasible, 0, 0, "memory of more than 1 GiB is needed, and at most 1 GiB in all may be given",
		},
		{
			"the ceiling is less than a measured peak",
			func(in *search.Inputs) { in.Settings.MaxMemory, in.Proven = 4*gib, 5*gib },
			search.NotFeasible, 0, 0, "more than 5 GiB is needed",
		},
		{
			"nothing is likely to hold, by enough attempts",
			func(in *search.Inputs) { in.Permanent, in.Observations = 0.95, 3 },
			search.NotFeasible, 0, 0, "more than 0.9, by 3 observed attempts",
		},
		{
			"nothing is likely to hold, by too few attempts",
			func(in *search.Inputs) { in.Permanent, in.Observations = 0.95, 2 },
			search.Change, 1100, 4096, "raise memory",
		},
		{
			"whether to retry an unexplained failure: yes",
			func(in *search.Inputs) { in.Question, in.Permanent, in.Observations = search.RetryOrNot, 0.86, 9 },
			search.Keep, 1024, 1024, "nothing shows that another configuration would help",
		},
		{
			"whether to retry an unexplained failure: no",
			func(in *search.Inputs) { in.Question, in.Permanent, in.Observations = search.RetryOrNot, 0.91, 3 },
			search.NotFeasible, 0, 0, "fails with probability 0.91",
		},
		{
			"whether to retry is not asked of a classified failure",
			func(in *search.Inputs) { in.Question, in.Permanent, in.Observations = search.KeepAlways, 0.99, 9 },
			search.Keep, 1024, 1024, "nothing shows",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := search.Find(t.Context(), killed(t, tc.change))
			if got.Outcome != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Fatalf("Find = %v %q, want %v with %q", got.Outcome, got.Reason, tc.want, tc.reason)
			}
			if (got.Chosen == nil) != (tc.want == search.NotFeasible) {
				t.Fatalf("chosen = %+v with %v", got.Chosen, got.Outcome)
			}
			if got.Chosen != nil && (got.Chosen.Memory/mib < tc.low || got.Chosen.Memory/mib > tc.high) {
				t.Errorf("chosen = %d MiB, want %d to %d (%s)", got.Chosen.Memory/mib, tc.low, tc.high, got.Reason)
			}
		})
	}
}

func TestAtTheCeilingAnExecutorGetsFewerTasks(t *testing.T) {
	in := killed(t, func(in *search.Inputs) {
		in.Setting = setting(t, engine.Spark, map[string]any{"spark.executor.memory": "4g", "spark.executor.cores": 4.0}, failure.MemoryExecutor)
		in.Proven, in.Need = 4*gib, need.After(nil, 4*gib).Above(4*gib)
		in.Settings.MaxMemory = 4600 * mib
	})
	got := search.Find(t.Context(), in)
	if got.Outcome != search.Change || got.Chosen.Cores >= 4 {
		t.Errorf("Find = %v %q, want fewer cores", got.Outcome, got.Reason)
	}
}

func TestTheObjectiveIsWhatTwoAttemptsCost(t *testing.T) {
	in := killed(t, func(in *search.Inputs) {
		in.Need = need.Quantiles{{Probability: 0.25, Bytes: 2 * gib}, {Probability: 0.75, Bytes: 3 * gib}}
		in.Permanent, in.FailedShare, in.Settings.MinSeconds = 0.2, 0.5, 400
	})
	a := search.Find(t.Context(), in)
	price := func(gib, seconds float64) float64 { return seconds / 3600 * (gib*0.005 + 0.04) }
	for gib, exceeds := range map[float64]float64{1.0: 0.999, 2: 0.75, 3: 0.25} {
		fail := 1 - 0.8*(1-exceeds)
		want := 0.001*fail + (1-fail)*price(gib, 600) + fail*(price(gib, 400)+price(3, 600))
		found := false
		for _, c := range append(a.Best, a.Current) {
			if float64(c.Memory) == gib*(1<<30) {
				found = true
				if math.Abs(c.Objective-want) > 1e-12 {
					t.Errorf("objective of %v GiB = %v, want %v", gib, c.Objective, want)
				}
			}
		}
		if !found && gib != 2 { // which is none of the best
			t.Errorf("no candidate has %v GiB", gib)
		}
	}
}

func TestAFirstAttemptIsSizedByItsMemoryAlone(t *testing.T) {
	in := killed(t, func(in *search.Inputs) {
		in.Need = need.Quantiles{{Probability: 0.5, Bytes: 300 * mib}, {Probability: 0.9, Bytes: 400 * mib}, {Probability: 0.99, Bytes: 700 * mib}}
		in.Proven, in.First, in.FailedShare, in.Permanent = 0, true, 1, 0.001
		in.Settings.Weight = 0
	})
	got := search.Find(t.Context(), in)
	if got.Outcome != search.Change || got.Chosen.Memory != 400*mib {
		t.Fatalf("Find = %v %+v, want a change to 400 MiB, less than is set", got.Outcome, got.Chosen)
	}
	in.Settings.PerCoreHour = 100
	if again := search.Find(t.Context(), in); !reflect.DeepEqual(again, got) {
		t.Errorf("with dear cores = %+v, want the same", again.Chosen)
	}
	in.Reach = 350 * mib
	if got = search.Find(t.Context(), in); got.Chosen.Memory > 350*mib {
		t.Errorf("chosen = %d, beyond the reach", got.Chosen.Memory)
	}
}

func TestOfATieTheSmallerChangeIsChosen(t *testing.T) {
	in := killed(t, func(in *search.Inputs) {
		in.Settings.Weight, in.Settings.PerGiBHour, in.Settings.PerCoreHour = 0, 0, 0
	})
	got := search.Find(t.Context(), in)
	next := in.Setting.Grid(engine.Limits{Points: []int64{in.Need[1].Bytes}}).Memory[1]
	if got.Outcome != search.Change || got.Chosen.Memory != next {
		t.Errorf("chosen = %+v, want %v", got.Chosen, next)
	}
}

func random(t testing.TB, r *rand.Rand) search.Inputs {
	return killed(t, func(in *search.Inputs) {
		limit := int64(16+r.IntN(64<<10)) * mib
		in.Setting = setting(t, engine.Spark, map[string]any{
			"spark.executor.memory": fmt.Sprintf("%dm", limit/mib), "spark.executor.cores": float64(1 + r.IntN(8)),
		}, failure.MemoryExecutor)
		if r.IntN(2) == 0 {
			in.Setting = setting(t, engine.Process, map[string]any{"memory_mb": float64(limit / mib)}, failure.MemoryPython)
		}
		in.Proven = int64(float64(limit) * (1 + r.Float64()))
		var seen []need.Observation
		for range r.IntN(20) {
			bytes := int64(float64(limit) * math.Exp(r.NormFloat64()))
			seen = append(seen, need.Exactly(bytes))
			in.Seen = max(in.Seen, bytes)
		}
		in.Need = need.After(seen, in.Proven).Above(in.Proven)
		in.Permanent, in.Seconds, in.Observations = 0.001+0.998*r.Float64(), r.Float64()*1e5, r.IntN(10)
		in.Settings.Weight, in.Settings.MaxMemory = r.Float64(), int64(float64(limit)*8*r.Float64())
	})
}

func TestPredictionsAreSound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		in := random(t, r)
		a := search.Find(t.Context(), in)
		if again := search.Find(t.Context(), in); !reflect.DeepEqual(a, again) {
			t.Fatalf("Find of the same inputs = %+v, then %+v", a, again)
		}
		all := append([]search.Candidate{a.Current}, a.Best...)
		for _, x := range all {
			if x.FailProbability <= 0 || x.FailProbability >= 1 || x.ExpectedCost < 0 || math.IsNaN(x.Objective) || math.IsInf(x.Objective, 0) {
				t.Fatalf("candidate %+v of %+v", x, in)
			}
			for _, y := range all {
				same := x.Size
				same.Memory = y.Memory
				if same == y.Size && x.Memory < y.Memory && x.FailProbability < y.FailProbability {
					t.Fatalf("more memory fails more: %+v and %+v", x, y)
				}
			}
		}
		for i := 1; i < len(a.Best); i++ {
			if a.Best[i].Objective < a.Best[i-1].Objective {
				t.Fatalf("candidates are not best first: %+v", a.Best)
			}
		}
		if a.Chosen == nil {
			continue
		}
		if a.Chosen.Total > max(in.Settings.MaxMemory, a.Current.Total) {
			t.Fatalf("chosen %+v is more than the ceiling %d", a.Chosen, in.Settings.MaxMemory)
		}
		if a.Chosen.Memory < in.Setting.Memory {
			t.Fatalf("chosen %+v is less than the failed attempt had: %+v", a.Chosen, in.Setting.Size)
		}
	}
}

func TestADeadlineGivesTheBestSoFarAndItsRecordTheSameAgain(t *testing.T) {
	in := killed(t, func(in *search.Inputs) { in.Seen = 1 << 50; in.Settings.MaxMemory = 1 << 50 })
	whole := search.Find(t.Context(), in)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cut := search.Find(ctx, in)
	if !cut.Cut || cut.Count >= whole.Count || cut.Outcome != search.Change {
		t.Fatalf("Find = %v after %d of %d, cut %v; want a change after fewer", cut.Outcome, cut.Count, whole.Count, cut.Cut)
	}
	in.Considered = cut.Count
	again := search.Find(t.Context(), in)
	again.Cut = true
	if !reflect.DeepEqual(cut, again) {
		t.Errorf("Find of as many = %+v, want %+v", again, cut)
	}
}

// plainly scores every candidate by itself and returns the one to take.
func plainly(in search.Inputs) (best search.Candidate, found bool) {
	var points []int64
	for _, q := range in.Need {
		points = append(points, q.Bytes)
	}
	reach := max(4*in.Proven, 4*in.Setting.Memory, 2*in.Seen)
	grid := in.Setting.Grid(engine.Limits{Memory: in.Settings.MaxMemory, Part: reach, Points: points})
	hour := func(size engine.Size, total int64) float64 {
		return max(size.Instances, 1) * (float64(total)/(1<<30)*in.Settings.PerGiBHour + max(size.Cores, 1)*in.Settings.PerCoreHour)
	}
	var most int64
	if len(grid.Memory) > 0 {
		most = grid.Memory[len(grid.Memory)-1]
	}
	closeBelow := func(m int64) bool { return m < most && float64(m) > in.Settings.NotFeasible*float64(most) }
	for w, way := range grid.Ways {
		for m := range grid.Memory {
			size := grid.Size(m, w)
			if float64(size.Memory) <= float64(in.Proven)*way.Need || most >= in.Ceiling(in.Setting.Size)-mib && closeBelow(size.Memory) {
				continue
			}
			second := in.Setting.Size
			second.Memory = max(size.Memory, min(in.Need[len(in.Need)-1].Bytes, reach))
			fail := 1 - (1-in.Permanent)*(1-in.Need.Exceeds(float64(size.Memory)/way.Need))
			once := in.Seconds / 3600 * way.Time * hour(size, in.Setting.Total(size))
			cost := (1-fail)*once + fail*(in.FailedShare*once+in.Seconds/3600*hour(in.Setting.Size, in.Setting.Total(second)))
			if o := in.Settings.Weight*fail + cost; !found || o < best.Objective {
				best, found = search.Candidate{Size: size, FailProbability: fail, ExpectedCost: cost, Objective: o}, true
			}
		}
	}
	return best, found
}

func TestTheBatchFindsWhatEachCandidateAloneTells(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	changes := 0
	for range 300 {
		in := random(t, r)
		in.Permanent, in.Observations, in.FailedShare = in.Permanent/2, 0, r.Float64()
		got := search.Find(t.Context(), in)
		want, found := plainly(in)
		if (got.Outcome == search.Change) != found {
			t.Fatalf("Find = %v %q, want %v", got.Outcome, got.Reason, found)
		}
		if !found {
			continue
		}
		changes++
		if math.Abs(got.Chosen.Objective-want.Objective) > 1e-9*want.Objective {
			t.Fatalf("Find = %+v, want %+v, of %+v", got.Chosen, want, in)
		}
	}
	if changes < 50 {
		t.Errorf("%d changes are too few to tell", changes)
	}
}

// What people configured is taken to be enough until it has failed, and a first
// attempt is never refused.
func TestWhatWasNotTriedYetIsNotHopeless(t *testing.T) {
	far := need.Quantiles{{Probability: 0.01, Bytes: 8 * gib}, {Probability: 0.99, Bytes: 16 * gib}}
	for name, change := range map[string]func(*search.Inputs){
		"a retry with the job's own":   func(in *search.Inputs) { in.Least, in.Most = 4*gib, 4*gib },
		"a first attempt with its own": func(in *search.Inputs) { in.First, in.Proven, in.Most = true, 0, gib },
		"a first attempt fits no node": func(in *search.Inputs) {
			in.First, in.Proven, in.Settings.Nodes = true, 0, []search.Node{{Memory: mib, Cores: 1}}
		},
		"a first attempt has no totals": func(in *search.Inputs) { in.First, in.Proven, in.Settings.Allowed = true, 0, []int64{mib} },
	} {
		in := killed(t, func(in *search.Inputs) { in.Need, in.Seen, in.Observations = far, 16*gib, 10 })
		change(&in)
		if a := search.Find(t.Context(), in); a.Outcome == search.NotFeasible || a.Chosen == nil {
			t.Errorf("%s: %v, %s", name, a.Outcome, a.Reason)
		}
	}
}

func TestAJobsOwnAboveTheCeilingIsNotGiven(t *testing.T) {
	in := killed(t, func(in *search.Inputs) { in.Least, in.Most = 128*gib, 128*gib })
	if a := search.Find(t.Context(), in); a.Chosen == nil || a.Chosen.Total != 64*gib {
		t.Errorf("chosen = %+v, %s, want the ceiling", a.Chosen, a.Reason)
	}
}
