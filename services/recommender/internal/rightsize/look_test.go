package rightsize

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	etlType = failure.Type{Workflow: "etl", Step: "load", Engine: engine.Process}
)

// facts are those of 100 runs that have present and need 200 to 300 MiB, of
// which fresh are new.
func facts(present int64, fresh int, change func(*Evidence)) Facts {
	return Facts{Parts: []Evidence{*evidence(4*gib, present, even(200*mib, 300*mib), change)}, Fresh: fresh, Newest: now}
}

// sizing is one that was heard of, changed.
func sizing(change func(*Sizing)) Sizing {
	z := Sizing{Type: etlType, Config: map[string]any{"memory_mb": 4096.0}, Created: now}
	if change != nil {
		change(&z)
	}
	return z
}

func proposed(z Sizing, o Order, patch string) Sizing {
	step := *o.Propose
	step.Patch, step.Lowered = patch, map[engine.Part]int64{step.Part: step.After}
	return z.Asked(step)
}

func TestLook(t *testing.T) {
	step := &Step{Patch: "patches/p1", Part: engine.Tree, Before: 4 * gib, After: 3 * gib}
	waits := func(z *Sizing) { z.Waiting, z.State, z.Fresh = step, Proposed, 50 }
	off := settings
	off.Mode = Off
	for _, tc := range []struct {
		name     string
		z        Sizing
		f        Facts
		s        Settings
		state    State
		propose  int64 // bytes after; 0 for no proposal
		withdraw bool
	}{
		{"enough runs", sizing(nil), facts(4*gib, 20, nil), settings, NoState, 3 * gib, false},
		{"nothing measured", sizing(nil), Facts{Note: "none"}, settings, Learning, 0, false},
		{"too few runs", sizing(nil), facts(4*gib, 19, func(e *Evidence) { e.Runs = 19 }), settings, Learning, 0, false},
		{"too few with what they have now", sizing(nil), facts(4*gib, 19, nil), settings, Learning, 0, false},
		{"runs are counted over looks", sizing(func(z *Sizing) { z.Fresh = 19 }), facts(4*gib, 1, nil), settings, NoState, 3 * gib, false},
		{"a patch that applies is watched first", sizing(func(z *Sizing) { z.Working = step }), facts(3*gib, 19, nil), settings, Applied, 0, false},
		{"then comes the next step", sizing(func(z *Sizing) { z.Working = step }), facts(3*gib, 20, nil), settings, NoState, 2304 * mib, false},
		{"after a failure twice as many runs", sizing(func(z *Sizing) { z.Reverts, z.State = 1, Reverted }), facts(4*gib, 39, nil), settings, Reverted, 0, false},
		{"and then again", sizing(func(z *Sizing) { z.Reverts, z.State = 1, Reverted }), facts(4*gib, 40, nil), settings, Reverted, 3 * gib, false},
		{"never below what a failure raised", sizing(func(z *Sizing) { z.Reverts, z.Raised = 1, map[engine.Part]int64{engine.Tree: 3500 * mib} }), facts(4*gib, 40, nil), settings, NoState, 3500 * mib, false},
		{"small enough", sizing(nil), facts(310*mib, 20, nil), settings, Settled, 0, false},
		{"more is proposed at once", sizing(nil), facts(250*mib, 0, nil), settings, NoState, 300 * mib, false},
		{"switched off", sizing(nil), facts(4*gib, 20, nil), off, Learning, 0, false},
		{"runs ask for different amounts", sizing(nil), facts(4*gib, 20, func(e *Evidence) { e.Alike = 0.4 }), settings, Learning, 0, false},
		{"refused", sizing(func(z *Sizing) { z.Refused = []Refusal{{engine.Tree, 3 * gib}} }), facts(4*gib, 20, nil), settings, Rejected, 0, false},
		{"refused, and less than a step away", sizing(func(z *Sizing) { z.Refused = []Refusal{{engine.Tree, 2500 * mib}} }), facts(4*gib, 20, nil), settings, Rejected, 0, false},
		{"refused, and more than a step away", sizing(func(z *Sizing) { z.Refused = []Refusal{{engine.Tree, 2400 * mib}} }), facts(4*gib, 20, nil), settings, NoState, 3 * gib, false},
		{"a proposal waits", sizing(waits), facts(4*gib, 5, nil), settings, Proposed, 0, false},
		{"a proposal is not for what runs have now", sizing(waits), facts(2*gib, 5, nil), settings, Proposed, 0, true},
		{"a proposal has become too small", sizing(waits), facts(4*gib, 5, func(e *Evidence) { e.Short = 3 * gib }), settings, Proposed, 0, true},
		{"a proposal has become too risky", sizing(waits), Facts{Parts: []Evidence{*evidence(4*gib, 4*gib, even(200*mib, 3500*mib), nil)}}, settings, Proposed, 0, true},
		{"a proposal waits while it is off", sizing(waits), facts(4*gib, 5, nil), off, Proposed, 0, false},
		{"a proposal is of no part that is known", sizing(waits), Facts{Note: "none"}, settings, Learning, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			z, o := tc.z.Look(tc.f, tc.s, now)
			after := int64(0)
			if o.Propose != nil {
				after = o.Propose.After
			}
			if z.State != tc.state || after != tc.propose || (o.Withdraw != "") != tc.withdraw {
				t.Errorf("state %v, proposes %d MiB, withdraws %q (%s), want %v, %d MiB, %v", z.State, after/mib, o.Withdraw, z.Reason, tc.state, tc.propose/mib, tc.withdraw)
			}
			if tc.propose == 0 && z.Reason == "" && tc.state != Proposed {
				t.Error("no reason")
			}
		})
	}
}

