package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// attempt is attempt n of a job of one type, which ended in minute at.
func attempt(job, n, at int, change func(*record.Record)) record.Record {
	a := failure.Attempt{Source: "airflow", Job: fmt.Sprint("j", job), Number: n}
	r := record.Record{Type: failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}, Number: n, Cores: 1, Told: start.Add(time.Duration(at) * time.Minute)}
	r.ID, r.End, r.Seconds, r.Outcome = a.FailureID(), r.Told, 600, history.Failed
	r.Class, r.Fingerprint, r.Killed = failure.MemoryContainer, "killed", true
	r.Limit, r.Peak = 4*gib, 4*gib
	if n > 1 {
		a.Number--
		r.Previous = a.FailureID()
	}
	if change != nil {
		change(&r)
	}
	r.Sizes = map[engine.Part]int64{engine.Tree: r.Limit}
	return r
}

func succeeded(r *record.Record) {
	r.Outcome, r.Class, r.Fingerprint, r.Killed = history.Succeeded, "", "", false
	r.Limit, r.Peak = 8*gib, 6*gib
}

func unexplained(r *record.Record) {
	r.Class, r.Fingerprint, r.Killed, r.Peak = failure.Unknown, "f", false, 0
}

func playing() *replay {
	return newReplay(model.Builtin(), model.Builtin(), everywhere, time.Time{}, 1)
}

func learn(t *testing.T, r *replay, all ...record.Record) {
	t.Helper()
	for _, x := range all {
		if x.Type != r.kind {
			r.turn(x.Type)
		}
		if err := r.learn(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
}

// What a model is asked about a failure is asked with what had ended by then.
func TestNothingIsKnownBeforeItsTime(t *testing.T) {
	r := playing()
	for i := range 100 {
		learn(t, r, attempt(i, 1, 3*i, nil))
		for _, e := range r.open {
			o := e.opinions[theModel]
			for _, a := range o.history.Attempts {
				if !a.End.Before(o.record.End) {
					t.Fatalf("the answer about %v knows of %v", o.record.End, a.End)
				}
			}
		}
		if i > 10 {
			learn(t, r, attempt(i-10, 2, 3*i+1, succeeded))
		}
	}
	r.turn(failure.Type{})
	if r.scores[theModel].Failures != 89 || r.leftOut != 11 {
		t.Errorf("%d failures are scored, %d left out, want 89 and 11", r.scores[theModel].Failures, r.leftOut)
	}
}

func TestJobsThatNeverEndAreBounded(t *testing.T) {
	r := playing()
	for i := range mostOpen + 50 {
		learn(t, r, attempt(i, 1, i, nil))
		if len(r.open) > mostOpen {
			t.Fatalf("%d episodes are open", len(r.open))
		}
	}
	if r.leftOut != 50 {
		t.Errorf("%d are left out, want the 50 oldest", r.leftOut)
	}
	r = playing()
	for n := range 3 * mostAttempts {
		learn(t, r, attempt(1, n+1, n, unexplained))
		if len(r.open) > 1 || len(r.open) == 1 && len(r.open[0].costs) > mostAttempts {
			t.Fatalf("after %d attempts %d episodes are open", n+1, len(r.open))
		}
	}
}

func TestOnlyASampleIsPlayed(t *testing.T) {
	r := playing()
	r.share = 0.25
	for i := range 600 {
		learn(t, r, attempt(i, 1, 2*i, nil), attempt(i, 2, 2*i+1, succeeded))
	}
	// Three standard errors of 150 of 600 are 32.
	if n := r.scores[theModel].Failures; n < 118 || n > 182 {
		t.Errorf("%d of 600 failures are played, want a quarter", n)
	}
}

func TestAJobWhoseQuestionChangesIsLeftOut(t *testing.T) {
	r := playing()
	learn(t, r, attempt(1, 1, 1, unexplained), attempt(1, 2, 2, nil), attempt(1, 3, 3, succeeded))
	if r.leftOut != 1 || r.scores[theModel].Failures != 0 {
		t.Errorf("%d left out, %d scored, want one and none", r.leftOut, r.scores[theModel].Failures)
	}
}

// A failure of another class than memory and unknown is retried by a rule,
// whatever a model says.
func TestAFailureThatNoModelDecidesIsNotScored(t *testing.T) {
	r := playing()
	learn(t, r, attempt(1, 1, 1, func(r *record.Record) { unexplained(r); r.Class = failure.Throttling }), attempt(1, 2, 2, succeeded))
	if r.leftOut != 0 || r.scores[theModel].Failures != 0 {
		t.Errorf("%d left out, %d scored, want none", r.leftOut, r.scores[theModel].Failures)
	}
}

// Each engine's records are asked about as its attempts were.
func TestAllEnginesArePlayed(t *testing.T) {
	for _, tc := range []struct {
		engine string
		class  failure.Class
		part   engine.Part
	}{
		{engine.Process, failure.MemoryContainer, engine.Tree},
		{engine.JVM, failure.MemoryDriver, engine.Heap},
		{engine.Spark, failure.MemoryExecutor, engine.ExecutorHeap},
		{engine.Spark, failure.MemoryDriver, engine.DriverHeap},
	} {
		r := playing()
		r.turn(failure.Type{Workflow: "w", Step: "s", Engine: tc.engine})
		failed, mended := attempt(1, 1, 1, nil), attempt(1, 2, 2, succeeded)
		for _, x := range []*record.Record{&failed, &mended} {
			x.Type.Engine, x.Limit, x.Peak = tc.engine, 0, 0
			x.Sizes = map[engine.Part]int64{tc.part: 2 * gib}
		}
		failed.Class, failed.Killed = tc.class, false
		mended.Sizes = map[engine.Part]int64{tc.part: 64 * gib}
		learn(t, r, failed)
		if len(r.open) != 1 || r.open[0].question != moreMemory || r.open[0].first.setting.Part != tc.part || len(r.open[0].ladders[theModel]) == 0 {
			t.Fatalf("%s, %s: %d open, %+v", tc.engine, tc.class, len(r.open), r.open)
		}
		learn(t, r, mended)
		// 64 GiB bound the need: whatever lies between nobody knows.
		if r.leftOut != 1 {
			t.Errorf("%s, %s: %d left out, %+v", tc.engine, tc.class, r.leftOut, r.scores)
		}
	}
}
