package rightsize

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// world is a job type that runs for years: what each run needs, and what a human
// answers, is drawn.
type world struct {
	t        *testing.T
	r        *rand.Rand
	own      int64 // MiB
	base     float64
	spread   float64
	h        history.History
	z        Sizing
	at       time.Time
	n        int
	present  int64 // MiB
	refusals int
	refused  []int64
	proposed int
	reverts  int
}

// run is one run, and its retry with all that it needs when it lacked memory.
func (w *world) run() {
	w.at, w.n = w.at.Add(time.Hour), w.n+1
	need := int64(w.base*math.Exp(w.spread*w.r.NormFloat64())*mib) + mib
	had := w.present * mib
	a := history.Attempt{ID: fmt.Sprintf("%024x", w.n), End: w.at, Seconds: 1800, Sizes: sizes(had), Outcome: history.Succeeded, Peak: need}
	o := Outcome{Failure: "failures/" + a.ID, Config: map[string]any{"memory_mb": float64(w.own)}, Own: sizes(w.own * mib), Ran: sizes(had)}
	if need > had {
		a.Outcome, a.Killed, a.Peak, o.Lacked = history.Failed, true, had, engine.Tree
		retry := a
		retry.ID, retry.Previous, retry.Outcome, retry.Killed = a.ID+"r", a.ID, history.Succeeded, false
		retry.Peak, retry.Sizes, retry.End = need, sizes(2*need), w.at.Add(time.Minute)
		w.h = w.h.Learn(a, retry)
	} else {
		w.h = w.h.Learn(a)
	}
	before := w.z
	z, _ := w.z.Heard(o, w.at)
	if z.Blame != nil && w.z.Blame == nil {
		if before.Working == nil && before.Waiting == nil || o.Lacked == engine.NoPart || had >= w.own*mib {
			w.t.Fatalf("blamed for %+v", o)
		}
		if before.Working == nil || before.Working.After != had {
			z = z.Acquitted()
		} else {
			z, w.present, w.reverts = z.Reverted(w.at), w.own, w.reverts+1
			if z.Raised[engine.Tree] <= had {
				w.t.Fatalf("the floor is %d after a failure with %d", z.Raised[engine.Tree], had)
			}
		}
	}
	w.z = z
}

func sizes(bytes int64) map[engine.Part]int64 { return map[engine.Part]int64{engine.Tree: bytes} }

// look looks, and answers at once or later.
func (w *world) look() {
	f, err := Gather(w.h, w.z, map[string]any{"memory_mb": float64(w.present)}, settings, w.at)
	if err != nil {
		w.t.Fatal(err)
	}
	z, o := w.z.Look(f, settings, w.at)
	w.z = z
	if o.Withdraw != "" {
		w.z, _ = w.z.Answered(w.z.Waiting.Patch, Withdrawn, w.at)
		return
	}
	if p := o.Propose; p != nil {
		w.proposed++
		w.mustBeAllowed(*p)
		step := *p
		step.Patch, step.Lowered = fmt.Sprintf("patches/p%d", w.proposed), sizes(step.After)
		if step.After >= w.own*mib {
			step.Lowered = nil
		}
		w.z = w.z.Asked(step)
	}
	if w.z.Waiting == nil {
		return
	}
	switch w.r.IntN(6) {
	case 0:
		w.refusals, w.refused = w.refusals+1, append(w.refused, w.z.Waiting.After)
		w.z, _ = w.z.Answered(w.z.Waiting.Patch, Refused, w.at)
	case 1: // later
	default:
		w.present = w.z.Waiting.After / mib
		w.z, _ = w.z.Answered(w.z.Waiting.Patch, Applies, w.at)
	}
}

func (w *world) mustBeAllowed(p Step) {
	w.t.Helper()
	switch change := p.After - p.Before; {
	case p.Before != w.present*mib:
		w.t.Fatalf("a step from %d while runs have %d MiB", p.Before/mib, w.present)
	case math.Abs(float64(change)) > MaxStep*float64(p.Before)+mib:
		w.t.Fatalf("a step from %d to %d MiB", p.Before/mib, p.After/mib)
	case change < 0 && p.After < max(settings.Floor, w.z.Raised[engine.Tree]):
		w.t.Fatalf("a step to %d MiB, below the floor %v", p.After/mib, w.z.Raised)
	case change < 0 && p.Saving.FailAfter > settings.MaxRisk:
		w.t.Fatalf("a step of risk %v", p.Saving.FailAfter)
	case change < 0 && w.z.Fresh < settings.MinRuns<<min(w.reverts, mostDoublings) && w.z.Waiting == nil:
		w.t.Fatalf("a step after %d runs and %d failures", w.z.Fresh, w.reverts)
	case slices.ContainsFunc(w.refused, func(no int64) bool { return math.Abs(float64(p.After-no)) <= MaxStep*float64(no) }):
		w.t.Fatalf("%d MiB proposed after %d was refused", p.After/mib, w.refused)
	}
}

func TestAJobTypeOverYears(t *testing.T) {
	proposed, reverts, refusals, settled := 0, 0, 0, 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 11))
		w := &world{
			t: t, r: r, own: int64(256 + r.IntN(8000)), base: float64(70 + r.IntN(2000)), spread: 0.2 * r.Float64(), at: now,
			z: Sizing{Type: etlType}, h: history.History{Type: etlType},
		}
		w.present = w.own
		late := 0 // proposals in the last quarter
		const looks = 60
		for i := range looks {
			for range 1 + r.IntN(12) {
				w.run()
			}
			before := w.proposed
			w.look()
			if i >= looks*3/4 {
				late += w.proposed - before
			}
		}
		proposed, reverts, refusals = proposed+w.proposed, reverts+w.reverts, refusals+w.refusals
		if late == 0 {
			settled++
		}
		if w.reverts > 6 {
			t.Errorf("seed %d: %d failures took patches back", seed, w.reverts)
		}
	}
	t.Logf("%d proposals, %d refused, %d taken back; %d of 12 settled", proposed, refusals, reverts, settled)
	if proposed < 30 || refusals < 5 || reverts < 1 || settled < 8 {
		t.Errorf("%d proposals, %d refused, %d taken back; %d of 12 settled", proposed, refusals, reverts, settled)
	}
}