func TestABetterStepTakesThePlaceOfTheOneThatWaits(t *testing.T) {
	step := &Step{Patch: "patches/p1", Part: engine.Tree, Before: 4 * gib, After: 3500 * mib}
	_, o := sizing(func(z *Sizing) { z.Waiting, z.Fresh = step, 50 }).Look(facts(4*gib, 5, nil), settings, now)
	if o.Propose == nil || o.Propose.After != 3*gib || o.Withdraw != "" {
		t.Errorf("order = %+v", o)
	}
}

// The patch keeps the words that it was made with; what is told beside it is by
// the runs of today.
func TestAProposalThatStaysIsExplainedByTheNewestRuns(t *testing.T) {
	z, o := sizing(nil).Look(facts(4*gib, 20, nil), settings, now)
	z = proposed(z, o, "patches/p1")
	before := z.Reason
	z, o = z.Look(facts(4*gib, 20, func(e *Evidence) { e.Runs, e.Peak = 77, 321*mib }), settings, now)
	if o.Propose != nil || o.Withdraw != "" || z.Reason == before || !strings.HasPrefix(z.Reason, "77 runs needed at most 321 MiB; with 3 GiB instead of 4 GiB") {
		t.Errorf("%q, then %q and %+v", before, z.Reason, o)
	}
}

func TestAnswers(t *testing.T) {
	z, o := sizing(nil).Look(facts(4*gib, 20, nil), settings, now)
	z = proposed(z, o, "patches/p1")
	if z.State != Proposed || z.Rounds != 1 || z.Saving.DollarsPerMonth <= 0 || z.Next != 3*gib {
		t.Fatalf("asked: %+v", z)
	}
	applied, changed := z.Answered("patches/p1", Applies, now)
	if !changed || applied.State != Applied || applied.Working == nil || applied.Waiting != nil || applied.Fresh != 0 {
		t.Fatalf("approved: %+v, %v", applied, changed)
	}
	if again, changed := applied.Answered("patches/p1", Applies, now); changed || again.State != Applied {
		t.Errorf("approved twice: %v", again.State)
	}
	for name, tc := range map[string]struct {
		z     Sizing
		to    PatchState
		state State
		no    bool // it is refused then
	}{
		"rejected":              {z, Refused, Rejected, true},
		"withdrawn":             {z, Withdrawn, Learning, false},
		"superseded or expired": {z, Gone, Learning, false},
		"revoked by hand":       {applied, Refused, Rejected, true},
		"ended":                 {applied, Gone, Learning, false},
	} {
		got, changed := tc.z.Answered("patches/p1", tc.to, now)
		if !changed || got.State != tc.state || slices.Contains(got.Refused, Refusal{engine.Tree, 3 * gib}) != tc.no || got.Waiting != nil || got.Working != nil {
			t.Errorf("%s: %v, refused %+v, %+v, %+v", name, got.State, got.Refused, got.Waiting, got.Working)
		}
		if _, changed := got.Answered("patches/p1", tc.to, now); changed {
			t.Errorf("%s twice is news", name)
		}
	}
	for _, other := range []string{"", "patches/p2"} {
		if _, changed := z.Answered(other, Refused, now); changed {
			t.Errorf("an answer about %q is news", other)
		}
	}
}

