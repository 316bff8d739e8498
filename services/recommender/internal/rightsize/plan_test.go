package rightsize

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

const gib = 1 << 30

var settings = Settings{
	MinRuns: 20, MaxRisk: 0.01, Floor: 64 * mib, MaxMemory: 64 * gib, MinDollars: 0.01,
	Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, MinSeconds: 60, FailedShare: 1,
}

// even is a need that is spread evenly between two sizes, with a tail of a
// thousandth above.
func even(low, high int64) need.Quantiles {
	var q need.Quantiles
	for i := 1; i <= 50; i++ {
		q = append(q, need.Quantile{Probability: 0.999 * float64(i) / 50, Bytes: low + (high-low)*int64(i)/50})
	}
	return q
}

// evidence is that of a process whose runs take an hour, changed.
func evidence(own, present int64, q need.Quantiles, change func(*Evidence)) *Evidence {
	e := &Evidence{
		Part: engine.Tree, Own: own, Present: present, Total: present, Seconds: 3600, Needs: []need.Quantiles{q},
		Peak: q[len(q)-1].Bytes, Runs: 100, RunsPerDay: 24, Alike: 1, Most: 64 * gib,
	}
	if change != nil {
		change(e)
	}
	return e
}

func TestPlan(t *testing.T) {
	small := even(200*mib, 300*mib)
	for _, tc := range []struct {
		name         string
		e            *Evidence
		raised       int64
		next, target int64
	}{
		{"far too much: a quarter less", evidence(4*gib, 4*gib, small, nil), 0, 3 * gib, 300 * mib},
		{"the last step ends at the target", evidence(4*gib, 340*mib, small, nil), 0, 300 * mib, 300 * mib},
		{"nearly there", evidence(4*gib, 310*mib, small, nil), 0, 310 * mib, 300 * mib},
		{"what a failure raised bounds it", evidence(4*gib, 400*mib, small, nil), 360 * mib, 360 * mib, 360 * mib},
		{"what was too little bounds it", evidence(4*gib, 400*mib, small, func(e *Evidence) { e.Short = 350 * mib }), 0, 351 * mib, 351 * mib},
		{"the rest of the configuration bounds it", evidence(4*gib, 400*mib, small, func(e *Evidence) { e.Least = 370 * mib }), 0, 370 * mib, 370 * mib},
		{"the operator's floor bounds it", evidence(4*gib, 100*mib, even(5*mib, 10*mib), nil), 0, 75 * mib, 64 * mib},
		{"too little: a quarter more", evidence(gib, gib, even(gib, 2*gib), nil), 0, 1280 * mib, 2 * gib},
		{"a little too little: no more than is needed", evidence(gib, gib, even(gib, 1100*mib), nil), 0, 1100 * mib, 1100 * mib},
		{"too little, by garbage", evidence(gib, gib, even(gib, 2*gib), func(e *Evidence) { e.Bounded = true }), 0, gib, 2 * gib},
		{"short within the hysteresis", evidence(gib, gib, append(even(900*mib, 1000*mib)[:49:49], need.Quantile{Probability: 0.985, Bytes: gib}, need.Quantile{Probability: 0.999, Bytes: 2 * gib}), nil), 0, gib, 2 * gib},
		{"the ceiling bounds it", evidence(gib, gib, even(gib, 2*gib), func(e *Evidence) { e.Most = gib }), 0, gib, gib},
		{"cheap: not worth a proposal", evidence(4*gib, 4*gib, small, func(e *Evidence) { e.RunsPerDay = 0.01; e.Seconds = 1 }), 0, 4 * gib, 300 * mib},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.e.plan(settings, tc.raised)
			if p.next != tc.next || p.target != tc.target {
				t.Errorf("next %d MiB, target %d MiB (%s), want %d and %d", p.next/mib, p.target/mib, p.reason, tc.next/mib, tc.target/mib)
			}
			if p.changes() != (p.saving != Saving{}) || p.reason == "" {
				t.Errorf("changes %v, saving %+v, reason %q", p.changes(), p.saving, p.reason)
			}
		})
	}
}

func TestOnlyWhatTheSettingsAllowIsProposed(t *testing.T) {
	steps, totals := settings, settings
	steps.Step, totals.Allowed = 256*mib, []int64{512 * mib, gib, 2 * gib, 4 * gib}
	small := even(200*mib, 300*mib)
	for _, tc := range []struct {
		name         string
		e            *Evidence
		s            Settings
		next, target int64
	}{
		{"rounded up to a step", evidence(3*gib, 3*gib, small, nil), steps, 2304 * mib, 512 * mib},
		{"the next step where a quarter is less", evidence(gib, 768*mib, small, nil), steps, 512 * mib, 512 * mib},
		{"nothing is left below", evidence(gib, 512*mib, small, nil), steps, 512 * mib, 512 * mib},
		{"the next total", evidence(4*gib, 4*gib, small, nil), totals, 2 * gib, 512 * mib},
		{"a part of a total", evidence(4*gib, 3*gib, small, func(e *Evidence) { e.Total = 4 * gib }), totals, gib, 1024 * mib},
		{"more, too", evidence(gib, gib, even(gib, 2*gib), nil), totals, 2 * gib, 2 * gib},
		{"more than there is", evidence(4*gib, 4*gib, even(4*gib, 6*gib), nil), totals, 4 * gib, 6 * gib},
	} {
		for _, total := range tc.s.Allowed {
			tc.e.Allowed = append(tc.e.Allowed, total-tc.e.Total+tc.e.Present)
		}
		if p := tc.e.plan(tc.s, 0); p.next != tc.next || p.target != tc.target {
			t.Errorf("%s: next %d MiB, target %d MiB (%s), want %d and %d", tc.name, p.next/mib, p.target/mib, p.reason, tc.next/mib, tc.target/mib)
		}
	}
}

