package tailor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
)

// memory returns what jobs that ask for 1 GiB run with, in MiB.
func (f *fixture) memory() float64 {
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	if e := f.l.active(); e.Name != "" {
		return e.memory
	}
	return 1024
}

// proposal lets 20 runs succeed with what jobs have, and returns what waits then.
func (f *fixture) proposal(at time.Time) *rightsize.Step {
	f.t.Helper()
	mb := int64(f.memory())
	f.k.runs(20, mb, at)
	f.heard(outcome(mb, engine.NoPart), at.Add(time.Hour))
	z := f.get()
	if z.Waiting == nil {
		f.t.Fatalf("nothing waits: %s", z.Reason)
	}
	return z.Waiting
}

// approve approves like a human, until no call fails.
func (f *fixture) approve(name string) {
	f.t.Helper()
	for tries := 0; ; tries++ {
		_, err := f.l.Approve(f.t.Context(), name, "ann: fine")
		if err == nil {
			return
		}
		if !errs.Is(err, errs.Unavailable) || tries > 200 {
			f.t.Fatal(err)
		}
	}
}

// TestAFailureLeavesWhatWasPromoted: jobs ask for 1 GiB, were promoted to 2, and
// are sized down in steps from there.
func TestAFailureLeavesWhatWasPromoted(t *testing.T) {
	for seed := range uint64(6) { // 0: nothing fails
		for steps := 1; steps <= 2; steps++ {
			f := open(t)
			f.l.promote(2048)
			if seed > 0 {
				f.l.r = rand.New(rand.NewPCG(seed, 1))
			}
			at := now
			f.heard(outcome(2048, engine.NoPart), at)
			for range steps {
				at = at.Add(24 * time.Hour)
				name := f.proposal(at).Patch
				f.approve(name)
				for range 2 {
					if err := f.Changed(t.Context(), kind, name, rightsize.Applies, at.Add(2*time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
			}
			had := int64(f.memory())
			if had >= 2048 || had <= 1024 {
				t.Fatalf("seed %d: %d steps end at %d MiB", seed, steps, had)
			}
			lacked := had
			if steps == 2 && seed%2 == 0 {
				lacked = 1536 // it began before the second step
			}
			f.heard(outcome(lacked, engine.Tree), at.Add(24*time.Hour))
			f.heard(outcome(had, engine.Tree), at.Add(25*time.Hour)) // told late
			z := f.get()
			if z.State != rightsize.Reverted || z.Reverts != 1 || z.Present != 2048*mib || f.memory() != 2048 {
				t.Errorf("seed %d: after %d steps and a failure %v, %d reverts, jobs have %v MiB, want the promoted 2048", seed, steps, z.State, z.Reverts, f.memory())
			}
		}
	}
}

// crashing loses what is written, as a process that ends before it writes.
type crashing struct {
	tailor.Sizings
	lose func(rightsize.Sizing) bool
}

func (c *crashing) Put(ctx context.Context, z rightsize.Sizing) error {
	if c.lose(z) {
		return errs.New(errs.Unavailable, "ended")
	}
	return c.Sizings.Put(ctx, z)
}

func TestAPatchThatWasMadeAndNotNotedIsTakenBackAfterItsFirstFailure(t *testing.T) {
	f := open(t)
	f.k.runs(20, 1024, now)
	dead := f.over(&crashing{f.z, func(z rightsize.Sizing) bool { return z.Waiting != nil }})
	if err := dead.Heard(t.Context(), kind, outcome(1024, engine.NoPart), now); err != nil {
		t.Fatal(err)
	}
	for range 3 { // and again, whenever it comes back
		if err := dead.Sweep(t.Context(), now); !errs.Is(err, errs.Unavailable) {
			t.Fatalf("Sweep = %v, want it to end before it notes the patch", err)
		}
	}
	if z := f.get(); z.Waiting != nil || len(f.l.patches) != 1 {
		t.Fatalf("noted %+v, %d patches, want one that nobody noted", z.Waiting, len(f.l.patches))
	}
	f.approve(f.l.patches[0].Name)
	for range 2 {
		if err := f.Heard(t.Context(), kind, outcome(768, engine.Tree), now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	f.sweep(now.Add(time.Minute))
	if z := f.get(); z.State != rightsize.Reverted || z.Reverts != 1 || f.memory() != 1024 || len(f.l.patches) != 1 {
		t.Errorf("%v (%s), %d reverts, jobs have %v MiB, want the patch taken back", z.State, z.Reason, z.Reverts, f.memory())
	}
}

func TestAPatchOfATypeThatWasForgottenIsFoundAgain(t *testing.T) {
	for _, failed := range []bool{false, true} { // before it is found
		f := open(t)
		f.l.promote(2048)
		f.heard(outcome(2048, engine.NoPart), now)
		f.approve(f.proposal(now.Add(time.Hour)).Patch)
		g := open(t) // nothing is kept
		g.l, g.k = f.l, f.k
		g.Tailor = g.over(g.z)
		at := now.Add(24 * time.Hour)
		g.heard(outcome(1536, engine.NoPart), at)
		if z := g.get(); z.Working == nil || z.Working.Lowered[engine.Tree] != 1536*mib || z.State != rightsize.Applied {
			t.Fatalf("%v, watched %+v (%s)", z.State, z.Working, z.Reason)
		}
		if failed {
			f.k.fails(1536, at)
			g = open(t)
			g.l, g.k = f.l, f.k
			g.Tailor = g.over(g.z)
		}
		g.heard(outcome(1536, engine.Tree), at.Add(time.Hour))
		if z := g.get(); z.State != rightsize.Reverted || f.memory() != 2048 {
			t.Errorf("after a failure (found before: %v) %v (%s), jobs have %v MiB", !failed, z.State, z.Reason, f.memory())
		}
	}
}

func TestWhatWaitsIsMadeAnewWhenSomebodyElseChangesTheType(t *testing.T) {
	f := open(t)
	step := f.proposal(now)
	promoted := f.l.promote(2048)
	at := now.Add(2 * time.Hour)
	for range 2 {
		if err := f.Changed(t.Context(), kind, promoted, rightsize.Applies, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.l.Approve(t.Context(), step.Patch, ""); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Approve = %v, want FailedPrecondition", err)
	}
	f.sweep(at)
	if z := f.get(); z.Waiting != nil || f.memory() != 2048 || f.l.named(step.Patch).State != rightsize.Withdrawn {
		t.Errorf("waits %+v, jobs have %v MiB, the proposal is %v", z.Waiting, f.memory(), f.l.named(step.Patch).State)
	}
	next := f.proposal(at.Add(24 * time.Hour))
	if next.Before != 2048*mib || next.MadeOn != promoted {
		t.Errorf("then %+v is proposed, want a step from what was promoted", next)
	}
	// The policy meets the same.
	f.l.promote(4096)
	f.mode = rightsize.Apply
	f.heard(outcome(4096, engine.NoPart), at.Add(48*time.Hour))
	if z := f.get(); z.Waiting != nil || z.Working != nil || f.memory() != 4096 {
		t.Errorf("waits %+v, applies %+v, jobs have %v MiB", z.Waiting, z.Working, f.memory())
	}
}

func TestWhatWaitsIsTakenBackWhenJobsChange(t *testing.T) {
	f := open(t)
	step := f.proposal(now)
	other := outcome(4096, engine.NoPart)
	other.Config, other.Own = map[string]any{"memory_mb": 4096.0}, sizes(4096)
	at := now.Add(2 * time.Hour)
	f.k.runs(1, 4096, at)
	for range 2 {
		if err := f.Heard(t.Context(), kind, other, at); err != nil {
			t.Fatal(err)
		}
	}
	f.sweep(at) // not later: it is looked at now
	if _, err := f.l.Approve(t.Context(), step.Patch, ""); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Approve = %v, want FailedPrecondition", err)
	}
	if _, err := f.Propose(t.Context(), kind, at); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Propose = %v, want that it is not known yet", err)
	}
	f.k.runs(20, 4096, at.Add(time.Hour))
	f.heard(other, at.Add(2*time.Hour))
	z := f.get()
	if z.Config["memory_mb"] != 4096.0 || z.Waiting == nil || z.Waiting.Before != 4096*mib {
		t.Errorf("sizes %v, waits %+v (%s), want a step of the new configuration", z.Config, z.Waiting, z.Reason)
	}
}

// TestWhateverHappensAFailureEndsTheStepThatCausedIt: runs, promotions, answers,
// crashes and late events in any order, and calls that fail.
func TestWhateverHappensAFailureEndsTheStepThatCausedIt(t *testing.T) {
	reverts := 0
	for seed := range uint64(12) {
		f, r := open(t), rand.New(rand.NewPCG(seed, 2))
		f.l.r = r
		live := f.Tailor
		f.Tailor = f.over(&crashing{f.z, func(rightsize.Sizing) bool { return r.IntN(8) == 0 }})
		at := now
		tell := func(what func() error) {
			for range 1 + r.IntN(2) {
				for what() != nil { // it is told until it is taken in
				}
			}
		}
		for i := range 40 {
			at = at.Add(time.Hour)
			mb := int64(f.memory())
			switch r.IntN(6) {
			case 0:
				f.l.promote(float64(1100 + 100*r.IntN(20)))
				tell(func() error {
					return f.Changed(t.Context(), kind, fmt.Sprintf("patches/p%d", len(f.l.patches)-1), rightsize.Applies, at)
				})
			case 1, 2:
				if z := f.known(); z.Waiting != nil {
					_, err := f.l.Approve(t.Context(), z.Waiting.Patch, "")
					if s := f.l.named(z.Waiting.Patch).State; err == nil || r.IntN(2) == 0 {
						tell(func() error { return f.Changed(t.Context(), kind, z.Waiting.Patch, s, at) })
					}
				}
			default:
				f.k.runs(20, mb, at)
				tell(func() error { return f.Heard(t.Context(), kind, outcome(mb, engine.NoPart), at) })
			}
			f.sweep(at.Add(time.Minute * time.Duration(r.IntN(12))))
			if e := f.l.active(); i%4 == 3 && e.request != "" {
				// A step applies: the first failure ends it, whatever was noted of it.
				want, ran := 1024.0, int64(e.memory)
				if e.below != nil {
					want = e.below.memory
				}
				if float64(ran) >= want {
					continue // it gave no less
				}
				at = at.Add(time.Minute)
				for live.Heard(t.Context(), kind, outcome(ran, engine.Tree), at) != nil {
				}
				f.sweep(at)
				if got := f.memory(); got != want || f.l.named(e.Name).State != rightsize.Withdrawn {
					t.Fatalf("seed %d: %s gave %d MiB and a run lacked memory; jobs have %v, want %v: %+v", seed, e.Name, ran, got, want, f.get())
				}
				reverts++
			}
			if f.l.count(rightsize.Applies) > 1 || f.l.count(rightsize.Waits) > 1 {
				t.Fatalf("seed %d: %d patches apply, %d wait", seed, f.l.count(rightsize.Applies), f.l.count(rightsize.Waits))
			}
		}
	}
	if reverts < 10 {
		t.Errorf("%d steps were taken back, too few to tell", reverts)
	}
}

// TestAnswersAreTheSameInAnyOrder: what became of two steps is told in every
// order, each twice, with a look in between or without.
func TestAnswersAreTheSameInAnyOrder(t *testing.T) {
	type news struct {
		step  int
		state rightsize.PatchState
	}
	all := []news{{0, rightsize.Applies}, {0, rightsize.Gone}, {1, rightsize.Waits}, {1, rightsize.Applies}}
	r := rand.New(rand.NewPCG(1, 3))
	for round := range 12 {
		f := open(t)
		f.l.promote(2048)
		f.heard(outcome(2048, engine.NoPart), now)
		var names []string
		for i := range 2 {
			at := now.Add(time.Duration(1+24*i) * time.Hour)
			names = append(names, f.proposal(at).Patch)
			f.approve(names[i])
			if i == 0 { // the second step is made by one who knows of the first
				f.heard(outcome(1536, engine.NoPart), at.Add(2*time.Hour))
			}
		}
		at := now.Add(48 * time.Hour)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, n := range append(slices.Clone(all), all...) {
			if err := f.Changed(t.Context(), kind, names[n.step], n.state, at); err != nil {
				t.Fatal(err)
			}
			if round%2 == 0 {
				f.sweep(at)
			}
		}
		f.heard(outcome(int64(f.memory()), engine.NoPart), at.Add(time.Hour))
		z := f.get()
		if z.Working == nil || z.Working.Patch != names[1] || z.Working.Without[engine.Tree] != 2048*mib || z.Waiting != nil {
			t.Errorf("told as %v: applies %+v, waits %+v (%s), want %s", all, z.Working, z.Waiting, z.Reason, names[1])
		}
		f.heard(outcome(int64(f.memory()), engine.Tree), at.Add(2*time.Hour))
		if f.memory() != 2048 {
			t.Errorf("told as %v: jobs have %v MiB after a failure, want 2048", all, f.memory())
		}
	}
}