// outcome is that of a run that lacked memory.
func outcome(ran, own int64) Outcome {
	return Outcome{
		Failure: "failures/f1", Config: map[string]any{"memory_mb": 4096.0}, Lacked: engine.Tree,
		Ran: map[engine.Part]int64{engine.Tree: ran}, Own: map[engine.Part]int64{engine.Tree: own},
	}
}

func TestOnlyWhatAPatchCausedIsBlamedOnIt(t *testing.T) {
	step := &Step{Patch: "patches/p1", Part: engine.Tree, Before: 4 * gib, After: 3 * gib, Lowered: map[engine.Part]int64{engine.Tree: 3 * gib}}
	working := sizing(func(z *Sizing) { z.Working, z.State = step, Applied })
	for _, tc := range []struct {
		name string
		z    Sizing
		o    Outcome
		want bool
	}{
		{"it ran with the patch, and its own configuration has more", working, outcome(3*gib, 4*gib), true},
		{"it had more than the patch gives", working, outcome(4*gib, 4*gib), false},
		{"it ran with the step before, which gave more and was too little", working, outcome(3500*mib, 4*gib), true},
		{"it had less than the patch gives", working, outcome(2*gib, 4*gib), false},
		{"its own configuration has no more", working, outcome(3*gib, 3*gib), false},
		{"it failed of something else", working, func() Outcome { o := outcome(3*gib, 4*gib); o.Lacked = engine.NoPart; return o }(), false},
		{"it lacked another part", working, func() Outcome { o := outcome(3*gib, 4*gib); o.Lacked = engine.Python; return o }(), false},
		{"no patch applies", sizing(nil), outcome(3*gib, 4*gib), false},
		{"the proposal may have been approved just now", sizing(func(z *Sizing) { z.Waiting = step }), outcome(3*gib, 4*gib), true},
	} {
		z, changed := tc.z.Heard(tc.o, now)
		if got := z.Blame != nil; got != tc.want || !changed {
			t.Errorf("%s: blamed %v, changed %v", tc.name, got, changed)
		}
		if tc.want && !z.Due.Equal(now) {
			t.Errorf("%s: looked at %v, want now", tc.name, z.Due)
		}
		if again, changed := z.Heard(tc.o, now); changed || again.Blame != z.Blame {
			t.Errorf("%s: told again it is news", tc.name)
		}
	}
}