func TestASavingIsWhatRunsCostLess(t *testing.T) {
	e := evidence(4*gib, 4*gib, even(200*mib, 300*mib), nil)
	p := e.plan(settings, 0)
	// 1 GiB less for an hour, 24 times a day for 30 days; failures are as rare.
	if want := 0.005 * 24 * 30; math.Abs(p.saving.DollarsPerMonth-want) > 0.01*want || p.saving.Runs != 100 {
		t.Errorf("saving = %+v, want $%.2f a month by 100 runs", p.saving, want)
	}
	more := evidence(gib, gib, even(gib/2, 2*gib), nil).plan(settings, 0)
	if more.saving.FailBefore < more.saving.FailAfter || more.saving.FailBefore < 0.5 || !strings.Contains(more.reason, "1.25 GiB") {
		t.Errorf("more memory: %+v, %q", more.saving, more.reason)
	}
}

func TestDearerFailuresLeaveMoreMemory(t *testing.T) {
	// A thousandth of the runs needs much more: worth it where failures are dear.
	q := append(even(200*mib, 300*mib)[:49:49], need.Quantile{Probability: 0.995, Bytes: 300 * mib}, need.Quantile{Probability: 0.999, Bytes: 2 * gib})
	e := evidence(4*gib, 4*gib, q, nil)
	dear := settings
	dear.Weight = 100
	if cheap, careful := e.plan(settings, 0).target, e.plan(dear, 0).target; cheap != 300*mib || careful != 2*gib {
		t.Errorf("targets %d MiB and, with dear failures, %d MiB; want 300 and 2048", cheap/mib, careful/mib)
	}
}

func TestThePartWithTheLargestSavingIsFirst(t *testing.T) {
	parts := []Evidence{
		*evidence(2*gib, 2*gib, even(200*mib, 300*mib), func(e *Evidence) { e.Part = engine.Python }),
		*evidence(8*gib, 8*gib, even(200*mib, 300*mib), func(e *Evidence) { e.Part = engine.ExecutorHeap }),
	}
	if got := best(parts, settings, nil).Part; got != engine.ExecutorHeap {
		t.Errorf("first = %s", got)
	}
	short := *evidence(gib, gib, even(gib, 2*gib), func(e *Evidence) { e.Part = engine.DriverHeap })
	if got := best(append(parts, short), settings, nil).Part; got != engine.DriverHeap {
		t.Errorf("first = %s, want the part that is short", got)
	}
}

// TestPropertiesOfAStep: whatever the evidence, a step is bounded, goes towards
// the target, down never below the floor and never to more than MaxRisk, up only
// from twice that; and steps come to an end.
func TestPropertiesOfAStep(t *testing.T) {
	down, up := 0, 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		low := int64(r.IntN(4000)+10) * mib
		own := int64(r.IntN(8000)+64) * mib
		e := evidence(own, own, even(low, low+int64(r.IntN(4000)+1)*mib), func(e *Evidence) {
			e.Short = int64(r.IntN(2)*r.IntN(3000)) * mib
			e.Seconds, e.RunsPerDay = float64(r.IntN(5000)), r.Float64()*100
		})
		raised := int64(r.IntN(2)*r.IntN(3000)) * mib
		steps := 0
		for ; ; steps++ {
			p := e.plan(settings, raised)
			if !p.changes() {
				break
			}
			change := p.next - e.Present
			if math.Abs(float64(change)) > MaxStep*float64(e.Present)+mib || math.Abs(float64(change)) < Converged*float64(e.Present) {
				t.Fatalf("seed %d: a step from %d to %d MiB", seed, e.Present/mib, p.next/mib)
			}
			if p.up() {
				up++
				if e.risk(e.Present) <= 2*settings.MaxRisk || p.next > p.target {
					t.Fatalf("seed %d: up from %d to %d MiB at risk %v, target %d", seed, e.Present/mib, p.next/mib, e.risk(e.Present), p.target/mib)
				}
			} else {
				down++
				if p.next < max(settings.Floor, raised, e.Short+1) || p.next < p.target || e.risk(p.next) > settings.MaxRisk || p.saving.DollarsPerMonth < settings.MinDollars {
					t.Fatalf("seed %d: down to %d MiB: floor %d, raised %d, short %d, risk %v, saving %v", seed, p.next/mib, p.floor/mib, raised/mib, e.Short/mib, e.risk(p.next), p.saving)
				}
			}
			e.Total, e.Present = e.Total+change, p.next
			if steps > 60 {
				t.Fatalf("seed %d: no end of steps", seed)
			}
		}
	}
	if down < 200 || up < 200 {
		t.Errorf("%d steps down and %d up: the properties were hardly tested", down, up)
	}
}
