package tailor_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
)

const mib = 1 << 20

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	kind = failure.Type{Workflow: "etl", Step: "load", Engine: engine.Process}
)

// known is the history of the one type that there is.
type known struct{ history.History }

func (k *known) Get(context.Context, failure.Type) (history.History, error) { return k.History, nil }

func sizes(mb int64) map[engine.Part]int64 { return map[engine.Part]int64{engine.Tree: mb * mib} }

// runs adds n successes with so much memory, of which they used 200 MiB.
func (k *known) runs(n int, mb int64, at time.Time) {
	for i := range n {
		k.History = k.Learn(history.Attempt{
			ID: fmt.Sprintf("%020d%02d%02d", at.UnixNano(), mb%100, i), End: at.Add(time.Duration(i) * time.Second), Seconds: 600, Outcome: history.Succeeded,
			Peak: (200 + int64(i)%3) * mib, Sizes: sizes(mb),
		})
	}
}

// fails adds a run that had so much memory and lacked it.
func (k *known) fails(mb int64, at time.Time) {
	k.History = k.Learn(history.Attempt{
		ID: fmt.Sprintf("%020df", at.UnixNano()), End: at, Seconds: 60, Outcome: history.Failed, Killed: true, Peak: mb * mib, Sizes: sizes(mb),
	})
}

func outcome(ran int64, lacked engine.Part) rightsize.Outcome {
	return rightsize.Outcome{
		Failure: "failures/f", Config: map[string]any{"memory_mb": 1024.0}, Own: sizes(1024), Ran: sizes(ran), Lacked: lacked,
	}
}

// fixture is a tailor with all around it.
type fixture struct {
	*tailor.Tailor
	t    *testing.T
	l    *ledger
	k    *known
	z    *store.Rightsizings
	mode rightsize.Mode
}

func open(t *testing.T) *fixture {
	f := &fixture{t: t, l: &ledger{}, k: &known{history.History{Type: kind}}, z: store.NewRightsizings(storetest.Open(t))}
	f.Tailor = f.over(f.z)
	return f
}

// over returns a tailor that keeps what it knows in z.
func (f *fixture) over(z tailor.Sizings) *tailor.Tailor {
	return tailor.New(z, f.k, f.l, func(failure.Type) rightsize.Settings {
		return rightsize.Settings{
			Mode: f.mode, MinRuns: 10, MaxRisk: 0.02, Floor: 64 * mib, MaxMemory: 64 << 30, MinDollars: 0.001,
			Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, MinSeconds: 60, FailedShare: 1,
		}
	}, func(tailor.Action) {}, slog.New(slog.DiscardHandler))
}

func (f *fixture) get() rightsize.Sizing {
	f.t.Helper()
	z, err := f.z.Get(f.t.Context(), kind)
	if err != nil {
		f.t.Fatal(err)
	}
	return z
}

// known is get, before anything is kept.
func (f *fixture) known() rightsize.Sizing {
	z, err := f.z.Get(f.t.Context(), kind)
	if err != nil && !errs.Is(err, errs.NotFound) {
		f.t.Fatal(err)
	}
	return z
}

// heard tells an outcome twice, and looks.
func (f *fixture) heard(o rightsize.Outcome, at time.Time) {
	f.t.Helper()
	for range 2 {
		if err := f.Heard(f.t.Context(), kind, o, at); err != nil {
			f.t.Fatal(err)
		}
	}
	f.sweep(at.Add(rightsize.LookEvery))
	f.sweep(at.Add(rightsize.LookEvery)) // what was proposed is approved
}

// sweep looks until nothing fails.
func (f *fixture) sweep(at time.Time) {
	f.t.Helper()
	for tries := 0; ; tries++ {
		err := f.Sweep(f.t.Context(), at)
		if err == nil {
			return
		}
		if !errs.Is(err, errs.Unavailable) || tries > 200 {
			f.t.Fatal(err)
		}
	}
}

