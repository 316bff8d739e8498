package record_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// world is all that a driver talks to; it outlives the driver.
type world struct {
	store docstore.Store

	mu      sync.Mutex
	events  []bus.Event
	patches map[string]string // by request id
	same    []int             // what the recommender was told
	down    error             // what the recommender and the patcher answer
	refuse  error             // what the patcher answers

	// steps counts everything that a crash can come before or after; at step
	// dies the process is gone.
	steps, dies int
	dead        bool
}

func newWorld(t testing.TB) *world {
	return &world{store: storetest.Open(t), patches: map[string]string{}}
}

var errDead = errs.New(errs.Internal, "the process is dead")

// step reports whether the process is still there.
func (w *world) step() bool {
	if w.steps++; w.steps == w.dies {
		w.dead = true
	}
	return !w.dead
}

// Commit implements store.Committer. A crash comes before it or after it.
func (w *world) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.step() {
		return errDead
	}
	if err := w.store.Commit(ctx, writes...); err != nil {
		return err
	}
	w.events = append(w.events, events...)
	if !w.step() {
		return errDead
	}
	return nil
}

// Recommend wants twice the memory for memory, and nothing else for the rest.
func (w *world) Recommend(_ context.Context, q record.Question) (record.Recommendation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.step() {
		return record.Recommendation{}, errDead
	}
	if w.down != nil {
		return record.Recommendation{}, w.down
	}
	w.same = append(w.same, q.SameFailures)
	p := &redrivev1.Recommendation{Outcome: redrivev1.Recommendation_OUTCOME_KEEP}
	r := record.Recommendation{Outcome: record.Keep}
	if q.Result.Class.Memory() {
		memory := q.Config["memory_mb"].(float64)
		r = record.Recommendation{Outcome: record.Change, Operations: []rule.Operation{
			{Op: "test", Path: "/memory_mb", Value: fmt.Appendf(nil, "%g", memory)}, {Op: "replace", Path: "/memory_mb", Value: fmt.Appendf(nil, "%g", 2*memory)},
		}}
		p.Outcome = redrivev1.Recommendation_OUTCOME_CHANGE
	}
	p.Operations = wire.Operations(r.Operations)
	r.Answer = p
	return r, nil
}

// CreatePatch makes one patch a request id.
func (w *world) CreatePatch(_ context.Context, f record.Failure) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.step() {
		return "", errDead
	}
	if w.down != nil {
		return "", w.down
	}
	if w.refuse != nil {
		return "", w.refuse
	}
	if w.patches[f.ID()] == "" {
		w.patches[f.ID()] = fmt.Sprint("patches/", len(w.patches)+1)
	}
	if !w.step() {
		return "", errDead
	}
	return w.patches[f.ID()], nil
}

// driver starts a new process.
func (w *world) driver(t testing.TB) *record.Driver {
	set := rules(t)
	return &record.Driver{
		Store: store.NewFailures(w.store, w), Rules: func() *rule.Set { return set }, Recommender: w, Patcher: w, Timeout: time.Minute,
		Done: func(record.Failure) {}, Classified: func(time.Duration) {},
	}
}

func TestClassifyAnswersTheSameTwice(t *testing.T) {
	for log, want := range map[string]struct {
		class failure.Class
		patch string
	}{
		"OutOfMemoryError": {failure.MemoryDriver, "patches/1"}, "spot machine gone": {failure.Preemption, "patches/1"},
		"ZeroDivisionError": {failure.CodeBug, ""}, "hm": {failure.Unknown, ""},
	} {
		t.Run(log, func(t *testing.T) {
			w := newWorld(t)
			d := w.driver(t)
			first, err := d.Classify(t.Context(), report(1, log))
			if err != nil {
				t.Fatal(err)
			}
			if first.State != record.Final || first.Result.Class != want.class || first.Patch != want.patch {
				t.Errorf("Classify = %+v, want %v", first, want)
			}
			if first.Config["db_password"] != "[REDACTED]" || first.Config["memory_mb"] != 512.0 {
				t.Errorf("config = %v, want the password masked alone", first.Config)
			}
			other := report(1, "told otherwise the second time: ZeroDivisionError")
			second, err := d.Classify(t.Context(), other)
			if err != nil || second.Result.Class != want.class || second.Patch != want.patch {
				t.Errorf("Classify again = %v, %+v, want what was stored", err, second.Result)
			}
			if len(w.events) != 1 || w.events[0].Type != bus.FailureClassified || w.events[0].ID != first.ID() {
				t.Errorf("events = %+v, want failure.classified once", w.events)
			}
		})
	}
}

func TestHearingAgainAnnouncesAgain(t *testing.T) {
	w := newWorld(t)
	d := w.driver(t)
	for range 3 {
		if err := d.Hear(t.Context(), report(1, "OutOfMemoryError")); err != nil {
			t.Fatal(err)
		}
	}
	var emissions []int
	for _, e := range w.events {
		emissions = append(emissions, e.Emission)
	}
	if fmt.Sprint(emissions) != "[0 1 2]" || len(w.patches) != 1 {
		t.Errorf("emissions %v, %d patches, want [0 1 2] and one", emissions, len(w.patches))
	}
}

