package rightsize

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// lowering returns a step from before to after, of jobs that ask for own and would
// have without if nothing had been right-sized.
func lowering(t *testing.T, own, without, before, after int64) *Step {
	t.Helper()
	p, err := engine.Lookup(engine.Process)
	if err != nil {
		t.Fatal(err)
	}
	s := &Step{Patch: "patches/p1", Part: engine.Tree, Before: before, After: after, Without: sizes(without), Saving: Saving{Before: before, After: after}}
	memory := func(bytes int64) config { return config{"memory_mb": float64(bytes / mib)} }
	if s.Operations, s.Lowered, err = Change(p, memory(own), memory(before), s.Without, engine.Tree, after); err != nil {
		t.Fatal(err)
	}
	return s
}

// lacked is the outcome of a run that asked for own, had ran, and lacked memory.
func lacked(own, ran int64) Outcome {
	return Outcome{
		Failure: "failures/f1", Config: config{"memory_mb": float64(own / mib)}, Own: sizes(own), Ran: sizes(ran), Lacked: engine.Tree,
	}
}

func TestAFailureIsBlamedOnWhatRightSizingTookAway(t *testing.T) {
	promoted := lowering(t, 4*gib, 8*gib, 8*gib, 6*gib)
	second := lowering(t, 4*gib, 8*gib, 6*gib, 5*gib)
	raised := lowering(t, 8*gib, 4*gib, 4*gib, 5*gib)
	for _, tc := range []struct {
		name string
		step *Step
		o    Outcome
		want bool
	}{
		{"less than was promoted, more than their own", promoted, lacked(4*gib, 6*gib), true},
		{"what was promoted", promoted, lacked(4*gib, 8*gib), false},
		{"their own, before anything was promoted", promoted, lacked(4*gib, 4*gib), false},
		{"the step before gave more", second, lacked(4*gib, 6*gib), true},
		{"the second step", second, lacked(4*gib, 5*gib), true},
		{"a job that asks for something else", promoted, lacked(7*gib, 7*gib), false},
		{"right-sizing gave more than was promoted", raised, lacked(8*gib, 5*gib), false},
	} {
		for _, z := range []Sizing{{Working: tc.step}, {Waiting: tc.step}, {Asking: tc.step}} {
			z.Type, z.Config = etlType, config{"memory_mb": 4096.0}
			heard, _ := z.Heard(tc.o, now)
			if got := heard.Blame != nil; got != tc.want {
				t.Errorf("%s: blamed %v, want %v", tc.name, got, tc.want)
			}
			if again, changed := heard.Heard(tc.o, now); tc.want && (changed || again.Blame != heard.Blame) {
				t.Errorf("%s: told again it is news", tc.name)
			}
		}
	}
	z, _ := sizing(func(z *Sizing) { z.Working, z.Own, z.Part = promoted, 4*gib, engine.Tree }).Heard(lacked(4*gib, 6*gib), now)
	if z = z.Reverted(now); z.Present != 8*gib || z.Raised[engine.Tree] != 7*gib {
		t.Errorf("taken back: %d MiB, floor %d MiB, want 8 GiB and 7", z.Present/mib, z.Raised[engine.Tree]/mib)
	}
}

func TestWhatAPatchOverAPromotedOneSavesIsAgainstThat(t *testing.T) {
	step := lowering(t, 4*gib, 8*gib, 8*gib, 6*gib)
	f := facts(6*gib, 5, nil)
	f.Active = step.Patch
	z, _ := sizing(func(z *Sizing) { z.Working, z.Active = step, step.Patch }).Look(f, settings, now)
	want := f.Parts[0].saving(8*gib, 6*gib, settings).DollarsPerMonth
	if z.AppliedDollars != want || want <= 0 {
		t.Errorf("saves $%v, want %v", z.AppliedDollars, want)
	}
}