func TestAPolicyThatAppliesStepsDownUntilARunFails(t *testing.T) {
	for seed := range uint64(8) { // 0: nothing fails
		f := open(t)
		f.mode = rightsize.Apply
		if seed > 0 {
			f.l.r = rand.New(rand.NewPCG(seed, 1))
		}
		at, present := now, int64(1024)
		for range 8 {
			at = at.Add(24 * time.Hour)
			f.k.runs(20, present, at)
			f.heard(outcome(present, engine.NoPart), at.Add(time.Hour))
			f.heard(outcome(present, engine.NoPart), at.Add(2*time.Hour))
			z := f.get()
			if n := f.l.count(rightsize.Applies); n > 1 || f.l.count(rightsize.Waits) > 0 {
				t.Fatalf("seed %d: %d patches apply, %d wait", seed, n, f.l.count(rightsize.Waits))
			}
			if z.Working == nil {
				t.Fatalf("seed %d: nothing applies: %s", seed, z.Reason)
			}
			next := z.Working.After / mib
			if next < present*3/4 || next > present {
				t.Fatalf("seed %d: from %d to %d MiB", seed, present, next)
			}
			present = next
		}
		if z := f.get(); z.State != rightsize.Settled || present > 230 || present < 200 {
			t.Errorf("seed %d: %v at %d MiB (%s), want settled above 200", seed, z.State, present, z.Reason)
		}
		made := len(f.l.patches)
		f.heard(outcome(present, engine.Tree), at.Add(48*time.Hour))
		f.heard(outcome(present, engine.Tree), at.Add(49*time.Hour))
		if z := f.get(); z.State != rightsize.Reverted || z.Reverts != 1 || z.Working != nil || f.l.count(rightsize.Applies) != 0 || len(f.l.patches) != made {
			t.Errorf("seed %d: after the failure %v, %d reverts, %d patches apply, %d more", seed, z.State, z.Reverts, f.l.count(rightsize.Applies), len(f.l.patches)-made)
		}
	}
}

func TestRacingReplicasMakeOneProposal(t *testing.T) {
	f := open(t)
	f.k.runs(20, 1024, now)
	if err := f.Heard(t.Context(), kind, outcome(1024, engine.NoPart), now); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := f.Sweep(t.Context(), now); err != nil && !errs.Is(err, errs.Conflict) {
				t.Error(err)
			}
			if _, err := f.Propose(t.Context(), kind, now); err != nil && !errs.Is(err, errs.Conflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if z := f.get(); z.Waiting == nil || len(f.l.patches) != 1 || z.Waiting.Patch != f.l.patches[0].Name {
		t.Errorf("%d patches, waiting %+v", len(f.l.patches), z.Waiting)
	}
}

func TestAFailureBeforeTheAnswerIsHeardTakesThePatchBack(t *testing.T) {
	f := open(t)
	f.k.runs(20, 1024, now)
	f.heard(outcome(1024, engine.NoPart), now)
	z := f.get()
	if z.Waiting == nil {
		t.Fatalf("nothing waits: %s", z.Reason)
	}
	// A run with as much for another reason, while nothing applies.
	f.heard(outcome(768, engine.Tree), now.Add(time.Hour))
	if z = f.get(); z.Blame != nil || z.Reverts != 0 {
		t.Fatalf("blamed: %+v", z)
	}
	if z.Waiting == nil {
		t.Fatalf("nothing waits: %s", z.Reason)
	}
	if _, err := f.l.Approve(t.Context(), z.Waiting.Patch, ""); err != nil {
		t.Fatal(err)
	}
	f.heard(outcome(768, engine.Tree), now.Add(2*time.Hour))
	if z = f.get(); z.State != rightsize.Reverted || f.l.count(rightsize.Applies) != 0 {
		t.Errorf("%v, %d patches apply", z.State, f.l.count(rightsize.Applies))
	}
	for range 2 { // told late
		if err := f.Changed(t.Context(), kind, f.l.patches[0].Name, rightsize.Applies, now); err != nil {
			t.Fatal(err)
		}
	}
	if z = f.get(); z.Working != nil {
		t.Error("a late answer brings the patch back")
	}
}

func TestNothingToProposeSaysWhy(t *testing.T) {
	f := open(t)
	if _, err := f.Propose(t.Context(), kind, now); !errs.Is(err, errs.NotFound) {
		t.Errorf("of an unknown type: %v, want NotFound", err)
	}
	f.k.runs(5, 1024, now)
	if err := f.Heard(t.Context(), kind, outcome(1024, engine.NoPart), now); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Propose(t.Context(), kind, now); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("after few runs: %v, want FailedPrecondition", err)
	}
	f.mode = rightsize.Off
	f.k.runs(20, 1024, now.Add(time.Hour))
	f.heard(outcome(1024, engine.NoPart), now.Add(time.Hour))
	if len(f.l.patches) != 0 {
		t.Error("proposed while it is off")
	}
	if z, err := f.Propose(t.Context(), kind, now.Add(2*time.Hour)); err != nil || z.Waiting == nil {
		t.Errorf("asked for while it is off: %+v, %v", z.Waiting, err)
	}
}

func TestARunWithoutMemoryToSizeIsNoNews(t *testing.T) {
	f := open(t)
	if err := f.Heard(t.Context(), kind, rightsize.Outcome{}, now); err != nil {
		t.Fatal(err)
	}
	page, err := docstore.NewPaging(0, "")
	if err != nil {
		t.Fatal(err)
	}
	if all, _, err := f.z.List(t.Context(), rightsize.NoState, "", page); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}