func TestAFailureTakesThePatchBackAndRaisesTheFloor(t *testing.T) {
	step := &Step{Patch: "patches/p1", Part: engine.Tree, Before: 4 * gib, After: 3 * gib, Lowered: map[engine.Part]int64{engine.Tree: 3 * gib}}
	z, _ := sizing(func(z *Sizing) { z.Working, z.Fresh = step, 30 }).Heard(outcome(3*gib, 4*gib), now)
	z = z.Reverted(now)
	if z.State != Reverted || z.Working != nil || z.Blame != nil || z.Reverts != 1 || z.Fresh != 0 || z.Raised[engine.Tree] != 3584*mib {
		t.Fatalf("reverted: %+v", z)
	}
	if _, changed := z.Heard(outcome(3*gib, 4*gib), now); changed {
		t.Error("a late run with the patch is news")
	}
	// What may be proposed then is bounded by it, and comes to an end: each try
	// halves what is left.
	for z.Reverts < 10 {
		next, o := z.Look(facts(4*gib, 20<<z.Reverts, nil), settings, now)
		if z = next; o.Propose == nil {
			break
		}
		if o.Propose.After <= 3*gib || o.Propose.After < z.Raised[engine.Tree] {
			t.Fatalf("proposes %d MiB again", o.Propose.After/mib)
		}
		z, _ = proposed(z, o, "patches/p2").Answered("patches/p2", Applies, now)
		z, _ = z.Heard(outcome(o.Propose.After, 4*gib), now)
		z = z.Reverted(now)
	}
	if z.State != Settled || z.Reverts > 4 {
		t.Errorf("after %d failures: %v (%s), want settled after a few", z.Reverts, z.State, z.Reason)
	}
}

func TestWhatAFailureNeededRaisesTheFloorFurther(t *testing.T) {
	step := &Step{Patch: "patches/p1", Part: engine.Tree, Before: gib, After: 768 * mib, Lowered: map[engine.Part]int64{engine.Tree: 768 * mib}}
	o := outcome(768*mib, 4*gib)
	o.Peak = 2 * gib // by a watchdog that came late
	z, _ := sizing(func(z *Sizing) { z.Working = step }).Heard(o, now)
	if z = z.Reverted(now); z.Raised[engine.Tree] <= 2*gib {
		t.Errorf("floor %d MiB", z.Raised[engine.Tree]/mib)
	}
}

func TestOutcomesAreLookedAtTogether(t *testing.T) {
	o := Outcome{Config: map[string]any{"memory_mb": 4096.0}, Ran: map[engine.Part]int64{engine.Tree: 4 * gib}}
	z, changed := Sizing{Type: etlType}.Heard(o, now)
	if !changed || !z.Due.Equal(now) || z.State != Learning || z.Config == nil {
		t.Errorf("first: %+v", z)
	}
	if _, changed := z.Heard(o, now); changed {
		t.Error("a second outcome before the look is news")
	}
	z, _ = z.Look(Facts{Note: "nothing is measured"}, settings, now)
	if z, changed = z.Heard(o, now); !changed || !z.Due.Equal(now.Add(LookEvery)) {
		t.Errorf("with nothing to count: due %v, want in 10 minutes", z.Due)
	}
	z, _ = z.Look(facts(4*gib, 1, nil), settings, now)
	if z, changed = z.Heard(o, now); !changed || !z.Due.Equal(now.Add(CountEvery)) {
		t.Errorf("with too few runs: due %v, want in a minute", z.Due)
	}
	z, _ = z.Look(facts(310*mib, 20, nil), settings, now)
	if z, changed = z.Heard(o, now); !changed || !z.Due.Equal(now.Add(LookEvery)) {
		t.Errorf("settled: due %v, want in 10 minutes", z.Due)
	}
}

func TestAnotherConfigurationIsSizedOnceNoRunHasTheOldOne(t *testing.T) {
	step := &Step{Patch: "patches/p1", Part: engine.Tree, Before: 4 * gib, After: 3 * gib}
	z := sizing(func(z *Sizing) { z.Working, z.Offered = step, map[string]any{"memory_mb": 8192.0} })
	if z.Adopts(facts(3*gib, 5, func(e *Evidence) { e.Alike = 0.1 })) {
		t.Error("another configuration is taken while some runs have the old one")
	}
	other := facts(3*gib, 5, func(e *Evidence) { e.Alike = 0 })
	if !z.Adopts(other) {
		t.Error("the old configuration is kept")
	}
	got, ended := z.Adopt()
	if got.Config["memory_mb"] != 8192.0 || len(ended) != 1 || ended[0].Patch != "patches/p1" || got.Working != nil || got.Adopts(other) {
		t.Errorf("adopted %+v, ended %+v", got, ended)
	}
}