func TestSameFailuresAreCountedUpToTheAttempt(t *testing.T) {
	w := newWorld(t)
	d := w.driver(t)
	for _, number := range []int{1, 3, 2} {
		if _, err := d.Classify(t.Context(), report(number, fmt.Sprintf("hm, run %d", number))); err != nil {
			t.Fatal(err)
		}
	}
	other := report(4, "quite another thing")
	if _, err := d.Classify(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(w.same) != "[1 2 2 1]" {
		t.Errorf("same failures = %v, want [1 2 2 1]", w.same)
	}
}

func TestWhatIsDownIsWaitedFor(t *testing.T) {
	for _, kind := range []errs.Kind{errs.Unavailable, errs.Exhausted, errs.Conflict, errs.PermissionDenied} {
		w := newWorld(t)
		d := w.driver(t)
		w.down = errs.New(kind, "not now")
		if err := d.Hear(t.Context(), report(1, "OutOfMemoryError")); !errs.Is(err, errs.Unavailable) {
			t.Errorf("Hear while %v = %v, want Unavailable", kind, err)
		}
		rec, err := d.Store.Get(t.Context(), report(1, "").Attempt.FailureID())
		if err != nil || rec.State != record.Recommending || len(w.events) != 0 {
			t.Errorf("record = %v, state %d, %d events, want it to wait", err, rec.State, len(w.events))
		}
		w.down = nil
		if rec, err = d.Drive(t.Context(), rec.ID()); err != nil || rec.State != record.Final || rec.Patch == "" || len(w.events) != 1 {
			t.Errorf("Drive = %v, %+v", err, rec)
		}
	}
}

func TestWhatIsRefusedEndsTheRecord(t *testing.T) {
	for name, set := range map[string]func(*world){
		"the recommender": func(w *world) { w.down = errs.New(errs.Invalid, "no such engine") },
		"the patcher":     func(w *world) { w.refuse = errs.New(errs.FailedPrecondition, "beyond the ceiling") },
	} {
		w := newWorld(t)
		set(w)
		f, err := w.driver(t).Classify(t.Context(), report(1, "OutOfMemoryError"))
		if err != nil || f.State != record.Final || f.Patch != "" || len(f.Warnings) != 1 || len(w.events) != 1 {
			t.Errorf("refused by %s: %v, %+v, %d events", name, err, f, len(w.events))
		}
	}
}

func TestGiveUp(t *testing.T) {
	w := newWorld(t)
	d := w.driver(t)
	w.down = errs.New(errs.Unavailable, "not now")
	id := report(1, "").Attempt.FailureID()
	if _, err := d.Classify(t.Context(), report(1, "OutOfMemoryError")); !errs.Is(err, errs.Unavailable) {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.GiveUp(t.Context(), id, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	rec, err := d.Store.Get(t.Context(), id)
	if err != nil || rec.State != record.Final || len(rec.Warnings) != 1 || !strings.Contains(rec.Warnings[0], "given up") || len(w.events) != 1 {
		t.Errorf("record = %v, %+v, %d events", err, rec, len(w.events))
	}
}

// TestCrashAnywhere kills the process before and after every commit and every
// call, starts another one, and tells it again.
func TestCrashAnywhere(t *testing.T) {
	for _, log := range []string{"OutOfMemoryError", "spot machine gone", "ZeroDivisionError", "hm"} {
		for dies := 1; ; dies++ {
			w := newWorld(t)
			w.dies = dies
			_, err := w.driver(t).Classify(t.Context(), report(1, log))
			if !w.dead {
				if err != nil {
					t.Fatal(err)
				}
				if dies < 3 {
					t.Errorf("%q took %d steps, too few to believe", log, dies)
				}
				break
			}
			w.dead = false
			again := w.driver(t)
			id := report(1, "").Attempt.FailureID()
			if dies%2 == 0 { // the sweeper, if the record was stored
				if _, err := again.Drive(t.Context(), id); err != nil && !errs.Is(err, errs.NotFound) {
					t.Fatal(err)
				}
			}
			if err := again.Hear(t.Context(), report(1, log)); err != nil {
				t.Fatalf("%q, crash at step %d: %v", log, dies, err)
			}
			rec, err := again.Store.Get(t.Context(), id)
			if err != nil || rec.State != record.Final {
				t.Errorf("%q, crash at step %d: %v, state %d", log, dies, err, rec.State)
			}
			wantPatches := map[bool]int{true: 1, false: 0}[log == "OutOfMemoryError" || log == "spot machine gone"]
			if len(w.patches) != wantPatches || (rec.Patch != "") != (wantPatches == 1) || len(w.events) == 0 {
				t.Errorf("%q, crash at step %d: %d patches, patch %q, %d events", log, dies, len(w.patches), rec.Patch, len(w.events))
			}
			seen := map[int]bool{}
			for _, e := range w.events {
				var m redrivev1.FailureClassified
				if err := e.Decode(&m); err != nil || m.GetFailure().GetPatch() != rec.Patch || seen[e.Emission] {
					t.Errorf("%q, crash at step %d: event %+v (%v)", log, dies, e, err)
				}
				seen[e.Emission] = true
			}
		}
	}
}

func TestEveryoneAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 16 {
		d := w.driver(t)
		all.Go(func() {
			if f, err := d.Classify(t.Context(), report(1, "OutOfMemoryError")); err != nil || f.Patch != "patches/1" {
				t.Errorf("Classify = %v, patch %q", err, f.Patch)
			}
		})
	}
	all.Wait()
	if len(w.patches) != 1 || len(w.events) != 1 {
		t.Errorf("%d patches, %d events, want one of each", len(w.patches), len(w.events))
	}
}