func TestARunThatAsksForSomethingElseTakesBackWhatWaits(t *testing.T) {
	step := lowering(t, 4*gib, 4*gib, 4*gib, 3*gib)
	success := func(mb float64) Outcome {
		return Outcome{Config: config{"memory_mb": mb}, Own: sizes(int64(mb) * mib), Ran: sizes(int64(mb) * mib)}
	}
	waits := sizing(func(z *Sizing) { z.Waiting, z.Fresh, z.State = step, 50, Proposed })
	if z, changed := waits.Heard(success(4096), now); !z.Doubted.IsZero() || !changed || z.Due.Equal(now) {
		t.Errorf("after a run of what it is for: doubted %v, due %v", z.Doubted, z.Due)
	}
	for name, z := range map[string]Sizing{
		"waits": waits, "is being asked": sizing(func(z *Sizing) { z.Asking, z.Due = step, now.Add(time.Hour) }),
	} {
		doubted, changed := z.Heard(success(8192), now)
		if !changed || !doubted.Doubted.Equal(now) || !doubted.Due.Equal(now) || doubted.Offered["memory_mb"] != 8192.0 {
			t.Errorf("%s: doubted %v, due %v, %v", name, doubted.Doubted, doubted.Due, changed)
		}
		if _, changed := doubted.Heard(success(8192), now.Add(time.Second)); changed {
			t.Errorf("%s: the same again is news", name)
		}
	}
	doubted, _ := waits.Heard(success(8192), now)
	z, o := doubted.Look(facts(4*gib, 0, nil), settings, now)
	if o.Withdraw == "" || o.Propose != nil {
		t.Fatalf("order %+v, want the proposal withdrawn", o)
	}
	z, _ = z.Answered(step.Patch, Withdrawn, now)
	since := func(n int) Facts {
		f := facts(4*gib, 0, nil)
		f.Since = n
		return f
	}
	if z, o = z.Look(since(9), settings, now); o.Propose != nil || z.Doubted.IsZero() {
		t.Errorf("after 9 runs: %+v (%s), want nothing proposed", o, z.Reason)
	}
	// Both go on: what is proposed then stays, though runs ask for the other one.
	z, o = z.Look(since(10), settings, now)
	if o.Propose == nil || !z.Doubted.IsZero() {
		t.Fatalf("after 10 runs: %+v (%s), want a step", o, z.Reason)
	}
	step.Patch = "patches/p2"
	z = z.Asked(*step)
	if z, _ = z.Heard(success(8192), now); !z.Doubted.IsZero() {
		t.Error("what was known to be in use beside it is doubted again")
	}
	few := facts(4*gib, 0, func(e *Evidence) { e.Alike = 0.4 })
	if _, o = z.Look(few, settings, now); o.Withdraw == "" {
		t.Error("it waits though most runs ask for something else")
	}
	for i := range 3 * MostOthers {
		if z, _ = z.Heard(success(float64(9000+i)), now); len(z.Others) > MostOthers {
			t.Fatalf("%d others", len(z.Others))
		}
	}
	if adopted, _ := z.Adopt(); len(adopted.Others) != 0 || !adopted.Doubted.IsZero() {
		t.Errorf("adopted: %+v", adopted)
	}
}

func TestAPatchOfSomebodyElseBeginsTheCountAnew(t *testing.T) {
	z := sizing(func(z *Sizing) { z.Fresh, z.Updated = 19, now })
	f := facts(4*gib, 5, nil)
	f.Active = "patches/promoted"
	if z, o := z.Look(f, settings, now); o.Propose != nil || z.Fresh != 0 || z.Active != "patches/promoted" || !z.Began.Equal(now) {
		t.Errorf("fresh %d, active %q, %+v", z.Fresh, z.Active, o)
	}
	if z, _ := sizing(nil).Look(f, settings, now); z.Fresh != 5 || z.Active != "patches/promoted" {
		t.Errorf("the first look: fresh %d, active %q", z.Fresh, z.Active)
	}
	step := lowering(t, 4*gib, 4*gib, 4*gib, 3*gib)
	waits := sizing(func(z *Sizing) { z.Waiting, z.Fresh, z.State = step, 50, Proposed })
	if _, o := waits.Look(f, settings, now); o.Withdraw == "" {
		t.Error("what was made without it waits on")
	}
	beside, changed := waits.Beside("patches/promoted", now)
	if !changed || !beside.Due.Equal(now) {
		t.Errorf("a patch of somebody else: due %v, %v", beside.Due, changed)
	}
	if _, changed := beside.Beside("patches/promoted", now); changed {
		t.Error("told again it is news")
	}
	for name, z := range map[string]Sizing{"its own": waits, "nothing waits": z} {
		if _, changed := z.Beside(step.Patch, now); changed {
			t.Errorf("%s: news", name)
		}
	}
}

func TestAPatchThatWasForgottenIsWatchedAgain(t *testing.T) {
	step := lowering(t, 4*gib, 8*gib, 8*gib, 6*gib)
	found := Found{
		Patch: step.Patch, MadeOn: "patches/p0", Operations: step.Operations, Saving: step.Saving, Approved: now,
		Below: []engine.Operation{{Op: "test", Path: "/memory_mb", Value: 4096.0}, {Op: "replace", Path: "/memory_mb", Value: 8192.0}},
	}
	h := history.History{Type: etlType}
	run := func(n int, ran int64, killed bool) {
		a := history.Attempt{ID: fmt.Sprint(n), End: now.Add(time.Duration(n) * time.Minute), Seconds: 60, Outcome: history.Succeeded, Peak: gib, Sizes: sizes(ran)}
		if killed {
			a.Outcome, a.Killed = history.Failed, true
		}
		h = h.Learn(a)
	}
	run(-1, 6*gib, true) // before it was approved
	run(1, 6*gib, false)
	run(2, 4*gib, true) // it had less
	z, err := sizing(nil).Found(found, h, now)
	if err != nil || z.State != Applied || z.Blame != nil || z.Working == nil {
		t.Fatalf("found: %+v, %v", z, err)
	}
	if w := z.Working; w.Part != engine.Tree || !maps.Equal(w.Without, step.Without) || !maps.Equal(w.Lowered, step.Lowered) || w.After != 6*gib {
		t.Errorf("watched: %+v\nwant %+v", w, step)
	}
	run(3, 6*gib, true)
	run(4, 6*gib, true)
	if z, err = sizing(nil).Found(found, h, now); err != nil || z.Blame == nil || z.Blame.Failure != "failures/3" || !z.Guilty() {
		t.Errorf("found after failures: %+v, %v", z.Blame, err)
	}
	found.Operations = []engine.Operation{{Op: "replace", Path: "/memory_mb", Value: "much"}}
	if _, err := sizing(nil).Found(found, h, now); err == nil {
		t.Error("a value that is no memory is taken")
	}
}
